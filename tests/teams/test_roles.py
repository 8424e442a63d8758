"""Assistants, observers, a course that changes hands, and many rows changed at once."""

import pytest
from django.test import Client
from django.urls import reverse

from courseplatform import set_up
from courseplatform.set_up import Facts
from datasets.models import Dataset
from teams.models import AuditEntry, Course, HandOver, Membership, ProfessorAssignment, Role
from teams.services import courses, enrolment, handing_over
from teams.services.refused import CourseRefused
from tests import factories

# --- Assistants ----------------------------------------------------------------------------------------------------------


def test_an_assistant_sees_a_team_and_deletes_only_where_it_was_ticked(
    course, team, member, assistant, instructor, client_for
) -> None:
    version = factories.make_dataset_version(team, person=member)
    path = reverse("dataset_delete", kwargs={"team_id": team.pk, "dataset_id": version.dataset_id})
    client = client_for(assistant)
    assert client.get(f"/teams/{team.pk}/").status_code == 200
    assert client.post(path).status_code == 403
    membership = assistant.memberships.get()
    data = {"role": "assistant", "team": "", "section": "", "student_id": "", "rights": ["may_delete"]}
    client_for(instructor).post(f"/courses/{course.pk}/people/{membership.pk}/", data)
    assert client.post(path).status_code != 403
    assert not Dataset.objects.filter(pk=version.dataset_id).exists()
    entry = AuditEntry.objects.get(action="assistant's rights changed")
    assert (entry.before, entry.after, entry.person) == ([], ["may_delete"], instructor)


def test_an_assistant_makes_nobody_anything(course, member, assistant, client_for) -> None:
    client, mine = client_for(assistant), assistant.memberships.get()
    for membership in (mine, member.memberships.get()):
        data = {"role": "instructor", "team": "", "section": ""}
        assert client.post(f"/courses/{course.pk}/people/{membership.pk}/", data).status_code == 403
    assert client.post(f"/courses/{course.pk}/people/invite/", {"role": "instructor"}).status_code == 403
    page = client.get(f"/courses/{course.pk}/").content.decode()
    assert course.professor_code not in page, "the code would let a second self in that grades"


def test_an_assistant_who_may_price_sets_a_budget_and_leaves_the_professors_alone(
    course, team, professor, trusted_assistant, client_for
) -> None:
    factories.assign(team, professor)
    path = f"/courses/{course.pk}/teams/{team.pk}/settings/"
    client = client_for(trusted_assistant)
    assert "professors" not in client.get(path).context["form"].fields
    client.post(path, {"limit": "7", "initial-limit": "25.00", "professors": [], "initial-professors": ["1"]})
    team.account.refresh_from_db()
    assert team.account.limit == 7_000_000
    assert ProfessorAssignment.objects.filter(team=team).count() == 1


def test_rights_end_with_the_role(trusted_assistant, instructor) -> None:
    membership = trusted_assistant.memberships.get()
    courses.set_role(membership=membership, role=Role.STUDENT, person=instructor)
    courses.set_role(membership=membership, role=Role.ASSISTANT, person=instructor)
    membership.refresh_from_db()
    assert enrolment.rights_of(membership) == []


# --- Observers -----------------------------------------------------------------------------------------------------------


def test_an_observer_reads_figures_and_no_name(course, team, other_team, professor, observer, client_for) -> None:
    factories.assign(team, professor)
    client = client_for(observer)
    assert client.get("/")["Location"] == f"/courses/{course.pk}/observed/"
    for name in ("course_observed", "course_plan", "rubric_read", "course_privacy"):
        path = reverse(name, kwargs={"course_id": course.pk})
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200
        for secret in ("Mia Member", "Otis Other", "Pat Professor", "Maple", "Birch", "@example.edu"):
            assert secret not in page.replace(observer.email, ""), (path, secret)
    assert "Team 2" in client.get(f"/courses/{course.pk}/observed/").content.decode()


