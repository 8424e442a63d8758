"""Who signs in through the university is mailed no link that sets a password."""

import pytest

from teams.models import OutsideIdentity, Role, User
from teams.services import enrolment, invitations, people
from tests import factories


@pytest.fixture(autouse=True)
def university(settings):
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = "https://login.uni.example", "course"
    settings.OIDC_NAME, settings.OIDC_EMAIL_DOMAINS = "Uni Login", ["uni.example"]


@pytest.fixture
def mailed(mailoutbox, django_capture_on_commit_callbacks):
    def run(work):
        with django_capture_on_commit_callbacks(execute=True):
            work()
        (mail,) = mailoutbox
        return mail.body

    return run


def invited(course, instructor, email):
    enrolment.invite(course=course, person=instructor, email=email, name="New", role=Role.PROFESSOR, team=None)


def test_an_invitation_leads_to_the_universitys_sign_in(course, instructor, mailed):
    body = mailed(lambda: invited(course, instructor, "new@uni.example"))
    assert "Sign in with Uni Login" in body and "/password/" not in body


def test_a_guest_from_elsewhere_still_gets_a_link(course, instructor, mailed):
    body = mailed(lambda: invited(course, instructor, "new@guest.example"))
    assert "/password/set/" in body


def test_a_forgotten_password_is_none_of_the_platforms(db, mailed, settings):
    settings.OIDC_EMAIL_DOMAINS = []
    person = factories.make_person(email="ana@uni.example")
    OutsideIdentity.objects.create(person=person, issuer=settings.OIDC_ISSUER, subject="1")
    body = mailed(lambda: invitations.send_password_link(email=person.email))
    assert "need no password" in body and "/password/" not in body


def test_the_operator_keeps_a_way_in_while_the_service_is_away(db, mailed):
    person = factories.make_person(email="op@uni.example")
    User.objects.filter(pk=person.pk).update(is_staff=True)
    assert "/password/set/" in mailed(lambda: invitations.send_password_link(email=person.email))


def test_a_join_code_leads_there_too(course, mailed):
    body = mailed(lambda: people.ask_to_join(name="New", email="new@uni.example", code=course.student_code))
    assert "Sign in with Uni Login" in body and course.student_code in body
