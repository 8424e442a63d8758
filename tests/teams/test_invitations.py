"""An invitation by e-mail: it works once and not for ever, can be sent again and taken back, and makes no second account."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.utils import timezone

from evaluation.models import Conversation, Grading
from evaluation.services import submissions
from teams.models import AuditEntry, Membership, OutgoingMail, Role, User
from teams.services import enrolment
from tests import factories
from tests.evaluation.conftest import make_run

PASSWORD = {"new_password1": "a long passphrase", "new_password2": "a long passphrase"}


@pytest.fixture
def invite(client_for, course, instructor, django_capture_on_commit_callbacks):
    def send(**changed):
        form = {"email": "Ana@Example.edu", "name": "Ana", "role": "student"} | changed
        with django_capture_on_commit_callbacks(execute=True):
            return client_for(instructor).post(f"/courses/{course.pk}/people/invite/", form, follow=True)

    return send


@pytest.fixture
def switch(client_for, course, instructor, django_capture_on_commit_callbacks):
    def press(person, do):
        membership = Membership.objects.get(course=course, person=person)
        with django_capture_on_commit_callbacks(execute=True):
            path = f"/courses/{course.pk}/people/{membership.pk}/switch/"
            return client_for(instructor).post(path, {"do": do}, follow=True).content.decode()

    return press


def follow(client, mail):
    """Open the link of a mail; the page with the password form, or the one that says it is too late."""
    link = re.search(r"http://[^/]+(/password/set/\S+)", mail.body)
    assert link, mail.body
    return client.get(link[1], follow=True)


def enter(client, mail):
    page = follow(client, mail)
    return client.post(page.request["PATH_INFO"], PASSWORD, follow=True).content.decode()


def test_the_invited_person_sets_a_password_and_is_in_role_team_and_section(
    invite, client, course, team, instructor, mailoutbox
):
    section = enrolment.create_section(course=course, name="Monday", person=instructor)
    assert "a mail is on its way to ana@example.edu" in invite(team=team.pk, section=section.pk).content.decode()
    ana = Membership.objects.get(person__email="ana@example.edu")
    assert (ana.role, ana.team, ana.section) == (Role.STUDENT, team, section)
    assert mailoutbox[0].to == ["ana@example.edu"]
    assert team.name in enter(client, mailoutbox[0])
    assert not User.objects.get(pk=ana.person_id).is_expected
    assert AuditEntry.objects.filter(action="invited", person=instructor).exists()


def test_the_link_works_once(invite, client, client_for, mailoutbox):
    invite()
    enter(client, mailoutbox[0])
    assert "used already, or it is too old" in follow(client_for(None), mailoutbox[0]).content.decode()


def test_the_link_stops_working_after_its_days(invite, client, mailoutbox, monkeypatch, settings):
    invite()
    later = datetime.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 60)
    monkeypatch.setattr(default_token_generator, "_now", lambda: later)
    assert "too old" in follow(client, mailoutbox[0]).content.decode()


def test_it_is_sent_again_but_not_twice_in_a_row(invite, switch, client, mailoutbox):
    invite()
    ana = User.objects.get(email="ana@example.edu")
    assert "less than two minutes ago" in switch(ana, "mail")
    OutgoingMail.objects.update(created_at=timezone.now() - timedelta(seconds=121))
    assert "once more" in switch(ana, "mail")
    assert "less than two minutes ago" in switch(ana, "mail")
    assert len(mailoutbox) == 2
    assert "You are enrolled" not in mailoutbox[1].subject
    assert "Set your password here" in mailoutbox[1].body
    enter(client, mailoutbox[1])
    assert User.objects.get(pk=ana.pk).has_usable_password()


def test_a_withdrawn_invitation_leaves_no_account_and_its_link_is_dead(invite, switch, client, course, mailoutbox):
    invite()
    ana = User.objects.get(email="ana@example.edu")
    assert "its link no longer works" in switch(ana, "withdraw")
    assert not User.objects.filter(pk=ana.pk).exists()
    assert "too old" in follow(client, mailoutbox[0]).content.decode()
    assert AuditEntry.objects.filter(course=course, action="invitation withdrawn").exists()


def test_withdrawing_leaves_the_invitation_of_another_course_alone(invite, switch, client, other_course, mailoutbox):
    invite()
    ana = User.objects.get(email="ana@example.edu")
    factories.enrol(other_course, ana, Role.STUDENT)
    switch(ana, "withdraw")
    assert [membership.course for membership in ana.memberships.all()] == [other_course]
    assert "Set your password" in follow(client, mailoutbox[0]).content.decode()


def test_an_invitation_that_was_followed_cannot_be_withdrawn(invite, switch, client, mailoutbox):
    invite()
    enter(client, mailoutbox[0])
    ana = User.objects.get(email="ana@example.edu")
    assert "has entered already" in switch(ana, "withdraw")
    assert ana.memberships.filter(active=True).exists()


def test_somebody_with_an_account_is_enrolled_and_told_without_a_password_link(invite, outsider, course, mailoutbox):
    before = User.objects.count()
    invite(email=outsider.email.upper(), name="Somebody Else", role="professor")
    membership = Membership.objects.get(course=course, person=outsider)
    assert membership.role == Role.PROFESSOR
    assert membership.person.name == outsider.name
    assert User.objects.count() == before
    assert mailoutbox[0].to == [outsider.email]
    assert "/password/set/" not in mailoutbox[0].body


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "say what the person is called"),
        ({"email": "not an address"}, "valid email"),
        ({"role": "professor", "team": "TEAM"}, "Only students are in teams"),
        ({"role": "dean"}, "not one of the available choices"),
    ],
)
def test_what_does_not_fit_is_said_and_nobody_is_invited(invite, course, team, mailoutbox, changed, said):
    changed = {name: team.pk if value == "TEAM" else value for name, value in changed.items()}
    answer = invite(**changed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not User.objects.filter(email="ana@example.edu").exists()
    assert mailoutbox == []


def test_a_full_team_invites_nobody(invite, course, team, member, mailoutbox):
    course.team_size = 1
    course.save()
    assert "is full" in invite(team=team.pk).content.decode()
    assert not User.objects.filter(email="ana@example.edu").exists()
    assert mailoutbox == []


def test_who_is_here_already_or_switched_off_is_not_invited(invite, course, member, outsider):
    assert "is in this course already, as student" in invite(email=member.email, role="professor").content.decode()
    outsider.is_active = False
    outsider.save()
    assert "switched off" in invite(email=outsider.email).content.decode()
    assert not course.memberships.filter(person=outsider).exists()


def test_the_team_of_another_course_cannot_be_invited_into(invite, other_course_team):
    assert invite(team=other_course_team.pk).status_code == 422


def test_the_people_page_shows_who_was_invited_and_never_came(invite, client_for, course, instructor):
    invite()
    assert (
        '<span class="tag">invited</span>'
        in client_for(instructor).get(f"/courses/{course.pk}/people/").content.decode()
    )


def test_somebody_of_an_imported_course_is_not_deleted_with_their_grades(switch, course, professor, team, member):
    """Nobody of an imported course has a password here or ever signed in, so they look like people who were invited."""
    for person in (professor, member):
        person.last_login = person.email_verified_at = None
        person.set_unusable_password()
        person.save()
    run = make_run(team)
    Conversation.objects.create(run=run, person=member)
    factories.assign(team, professor)
    submissions.submit(team=team, run=run, person=member)
    for person in (professor, member):
        assert "would be lost" in switch(person, "withdraw")
        assert Membership.objects.filter(course=course, person=person).exists()
    assert Grading.objects.filter(grader__person=professor).exists()
    assert Conversation.objects.filter(person=member).exists()


def test_staff_who_look_as_an_invited_person_do_not_use_the_invitation_up(invite, client, client_for, mailoutbox):
    invite()
    ana = User.objects.get(email="ana@example.edu")
    staff = factories.make_person("Stan Staff", "staff@example.edu")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    looking = client_for(staff)
    looking.post("/impersonate/", {"person": ana.email})
    assert "Ana" in looking.get("/", follow=True).content.decode()
    ana.refresh_from_db()
    assert ana.is_expected
    assert "Set your password" in follow(client, mailoutbox[0]).content.decode()