def test_an_observer_changes_nothing(course, team, observer, client_for) -> None:
    client = client_for(observer)
    assert client.get(f"/teams/{team.pk}/").status_code == 404
    for path in ("teams/new/", f"teams/{team.pk}/join/", "notices/new/"):
        assert client.post(f"/courses/{course.pk}/{path}", {"name": "x", "text": "x"}).status_code == 403


# --- Hand-over -----------------------------------------------------------------------------------------------------------


def offered(course: Course, instructor, professor, becomes: str = "assistant") -> HandOver:
    taker = professor.memberships.get(course=course)
    return handing_over.offer(course=course, giver=instructor, taker=taker, becomes=becomes)


def test_a_course_changes_hands_when_both_have_said_yes(course, team, instructor, professor, client_for) -> None:
    factories.assign(team, professor)
    path = f"/courses/{course.pk}/hand-over/"
    giver, taker = client_for(instructor), client_for(professor)
    membership = professor.memberships.get()
    giver.post(path, {"do": "offer", "taker": membership.pk, "becomes": "assistant"})
    assert giver.post(path, {"do": "confirm"}, follow=True).status_code == 200
    membership.refresh_from_db()
    assert membership.role == Role.PROFESSOR, "not before it is accepted"
    taker.post(path, {"do": "accept"})
    assert taker.post(path, {"do": "confirm"}, follow=True).status_code == 200
    membership.refresh_from_db()
    assert membership.role == Role.PROFESSOR, "and not by the taker alone"
    giver.post(path, {"do": "confirm"})
    membership.refresh_from_db()
    assert membership.role == Role.INSTRUCTOR
    assert instructor.memberships.get().role == Role.ASSISTANT
    assert not team.professor_assignments.exists(), "who sees every name grades no team blind"
    assert set(AuditEntry.objects.filter(what__startswith="from Iris").values_list("action", flat=True)) == {
        "course offered",
        "course accepted",
        "course handed over",
    }


def test_strangers_find_no_offer(course, instructor, professor, member, assistant, client_for) -> None:
    offered(course, instructor, professor)
    for person in (member, assistant):
        assert client_for(person).post(f"/courses/{course.pk}/hand-over/", {"do": "accept"}).status_code == 404


def test_an_offer_that_was_withdrawn_is_not_accepted(course, instructor, professor) -> None:
    offer = offered(course, instructor, professor)
    handing_over.end(hand_over=offer, person=instructor)
    with pytest.raises(CourseRefused, match="changed meanwhile"):
        handing_over.accept(hand_over=offer, person=professor)


def test_a_giver_who_lost_the_role_meanwhile_gives_nothing(course, instructor, professor) -> None:
    offer = offered(course, instructor, professor)
    handing_over.accept(hand_over=offer, person=professor)
    Membership.objects.filter(person=instructor).update(role=Role.PROFESSOR)
    with pytest.raises(CourseRefused, match="left the course"):
        handing_over.confirm(hand_over=offer, person=instructor)
    assert professor.memberships.get().role == Role.PROFESSOR
    assert HandOver.objects.get().state == HandOver.State.ACCEPTED


def test_a_student_is_offered_no_course(course, instructor, member) -> None:
    with pytest.raises(CourseRefused, match="teaches"):
        offered(course, instructor, member)


# --- Many at once --------------------------------------------------------------------------------------------------------


def as_shown(client: Client, path: str, part: str) -> dict[str, object]:
    """What the browser would send back unchanged."""
    form = client.get(path).context["teams" if part == "teams" else "people"]
    sent: dict[str, object] = {"part": part}
    for name in form.fields:
        value = form[name].value()
        sent[name] = sent[f"initial-{name}"] = value
    return sent


def test_only_what_was_changed_is_changed(course, team, other_team, professor, instructor, client_for) -> None:
    client, path = client_for(instructor), f"/courses/{course.pk}/many/"
    sent = as_shown(client, path, "teams")
    sent[f"professors-{team.pk}"] = [professor.memberships.get().pk]
    courses.set_budget(team=other_team, limit=3_000_000, person=instructor)  # in another tab
    assert client.post(path, sent).status_code == 302
    other_team.account.refresh_from_db()
    assert other_team.account.limit == 3_000_000
    assert team.professor_assignments.get().professor.person == professor


