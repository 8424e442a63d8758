"""Those who run the platform let others create courses and switch accounts off, in the browser and on record."""

import pytest

from teams.models import AuditEntry, Membership, Role, User
from teams.services import audit, courses, erasing
from tests import factories


@pytest.fixture
def staff(db):
    person = factories.make_person("Stan Staff", "staff@example.edu")
    person.is_staff = True
    person.save()
    return person


def decide(client, do, person):
    return client.post("/accounts/", {"do": do, "person": person.email}, follow=True).content.decode()


def test_somebody_is_allowed_to_create_courses_and_not_any_more(client_for, staff, member):
    client = client_for(staff)
    assert client_for(member).get("/courses/new/").status_code == 403
    assert "may create courses" in decide(client, "allow", member)
    assert client_for(member).get("/courses/new/").status_code == 200
    assert "The courses that they made stay" in decide(client, "forbid", member)
    assert client_for(member).get("/courses/new/").status_code == 403


def test_an_account_that_is_switched_off_is_out_at_once_everywhere_and_comes_back(
    client_for, client, staff, member, team
):
    inside = client_for(member)
    assert inside.get(f"/teams/{team.pk}/").status_code == 200
    decide(client_for(staff), "close", member)
    assert inside.get(f"/teams/{team.pk}/").status_code == 302
    signing = {"username": member.email, "password": factories.PASSWORD}
    assert client.post("/sign-in/", signing).status_code == 200
    assert client.get("/").status_code == 302
    decide(client_for(staff), "reopen", member)
    assert client.post("/sign-in/", signing).status_code == 302
    assert Membership.objects.get(person=member).team == team


def test_every_decision_is_on_record_with_the_platform_and_in_the_persons_courses(client_for, staff, course, member):
    client = client_for(staff)
    for do in ("close", "close", "reopen", "allow"):
        decide(client, do, member)
    said = ["account switched off", "account switched on", "may create courses"]
    for where in (None, course):
        found = AuditEntry.objects.filter(course=where, person=staff, what=str(member)).order_by("pk")
        assert [entry.action for entry in found] == said
    assert "account switched off" in client.get("/accounts/record/").content.decode()


def test_nobody_locks_themselves_out_and_erased_people_do_not_come_back(client_for, course, staff, member):
    assert "your own account" in decide(client_for(staff), "close", staff)
    erasing.erase(membership=member.memberships.get(), person=None)
    member.refresh_from_db()
    assert "was erased" in decide(client_for(staff), "reopen", member)
    assert User.objects.filter(pk=staff.pk, is_active=True).exists()
    assert not User.objects.get(pk=member.pk).is_active


def test_a_professors_data_is_erased_by_those_who_run_the_platform_and_the_grades_stay(
    client_for, client, staff, course, team, professor
):
    factories.assign(team, professor)
    name, address = professor.name, professor.email
    audit.record(course=None, person=professor, action="signed in", what=f"as {address}")
    assert "Name and address are gone" in decide(client_for(staff), "erase", professor)
    professor.refresh_from_db()
    assert (professor.name, professor.is_active) == (f"Former member {professor.pk}", False)
    assert Membership.objects.get(person=professor).assigned_teams.count() == 1
    left = str(list(AuditEntry.objects.values_list("what", "before", "after")))
    assert name not in left
    assert address not in left
    assert AuditEntry.objects.filter(course=course, action="personal data erased", person=staff).exists()
    assert client.post("/sign-in/", {"username": address, "password": factories.PASSWORD}).status_code == 200


def test_the_only_instructor_and_staff_are_not_erased(client_for, staff, course, instructor):
    client = client_for(staff)
    assert "is the only instructor of" in decide(client, "erase", instructor)
    assert "runs this platform" in decide(client, "erase", staff)
    assert set(User.objects.filter(is_active=True)) == {staff, instructor}


def test_an_invented_person_or_decision_changes_nothing(client_for, staff, member):
    client = client_for(staff)
    assert client.post("/accounts/", {"do": "close", "person": "nobody@example.edu"}).status_code == 404
    assert client.post("/accounts/", {"do": "promote", "person": member.email}).status_code == 200
    assert not AuditEntry.objects.filter(what=str(member)).exists()


def test_the_platforms_record_shows_no_entry_of_a_course(client_for, staff, course, instructor):
    courses.renew_code(course=course, role=Role.STUDENT, person=instructor)
    assert "join code renewed" not in client_for(staff).get("/accounts/record/").content.decode()


def test_staff_get_to_these_pages_from_their_home_page_and_others_do_not_see_them(
    client_for, staff, course, instructor
):
    factories.enrol(course, staff, Role.INSTRUCTOR)
    assert "/accounts/" in client_for(staff).get("/").content.decode()
    courses.create_course(person=instructor, name="Another", term="")
    assert "/accounts/" not in client_for(instructor).get("/").content.decode()


def test_accounts_are_found_by_name_and_address_and_need_the_same_queries_for_two_and_for_sixty(
    client_for, staff, member, django_assert_max_num_queries
):
    client = client_for(staff)
    assert member.name in client.get("/accounts/?q=mia").content.decode()
    assert member.name not in client.get("/accounts/?q=nobody").content.decode()
    for number in range(60):
        factories.make_person(f"Person {number:02}")
    with django_assert_max_num_queries(8):
        page = client.get("/accounts/").content.decode()
    assert "1 of 2" in page
