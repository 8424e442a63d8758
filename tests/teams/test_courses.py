import re

import pytest
from django.contrib.auth.models import Permission

from teams.models import AuditEntry, Course, Membership, Role, Team, User
from teams.services import courses, links
from tests import factories


def test_a_new_person_joins_with_the_student_code_and_makes_a_team(
    client, course, mailoutbox, django_capture_on_commit_callbacks
):
    form = {"code": course.student_code.lower(), "name": "New", "email": "New@example.edu"}
    with django_capture_on_commit_callbacks(execute=True):
        assert "Look into your mailbox" in client.post("/join/", form).content.decode()
    found = re.search(r"/join/[^?\s]+", mailoutbox[0].body)
    assert found
    page = client.post(found[0], {"new_password1": "a long passphrase", "new_password2": "a long passphrase"})
    assert page.url == f"/courses/{course.pk}/"
    person = User.objects.get(email="new@example.edu")
    assert person.memberships.get().role == Role.STUDENT
    client.post(f"/courses/{course.pk}/teams/new/", {"name": "Willow"})
    assert person.memberships.get().team == Team.objects.get(name="Willow")
    assert Team.objects.get(name="Willow").account.limit == course.team_budget


def test_a_wrong_code_makes_no_account_and_says_what_to_do(client, course):
    page = client.post("/join/", {"code": "WRONG", "name": "N", "email": "n@example.edu"})
    assert page.status_code == 422
    assert "No course has the code" in page.content.decode()
    assert not User.objects.filter(email="n@example.edu").exists()


def test_the_professor_code_makes_a_professor(client_for, course):
    person = factories.make_person("Pat")
    page = client_for(person).post("/join/", {"code": course.professor_code})
    assert page.url == f"/courses/{course.pk}/grading/"
    assert person.memberships.get().role == Role.PROFESSOR


def test_joining_again_does_not_change_the_role(course, instructor):
    courses.join_course(person=instructor, code=course.student_code)
    assert instructor.memberships.get().role == Role.INSTRUCTOR


def test_a_weak_password_is_refused(client, course):
    link = links.join_link(name="N", email="n@example.edu", code=course.student_code)
    page = client.post(link, {"new_password1": "12345678", "new_password2": "12345678"})
    assert page.status_code == 422
    assert not User.objects.filter(email="n@example.edu").exists()


def test_a_full_team_refuses_one_more(client_for, course):
    course.team_size = 1
    course.save()
    team = factories.make_team(course, "Full", factories.make_person())
    late = factories.make_person("Late")
    factories.enrol(course, late, Role.STUDENT)
    page = client_for(late).post(f"/courses/{course.pk}/teams/{team.pk}/join/", follow=True)
    assert "Full is full" in page.content.decode()
    assert late.memberships.get().team is None


def test_the_same_team_name_twice_is_refused(course, team, instructor):
    with pytest.raises(courses.CourseRefused, match="already a team named"):
        courses.create_team(course=course, name=team.name, person=instructor)


def test_the_last_instructor_cannot_step_down(course, instructor):
    with pytest.raises(courses.CourseRefused, match="needs an instructor"):
        courses.set_role(membership=instructor.memberships.get(), role=Role.STUDENT, person=instructor)


def test_an_instructor_sets_budget_and_professor_and_the_audit_log_says_so(
    client_for, course, team, instructor, professor
):
    assigned = Membership.objects.get(person=professor)
    client_for(instructor).post(
        f"/courses/{course.pk}/teams/{team.pk}/settings/", {"limit": "40.50", "professors": [assigned.pk]}
    )
    team.account.refresh_from_db()
    assert team.account.limit == 40_500_000
    assert team.professor_assignments.get().professor == assigned
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"budget changed", "professors assigned"}


def test_only_people_who_may_create_courses_can(client_for, member):
    assert client_for(member).get("/courses/new/").status_code == 403
    member.user_permissions.add(Permission.objects.get(codename="add_course"))
    fields = {"name": "New", "term": "", "team_size": 4, "team_budget": "25.00", "compute_rate": "1.20"}
    page = client_for(member).post("/courses/new/", fields)
    assert page.status_code == 302
    made = Course.objects.get(name="New")
    assert (made.team_budget, made.compute_rate) == (25_000_000, 1_200_000)
    assert made.memberships.get().role == Role.INSTRUCTOR


def test_six_wrong_passwords_lock_the_sign_in(client, member):
    for address in [member.email, member.email.upper()] * 3:
        page = client.post("/sign-in/", {"username": address, "password": "wrong"})
    assert page.status_code == 429
    right = client.post("/sign-in/", {"username": member.email, "password": factories.PASSWORD})
    assert right.status_code == 429
    assert "Too many tries" in right.content.decode()


def test_signing_in_ignores_the_capitals_of_the_address(client, member):
    page = client.post("/sign-in/", {"username": member.email.upper(), "password": factories.PASSWORD})
    assert page.status_code == 302


def test_a_team_name_that_is_a_formula_is_harmless_in_the_csv(client_for, course, instructor):
    from teams.models import Confidence, Method
    from teams.services import money

    team = factories.make_team(course, "=HYPERLINK(1)")
    money.hold(team=team, key="run-1", amount=100)
    charge = money.Charge("run", "1", Method.LORA, "local", "tiny", 50, "@note", Confidence.EXACT)
    money.settle(key="run-1", charge=charge)
    text = client_for(instructor).get(f"/courses/{course.pk}/costs.csv").content.decode()
    assert "'=HYPERLINK(1)" in text
    assert "'@note" in text
    assert "0.000050" in text


def test_the_cost_page_needs_the_same_queries_for_one_team_and_for_thirty(
    client_for, course, team, instructor, django_assert_max_num_queries
):
    client = client_for(instructor)
    for number in range(30):
        factories.make_team(course, f"Team {number:02}")
    with django_assert_max_num_queries(14):
        page = client.get(f"/courses/{course.pk}/costs/")
    assert page.content.decode().count("of the budget") == 31
