"""Nobody gets into a team unasked, nobody into two, and a join code can be closed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.urls import reverse

from teams.models import AuditEntry, BudgetAccount, Membership, Notice, Role, Team, TeamRequest
from teams.services import courses, enrolment, team_requests
from tests import factories


@pytest.fixture
def newcomer(course):
    """A student of the course who is in no team."""
    return factories.enrol(course, factories.make_person("Nora Newcomer", "nora@example.edu"), Role.STUDENT)


def ask(client, team):
    return client.post(reverse("team_join", args=[team.course_id, team.pk]), follow=True)


def answer(client, request, do):
    return client.post(reverse("team_request_answer", args=[request.team_id, request.pk]), {"do": do}, follow=True)


def team_of(membership) -> Team | None:
    return Membership.objects.get(pk=membership.pk).team


# --- Strangers ---------------------------------------------------------------------------------------------------------


def test_a_stranger_who_presses_join_is_in_no_team_until_the_team_says_so(
    client_for, team, member, newcomer, django_capture_on_commit_callbacks, mailoutbox
):
    theirs = client_for(newcomer.person)
    with django_capture_on_commit_callbacks(execute=True):
        page = ask(theirs, team).content.decode()
    assert "You asked Maple." in page
    assert team_of(newcomer) is None
    assert theirs.get(f"/teams/{team.pk}/").status_code == 404
    assert "asks to be in Maple" in Notice.objects.get(person=member).text
    assert [mail.to for mail in mailoutbox] == [[member.email]]

    request = TeamRequest.objects.get()
    home = client_for(member).get(f"/teams/{team.pk}/").content.decode()
    assert "Nora Newcomer" in home
    assert "nora@example.edu" in home, "the address tells who it is: anybody can write any name"
    assert "is in Maple now" in answer(client_for(member), request, "approve").content.decode()
    assert team_of(newcomer) == team
    assert "You are in Maple now." in Notice.objects.get(person=newcomer.person).text
    assert AuditEntry.objects.filter(action="moved to a team", person=member).exists()


def test_nobody_answers_but_the_team_and_the_instructor(
    client_for, team, newcomer, other_member, outsider, professor, instructor
):
    request = team_requests.ask(membership=newcomer, team=team)
    for person in (other_member, outsider, professor, newcomer.person):
        assert answer(client_for(person), request, "approve").status_code == 404
    assert team_of(newcomer) is None
    course_page = client_for(instructor).get(f"/courses/{team.course_id}/").content.decode()
    assert "Nora Newcomer" in course_page
    answer(client_for(instructor), request, "approve")
    assert team_of(newcomer) == team


def test_who_was_declined_cannot_ask_that_team_again_and_may_ask_another(
    client_for, team, other_team, member, newcomer
):
    request = team_requests.ask(membership=newcomer, team=team)
    answer(client_for(member), request, "decline")
    assert "declined" in Notice.objects.get(person=newcomer.person).text
    assert "declined before" in ask(client_for(newcomer.person), team).content.decode()
    assert "You asked Birch." in ask(client_for(newcomer.person), other_team).content.decode()


def test_one_team_is_asked_at_a_time_and_a_request_can_be_withdrawn(client_for, team, other_team, member, newcomer):
    client = client_for(newcomer.person)
    ask(client, team)
    assert "Withdraw that first" in ask(client, other_team).content.decode()
    first = TeamRequest.objects.get()
    client.post(reverse("team_request_withdraw", args=[team.course_id]))
    assert answer(client_for(member), first, "approve").status_code == 404
    assert "You asked Birch." in ask(client, other_team).content.decode()
    assert team_of(newcomer) is None


def test_a_request_to_an_empty_team_goes_to_the_instructor(course, instructor, newcomer):
    empty = courses.create_team(course=course, name="Empty", person=instructor)
    team_requests.ask(membership=newcomer, team=empty)
    assert "asks to be in Empty" in Notice.objects.get(person=instructor).text


def test_a_full_team_lets_nobody_in_and_the_request_stays(client_for, course, team, member, newcomer):
    request = team_requests.ask(membership=newcomer, team=team)
    course.team_size = 1
    course.save()
    assert "is full" in answer(client_for(member), request, "approve").content.decode()
    assert team_of(newcomer) is None
    request.refresh_from_db()
    assert request.state == TeamRequest.State.WAITING


def test_who_got_a_team_meanwhile_is_not_taken_out_of_it_by_an_old_request(
    client_for, team, other_team, member, newcomer, instructor
):
    request = team_requests.ask(membership=newcomer, team=team)
    courses.put_in_team(membership=newcomer, team=other_team, person=instructor)
    assert answer(client_for(member), request, "approve").status_code == 404
    assert team_of(newcomer) == other_team


def test_an_answer_counts_once(team, member, newcomer, instructor):
    request = team_requests.ask(membership=newcomer, team=team)
    team_requests.decline(request=request, person=instructor)
    with pytest.raises(courses.CourseRefused, match="answered or withdrawn already"):
        team_requests.approve(request=request, person=member)
    assert team_of(newcomer) is None


def test_the_instructor_and_a_class_list_need_no_approval(team, newcomer, instructor):
    courses.put_in_team(membership=newcomer, team=team, person=instructor)
    assert team_of(newcomer) == team


# --- Two teams -----------------------------------------------------------------------------------------------------------


def at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """What each of `number` threads came to; they begin together."""
    together = threading.Barrier(number)
    results: list[Any] = [None] * number

    def run(place: int) -> None:
        together.wait(30)
        try:
            results[place] = work(place)
        except courses.CourseRefused as refused:
            results[place] = refused
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[place]) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_one_student_who_starts_eight_teams_at_once_has_one_budget():
    course = factories.make_course()
    person = factories.make_person()
    factories.enrol(course, person, Role.STUDENT)
    read_before = [Membership.objects.get(person=person) for _ in range(8)]  # each process thinks: in no team yet
    done = at_once(8, lambda place: courses.start_own_team(membership=read_before[place], name=f"Team {place}"))
    assert sum(isinstance(one, Team) for one in done) == 1
    assert BudgetAccount.objects.filter(team__course=course).count() == 1
    assert Membership.objects.get(person=person).team == course.teams.get()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.django_db(transaction=True)
def test_of_two_teams_that_let_the_same_student_in_at_once_one_does():
    course = factories.make_course()
    first = factories.make_team(course, "First", factories.make_person())
    second = factories.make_team(course, "Second", factories.make_person())
    newcomer = factories.enrol(course, factories.make_person(), Role.STUDENT)
    asked = [TeamRequest.objects.create(team=first, membership=newcomer)]
    TeamRequest.objects.update(state=TeamRequest.State.WITHDRAWN)
    asked.append(TeamRequest.objects.create(team=second, membership=newcomer))
    at_once(
        4,
        lambda place: (
            team_requests.approve(
                request=TeamRequest.objects.get(pk=asked[1].pk), person=second.memberships.get().person
            )
            if place % 2
            else courses.put_in_team(
                membership=Membership.objects.get(pk=newcomer.pk),
                team=first,
                person=first.memberships.get().person,
                only_if_free=True,
            )
        ),
    )
    newcomer.refresh_from_db()
    moves = AuditEntry.objects.filter(action="moved to a team", what=str(newcomer.person))
    assert moves.count() == 1
    assert newcomer.team in (first, second)


def test_the_database_itself_refuses_a_second_started_team(course, member):
    Team.objects.create(course=course, name="One", started_by=member)
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.create(course=course, name="Two", started_by=member)


def test_who_was_taken_out_of_the_team_they_started_gets_no_second_budget(client_for, newcomer, instructor):
    courses.start_own_team(membership=newcomer, name="First")
    newcomer.refresh_from_db()
    courses.put_in_team(membership=newcomer, team=None, person=instructor)
    client = client_for(newcomer.person)
    page = client.post(f"/courses/{newcomer.course_id}/teams/new/", {"name": "Second"}, follow=True).content.decode()
    assert "You started a team in this course already" in page
    assert newcomer.course.teams.count() == 1


# --- Codes ---------------------------------------------------------------------------------------------------------------


def code_button(client, course, role, do):
    return client.post(reverse("course_code", args=[course.pk]), {"role": role, "do": do}, follow=True)


def test_a_closed_code_lets_nobody_new_in_and_throws_nobody_out(client_for, course, instructor, member, outsider):
    page = code_button(client_for(instructor), course, "student", "close").content.decode()
    assert "lets nobody new in" in page
    course.refresh_from_db()
    assert (course.student_code_open, course.professor_code_open) == (False, True)
    with pytest.raises(courses.CourseRefused, match="takes in nobody new"):
        courses.join_course(person=outsider, code=course.student_code)
    assert courses.join_course(person=member, code=course.student_code).person == member
    courses.join_course(person=outsider, code=course.professor_code)
    code_button(client_for(instructor), course, "student", "open")
    someone = factories.make_person()
    assert courses.join_course(person=someone, code=course.student_code).role == Role.STUDENT
    assert AuditEntry.objects.filter(course=course, action="join code closed", what="Student").exists()


def test_each_code_is_renewed_alone(client_for, course, instructor, outsider):
    students, professors = course.student_code, course.professor_code
    code_button(client_for(instructor), course, "student", "renew")
    course.refresh_from_db()
    assert course.student_code != students
    assert course.professor_code == professors
    with pytest.raises(courses.CourseRefused, match="No course has the code"):
        courses.join_course(person=outsider, code=students)


def test_nonsense_changes_no_code(client_for, course, instructor):
    before = (course.student_code, course.professor_code)
    for role, do in (("instructor", "renew"), ("student", "explode"), ("", "")):
        assert "Nothing was changed" in code_button(client_for(instructor), course, role, do).content.decode()
    course.refresh_from_db()
    assert (course.student_code, course.professor_code) == before
    assert course.student_code_open


def test_a_professor_with_the_students_code_gets_into_no_team(client_for, course, team, professor, instructor):
    membership = courses.join_course(person=professor, code=course.student_code)
    assert membership.role == Role.PROFESSOR, "a code takes no role away"
    client = client_for(professor)
    ask(client, team)
    assert client.post(f"/courses/{course.pk}/teams/new/", {"name": "Mine"}, follow=True).status_code == 200
    assert not TeamRequest.objects.exists()
    assert course.teams.count() == 1
    assert client.get(f"/teams/{team.pk}/").status_code == 404
    with pytest.raises(courses.CourseRefused, match="only students"):
        courses.put_in_team(membership=membership, team=team, person=instructor)


def test_a_draw_of_teams_forgets_what_was_asked(course, team, newcomer, instructor):
    request = team_requests.ask(membership=newcomer, team=team)
    groups = enrolment.propose_teams(course=course, size=3, by_section=False, seed=1)
    enrolment.form_teams(
        course=course, size=3, by_section=False, seed=1, shown=enrolment.mark_of(groups), person=instructor
    )
    request.refresh_from_db()
    assert request.state == TeamRequest.State.WITHDRAWN
