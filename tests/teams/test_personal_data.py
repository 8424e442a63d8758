from datetime import timedelta

import pytest
from axes.models import AccessLog
from django.utils import timezone

from teams.models import AuditEntry, MailChoice, Membership, Notice, NoticeKind, Role, User
from teams.services import audit, courses, enrolment, erasing, notices
from tests import factories
from tests.evaluation.conftest import make_run


def erase(client, course, person):
    membership = Membership.objects.get(course=course, person=person)
    address = f"/courses/{course.pk}/people/{membership.pk}/switch/"
    return client.post(address, {"do": "erase"}, follow=True).content.decode()


def test_erasing_removes_the_person_everywhere_and_keeps_the_teams_work(
    client, client_for, course, team, other_team, member, instructor
):
    version = factories.make_dataset_version(team, person=member)
    run = make_run(team)
    courses.put_in_team(membership=member.memberships.get(), team=other_team, person=instructor)
    audit.record(course=course, person=member, action="a", what=f"of {member.name}", before={"by": [member.email]})
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="x", path="/")
    MailChoice.objects.create(person=member, kind=NoticeKind.RUN)
    AccessLog.objects.create(username=member.email)
    session = client_for(member)
    name, address, key = member.name, member.email, member.pk
    assert "Name and address are gone" in erase(client_for(instructor), course, member)
    assert not User.objects.filter(name=name).exists() and not User.objects.filter(email=address).exists()
    assert name not in str(list(AuditEntry.objects.values_list("what", "before", "after")))
    assert address not in str(list(AuditEntry.objects.values_list("what", "before", "after")))
    assert not Notice.objects.filter(person_id=key).exists() and not MailChoice.objects.exists()
    assert not AccessLog.objects.filter(username=address).exists()
    assert session.get("/").status_code == 302
    assert client.post("/sign-in/", {"username": address, "password": factories.PASSWORD}).status_code == 200
    version.refresh_from_db()
    assert (version.created_by_id, run.team) == (key, team)
    assert AuditEntry.objects.filter(action="personal data erased").get().what == f"Former student {key}"


def test_a_short_name_leaves_other_words_of_the_record_alone(client_for, course, member, instructor):
    User.objects.filter(pk=member.pk).update(name="An", email="an@an.example")
    audit.record(
        course=course, person=None, action="a", what="An (an@an.example, AN@AN.example) left Anna Annan's team"
    )
    erase(client_for(instructor), course, member)
    former = f"Former student {member.pk}"
    said = AuditEntry.objects.get(course=course, action="a").what
    assert said == f"{former} ({former}, {former}) left Anna Annan's team"


def test_only_students_are_erased(client_for, course, instructor, professor):
    assert "not only a student" in erase(client_for(instructor), course, professor)
    assert User.objects.get(pk=professor.pk).name == professor.name


def test_another_instructors_course_protects_its_student(client_for, course, other_course, member, instructor):
    factories.enrol(other_course, member, Role.STUDENT)
    assert "another instructor too" in erase(client_for(instructor), course, member)
    factories.enrol(other_course, instructor, Role.INSTRUCTOR)
    assert "are gone" in erase(client_for(instructor), course, member)


@pytest.fixture
def ended(course):
    """Over, and everybody was told in time."""
    course.keep_days, course.ends_on = 30, timezone.localdate() - timedelta(days=31)
    told(course)
    return course


def told(course):
    course.erasure_told_for = course.ends_on + timedelta(days=course.keep_days)
    course.erasure_told_at = timezone.localdate() - timedelta(days=14)
    course.save()


def test_retention_erases_students_after_the_time_and_not_a_day_before(ended, member, instructor):
    ended.ends_on += timedelta(days=1)
    told(ended)
    assert erasing.apply_retention() == 0
    ended.ends_on -= timedelta(days=1)
    told(ended)
    assert erasing.apply_retention() == 1
    member.refresh_from_db()
    instructor.refresh_from_db()
    assert member.name.startswith("Former student")
    assert instructor.name == "Iris Instructor"
    assert erasing.apply_retention() == 0


def test_retention_waits_while_another_course_keeps_the_person(ended, other_course, member):
    factories.enrol(other_course, member, Role.STUDENT)
    assert erasing.apply_retention() == 0


def test_without_a_setting_nothing_is_erased(course, member):
    course.ends_on = timezone.localdate() - timedelta(days=3650)
    course.save()
    assert erasing.apply_retention() == 0


@pytest.fixture
def staff(db) -> User:
    return User.objects.create_user("staff@example.edu", factories.PASSWORD, name="Sam Staff", is_staff=True)


def look(client, person):
    return client.post("/impersonate/", {"person": person.email}, follow=True)


def test_staff_look_as_a_member_with_a_banner_on_record_and_come_back(client_for, team, member, staff):
    client = client_for(staff)
    page = look(client, member)
    assert page.redirect_chain[-1][0] == f"/teams/{team.pk}/"
    assert f"You are looking as {member.name}" in page.content.decode()
    back = client.post("/impersonate/stop/", follow=True).content.decode()
    assert "You are yourself again" in back
    assert "You are looking as" not in client.get("/impersonate/").content.decode()
    actions = AuditEntry.objects.filter(course=team.course).order_by("id").values_list("action", "person__name")
    assert list(actions) == [("looks as this person", "Sam Staff"), ("no longer looks as this person", "Sam Staff")]


def test_nothing_can_be_changed_in_the_other_persons_name(client_for, course, team, member, staff):
    client = client_for(staff)
    look(client, member)
    answer = client.post(f"/courses/{course.pk}/teams/new/", {"name": "Sneaky"})
    assert answer.status_code == 403
    assert "Only looking" in answer.content.decode()
    assert not course.teams.filter(name="Sneaky").exists()
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="x", path="/")
    client.get("/notices/")
    assert Notice.objects.filter(person=member, read_at=None).exists()


def test_staff_cannot_look_as_staff_nor_as_somebody_switched_off(client_for, member, staff):
    other = User.objects.create_user("root@example.edu", None, name="Root", is_staff=True, is_superuser=True)
    assert "another member of the staff" in look(client_for(staff), other).content.decode()
    member.is_active = False
    member.save()
    assert "switched off" in look(client_for(staff), member).content.decode()


def test_instructors_do_not_look_as_others(client_for, instructor, member):
    assert client_for(instructor).get("/impersonate/").status_code == 403
    assert look(client_for(instructor), member).status_code == 403


def test_somebody_who_impersonates_nobody_stops_nothing(client_for, member, team):
    page = client_for(member).post("/impersonate/stop/", follow=True)
    assert page.redirect_chain[-1][0] == f"/teams/{team.pk}/"


def test_staff_find_people_by_name_and_address(client_for, member, staff):
    page = client_for(staff).get("/impersonate/?q=mia").content.decode()
    assert member.email in page
    assert staff.email not in page.split("Find</button>")[1]


def test_a_deactivated_student_can_still_be_erased(client_for, course, member, instructor):
    enrolment.deactivate(membership=member.memberships.get(), person=instructor)
    assert "are gone" in erase(client_for(instructor), course, member)