def test_one_bad_budget_saves_none_and_loses_none(course, team, other_team, instructor, client_for) -> None:
    client, path = client_for(instructor), f"/courses/{course.pk}/many/"
    sent = as_shown(client, path, "teams")
    sent[f"limit-{team.pk}"], sent[f"limit-{other_team.pk}"] = "12.50", "-3"
    answer = client.post(path, sent)
    assert answer.status_code == 422
    assert "12.50" in answer.content.decode()
    team.account.refresh_from_db()
    assert team.account.limit == 25_000_000


def test_people_move_between_sections_of_this_course_alone(course, other_course, member, team, instructor, client_for):
    section = enrolment.create_section(course=course, name="Monday", person=instructor)
    strange = enrolment.create_section(course=other_course, name="Far", person=instructor)
    client, path = client_for(instructor), f"/courses/{course.pk}/many/"
    name = f"section-{member.memberships.get().pk}"
    for chosen, status in ((strange.pk, 422), (section.pk, 302)):
        sent = as_shown(client, path, "people")
        sent[name] = chosen
        assert client.post(path, sent).status_code == status
    assert member.memberships.get().section == section


# --- The set-up list ------------------------------------------------------------------------------------------------------

READY = Facts(
    has_days=True,
    plan_dated=True,
    students=True,
    professors=True,
    teams_unassigned=False,
    students_without_team=False,
    own_rubric=True,
    own_script=True,
    grading_day=True,
    protected=True,
)


@pytest.mark.parametrize(
    ("changed", "pages"),
    [
        ({}, []),
        ({"has_days": False}, ["course_edit"]),
        ({"plan_dated": False}, ["course_plan"]),
        ({"students": False}, ["course_roster"]),
        ({"students_without_team": True}, ["teams_form"]),
        ({"professors": False, "grading_day": False, "teams_unassigned": True}, ["course_invite"]),
        ({"teams_unassigned": True}, ["course_bulk"]),
        ({"own_rubric": False}, ["rubric_detail"]),
        ({"own_script": False}, ["script_detail"]),
        ({"grading_day": False}, ["course_grades"]),
        ({"protected": False}, ["course_edit"]),
    ],
)
def test_each_rule_of_the_set_up_list(changed: dict[str, object], pages: list[str]) -> None:
    facts = Facts(**{**vars(READY), **changed})
    assert [step.page for step in set_up.RULES if step.open(facts)] == pages


def test_what_the_rules_look_at_is_found_in_one_query(course, team, professor, django_assert_num_queries) -> None:
    factories.assign(team, professor)
    with django_assert_num_queries(1):
        facts = set_up.facts_of(course)
    assert facts.students and facts.professors and not facts.teams_unassigned and not facts.students_without_team
    course.memberships.filter(person=professor).update(active=False)
    factories.enrol(course, factories.make_person("Una Unplaced"), Role.STUDENT)
    facts = set_up.facts_of(course)
    assert not facts.professors and facts.teams_unassigned and facts.students_without_team
    assert not facts.plan_dated, "no plan is no dated plan"


def test_a_new_course_says_what_it_needs_and_a_running_one_does_not(course, instructor, client_for) -> None:
    page = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "Before the course begins" in page and "Bring in the students" in page
    Course.objects.filter(pk=course.pk).update(starts_on="2020-01-01")
    assert "Before the course begins" not in client_for(instructor).get(f"/courses/{course.pk}/").content.decode()


def test_the_operator_sees_sizes_and_no_content(course, team, member, operator, client_for) -> None:
    page = client_for(operator).get("/platform/").content.decode()
    assert "EDEL 4620" in page and "Maple" not in page and "Mia Member" not in page
    assert client_for(operator).get(f"/courses/{course.pk}/").status_code == 404
