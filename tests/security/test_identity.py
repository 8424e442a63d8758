"""An account belongs to the owner of its address: who sits in somebody else's gains nothing by it."""

import importlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.utils import timezone

from teams.models import MailKind, Membership, OutgoingMail, OutsideIdentity, Role, User
from teams.services import accounts, courses, enrolment, first_account, identity, links, outside_sign_in, people, roster
from tests import factories
from tests.security.archive_tools import brought

PASSWORD = {"new_password1": "a passphrase of the owner", "new_password2": "a passphrase of the owner"}
ADDRESS = "future.professor@example.edu"


@pytest.fixture
def squatter(db) -> User:
    """An account that somebody made for an address that is not theirs, and whose password they know."""
    return User.objects.create_user(ADDRESS, factories.PASSWORD, name="Not the professor")


@pytest.fixture
def delivered(django_capture_on_commit_callbacks, mailoutbox):
    """Do something, and the mails that left for it."""

    def run(work: Callable[[], object]) -> list[Any]:
        before = len(mailoutbox)
        with django_capture_on_commit_callbacks(execute=True):
            work()
        return list(mailoutbox[before:])

    return run


def link_in(mail: Any) -> str:
    found = re.search(r"http://[^/\s]+(/\S+)", mail.body)
    assert found, mail.body
    return found[1]


def owner_opens(mail: Any) -> Client:
    """Follow the link of a mail in a browser of one's own, and set a password there."""
    client = Client()
    page = client.get(link_in(mail), follow=True)
    answer = client.post(page.request["PATH_INFO"], PASSWORD, follow=True)
    assert answer.status_code == 200, answer.content.decode()
    return client


def may_sign_in(email: str, password: str) -> bool:
    client = Client()
    client.post("/sign-in/", {"username": email, "password": password})
    return "_auth_user_id" in client.session


# --- A role for an address that nobody proved ----------------------------------------------------------------------------


def invite(course, instructor, squatter):
    enrolment.invite(course=course, email=ADDRESS, name="", role=Role.PROFESSOR, team=None, person=instructor)


def class_list(course, instructor, squatter):
    roster.enrol(course=course, text=ADDRESS, role=Role.PROFESSOR, person=instructor)


def new_role(course, instructor, squatter):
    membership = factories.enrol(course, squatter, Role.STUDENT)
    courses.set_role(membership=membership, role=Role.PROFESSOR, person=instructor)


@pytest.mark.parametrize("give", [invite, class_list, new_role])
def test_a_role_given_to_an_unproven_account_is_its_owners_alone(
    give, client_for, course, instructor, squatter, delivered
):
    theirs = client_for(squatter)
    assert theirs.get("/").status_code == 200
    (mail,) = delivered(lambda: give(course, instructor, squatter))
    assert mail.to == [ADDRESS]
    assert theirs.get("/").url.startswith("/sign-in/"), "the session of whoever made the account is over"
    assert not may_sign_in(ADDRESS, factories.PASSWORD)
    owner = owner_opens(mail)
    assert owner.get(f"/courses/{course.pk}/grading/").status_code == 200
    squatter.refresh_from_db()
    assert squatter.is_proven
    assert theirs.get("/").url.startswith("/sign-in/")
    assert not may_sign_in(ADDRESS, factories.PASSWORD)


def test_the_right_to_create_courses_too(client_for, squatter, delivered):
    staff = factories.make_person("Stan Staff", "staff@example.edu")
    theirs = client_for(squatter)
    (mail,) = delivered(lambda: accounts.allow_courses(account=squatter, person=staff))
    assert theirs.get("/courses/new/").status_code == 302
    assert owner_opens(mail).get("/courses/new/").status_code == 200


def test_a_course_archive_gives_no_role_to_whoever_sits_in_an_account(client_for, course, instructor, squatter):
    """The people of an archive are addresses; what hangs on them must not fall to a stranger."""
    from courseplatform import archive

    factories.enrol(course, squatter, Role.PROFESSOR)
    out = io.BytesIO()
    archive.write(course, out)
    out.seek(0)
    with zipfile.ZipFile(out) as taken_along:
        told = [json.loads(line) for line in taken_along.read("people.jsonl").decode().splitlines()]
    assert ADDRESS in [one["email"] for one in told]
    theirs = client_for(squatter)
    made = brought(instructor, out.getvalue()).pk
    assert theirs.get(f"/courses/{made}/grading/").status_code in (302, 404)
    there = Membership.objects.filter(course=made, person=squatter).exists()
    assert not there or not may_sign_in(ADDRESS, factories.PASSWORD)


def test_a_proven_account_keeps_its_password_and_is_told_alone(client_for, course, instructor, outsider, delivered):
    theirs = client_for(outsider)
    (mail,) = delivered(
        lambda: enrolment.invite(
            course=course, email=outsider.email, name="", role=Role.PROFESSOR, team=None, person=instructor
        )
    )
    assert "/password/" not in mail.body
    assert theirs.get(f"/courses/{course.pk}/grading/").status_code == 200


def test_the_account_of_who_runs_the_platform_is_no_mailboxs_to_take(client_for, course, instructor, squatter):
    User.objects.filter(pk=squatter.pk).update(is_staff=True)
    page = client_for(instructor).post(
        f"/courses/{course.pk}/people/invite/", {"email": ADDRESS, "name": "", "role": "student"}
    )
    assert "has not confirmed the address" in page.content.decode()
    assert may_sign_in(ADDRESS, factories.PASSWORD)
    assert "has not confirmed" in str(roster.preview(course=course, text=ADDRESS, role=Role.STUDENT).bad[0].problems)


def test_a_slip_in_the_first_accounts_address_gives_the_platform_to_nobody(client, db, course, delivered):
    """The mail goes to a stranger then, who must not be able to make the account theirs."""
    person = first_account_of("iris@exmaple.edu")
    stranger = Client()
    assert delivered(lambda: stranger.post("/password/forgotten/", {"email": person.email})) == []
    link = links.join_link(name="Stranger", email=person.email, code=course.student_code)
    assert stranger.post(link, PASSWORD).status_code == 422
    person.refresh_from_db()
    assert person.check_password(factories.PASSWORD)
    (mail,) = delivered(lambda: identity.send_confirmation(person))
    assert stranger.post(link_in(mail))["Location"].startswith("/sign-in/")


def first_account_of(address: str) -> User:
    return User.objects.create_user(address, factories.PASSWORD, name="Iris", is_staff=True)


def test_the_instructor_sees_whose_address_is_not_confirmed(client_for, course, instructor, squatter):
    factories.enrol(course, squatter, Role.STUDENT)
    people_page = f"/courses/{course.pk}/people/"
    assert "address not confirmed" in client_for(instructor).get(people_page).content.decode()
    edit = f"{people_page}{squatter.memberships.get().pk}/"
    page = client_for(instructor).post(edit, {"role": "professor"}, follow=True).content.decode()
    assert "enters by the link that is mailed to" in page


def test_an_instructor_takes_back_an_account_that_had_its_role_before_addresses_were_proven(
    client_for, course, instructor, squatter, delivered
):
    membership = factories.enrol(course, squatter, Role.PROFESSOR)
    theirs = client_for(squatter)
    switch = f"/courses/{course.pk}/people/{membership.pk}/switch/"
    (mail,) = delivered(lambda: client_for(instructor).post(switch, {"do": "take_back"}))
    assert theirs.get("/").status_code == 302
    assert owner_opens(mail).get(f"/courses/{course.pk}/grading/").status_code == 200
    assert delivered(lambda: client_for(instructor).post(switch, {"do": "take_back"})) == []


# --- Joining with a code ---------------------------------------------------------------------------------------------------


def ask_to_join(course, **changed) -> None:
    people.ask_to_join(**{"name": "Nora", "email": "nora@example.edu", "code": course.student_code} | changed)


def test_there_is_no_account_and_no_place_in_the_course_before_the_link_is_opened(course, delivered):
    (mail,) = delivered(lambda: ask_to_join(course))
    assert not User.objects.exists()
    assert not Membership.objects.exists()
    browser = Client()
    page = browser.get(link_in(mail))
    assert "nora@example.edu" in page.content.decode()
    assert not User.objects.exists(), "programs that look at mail open links too"
    owner = owner_opens(mail)
    nora = User.objects.get()
    assert (nora.name, nora.is_proven, nora.memberships.get().role) == ("Nora", True, Role.STUDENT)
    assert owner.get(f"/courses/{course.pk}/").status_code == 200


def test_one_student_with_invented_addresses_gets_no_second_budget(client, course):
    """Each account could start a team, and each team brings a budget: an account needs a mailbox."""
    for number in range(3):
        form = {"code": course.student_code, "name": "Nora", "email": f"invented{number}@example.edu"}
        client.post("/join/", form)
    client.post(f"/courses/{course.pk}/teams/new/", {"name": "Second"})
    assert not User.objects.exists()
    assert not course.teams.exists()


def test_the_link_sets_no_password_of_an_account_that_has_an_owner(course, member, delivered):
    links_made = links.join_link(name="Eve", email=member.email, code=course.student_code)
    answer = Client().post(links_made, PASSWORD)
    assert answer["Location"].startswith("/sign-in/?next=")
    assert may_sign_in(member.email, factories.PASSWORD)
    (mail,) = delivered(lambda: ask_to_join(course, email=member.email))
    assert link_in(mail) == f"/join/?code={course.student_code}"


def test_who_sits_in_an_unproven_account_is_out_when_its_owner_joins(client_for, course, squatter, delivered):
    theirs = client_for(squatter)
    (mail,) = delivered(lambda: ask_to_join(course, email=ADDRESS))
    assert theirs.get("/").status_code == 200, "asking alone, which anybody can, does nothing"
    owner_opens(mail)
    assert theirs.get("/").status_code == 302
    squatter.refresh_from_db()
    assert squatter.is_proven
    assert squatter.memberships.get().course == course


def test_the_link_works_once_not_for_ever_and_only_while_the_code_is_open(course, instructor, delivered, settings):
    (mail,) = delivered(lambda: ask_to_join(course))
    courses.switch_code(course=course, role=Role.STUDENT, is_open=False, person=instructor)
    closed = Client().post(link_in(mail), PASSWORD)
    assert "takes in nobody new" in closed.content.decode()
    courses.switch_code(course=course, role=Role.STUDENT, is_open=True, person=instructor)
    owner_opens(mail)
    assert Client().post(link_in(mail), PASSWORD)["Location"].startswith("/sign-in/")
    User.objects.filter(email="nora@example.edu").delete()
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Client().get(link_in(mail)).status_code == 410


@pytest.mark.parametrize(
    "change", [lambda token: token[:-2], lambda token: "x" + token, lambda token: token.replace(":", "!")]
)
def test_an_altered_link_opens_nothing(course, change):
    token = links.join_link(name="Eve", email="eve@example.edu", code=course.professor_code).split("/")[2]
    assert Client().post(f"/join/{change(token)}/", PASSWORD).status_code == 410
    assert not User.objects.exists()


def test_a_weak_password_is_refused_at_the_link(course):
    link = links.join_link(name="Nora", email="nora@example.edu", code=course.student_code)
    page = Client().post(link, {"new_password1": "12345678", "new_password2": "12345678"})
    assert page.status_code == 422
    assert not User.objects.exists()


def test_a_switched_off_account_is_not_opened_by_joining(course, member, delivered):
    User.objects.filter(pk=member.pk).update(is_active=False, email_verified_at=None)
    assert delivered(lambda: ask_to_join(course, email=member.email)) == []
    link = links.join_link(name="Mia", email=member.email, code=course.student_code)
    assert Client().post(link, PASSWORD).status_code == 422
    member.refresh_from_db()
    assert (member.is_active, member.is_proven) == (False, False)


# --- An account that is not proven yet ---------------------------------------------------------------------------------------


def test_what_an_unproven_student_may_and_may_not(client_for, course, team, squatter):
    factories.enrol(course, squatter, Role.STUDENT)
    client = client_for(squatter)
    page = client.get(f"/courses/{course.pk}/").content.decode()
    assert "Confirm your address." in page
    for path, form in (
        (f"/courses/{course.pk}/teams/new/", {"name": "Mine"}),
        (f"/courses/{course.pk}/teams/{team.pk}/join/", {}),
    ):
        assert "Confirm your e-mail address first" in client.post(path, form, follow=True).content.decode()
    assert course.teams.count() == 1
    assert not team.requests.exists()


def test_the_professors_code_makes_no_professor_of_an_unproven_account(client_for, course, squatter):
    page = client_for(squatter).post("/join/", {"code": course.professor_code}).content.decode()
    assert "Confirm your e-mail address first" in page
    assert not squatter.memberships.exists()


def test_the_banner_goes_when_the_owner_confirms(client_for, squatter, delivered):
    client = client_for(squatter)
    (mail,) = delivered(lambda: client.post("/address/"))
    link = link_in(mail)
    client.get(link)
    squatter.refresh_from_db()
    assert not squatter.is_proven, "opening the link is no consent: mail scanners do"
    assert "your address is confirmed" in client.post(link, follow=True).content.decode()
    squatter.refresh_from_db()
    assert squatter.is_proven
    assert "Confirm your address." not in client.get("/").content.decode()


def test_an_owner_who_opens_a_squatters_link_confirms_nothing_for_them(client_for, squatter, other_member, delivered):
    """The squatter asks for the link again and again, and hopes that the owner of the mailbox will press it."""
    (mail,) = delivered(lambda: client_for(squatter).post("/address/"))
    assert Client().post(link_in(mail))["Location"].startswith("/sign-in/")
    assert client_for(other_member).post(link_in(mail)).status_code == 410
    squatter.refresh_from_db()
    assert not squatter.is_proven
    assert "do not open it" in mail.body


def test_the_link_dies_with_the_password_and_is_not_sent_twice_at_once(client_for, squatter, delivered):
    client = client_for(squatter)
    (mail,) = delivered(lambda: client.post("/address/"))
    assert delivered(lambda: client.post("/address/")) == []
    squatter.set_password("another passphrase")
    squatter.save()
    assert client_for(squatter).post(link_in(mail)).status_code == 410


def test_a_mailed_password_link_proves_the_address(squatter, client_for, delivered):
    theirs = client_for(squatter)
    (mail,) = delivered(lambda: Client().post("/password/forgotten/", {"email": ADDRESS}))
    owner_opens(mail)
    squatter.refresh_from_db()
    assert squatter.is_proven
    assert theirs.get("/").status_code == 302


def test_the_university_proves_the_address_and_ends_what_a_squatter_had(client_for, squatter, settings):
    settings.OIDC_NAME, settings.OIDC_EMAIL_DOMAINS = "Uni", []
    theirs = client_for(squatter)
    claims = outside_sign_in.Claims("https://uni.example", "s-1", ADDRESS, True, "Prof")
    entered = outside_sign_in.enter(claims)
    assert entered == squatter
    squatter.refresh_from_db()
    assert squatter.is_proven
    assert theirs.get("/").status_code == 302
    unverified = outside_sign_in.Claims("https://uni.example", "s-2", "other@example.edu", False, "Eve")
    with pytest.raises(outside_sign_in.SignInRefused, match="did not confirm"):
        outside_sign_in.enter(unverified)


def test_an_address_that_changed_at_the_university_proves_nothing_here(squatter, settings):
    OutsideIdentity.objects.create(person=squatter, issuer="https://uni.example", subject="s-1")
    settings.OIDC_NAME, settings.OIDC_EMAIL_DOMAINS = "Uni", []
    outside_sign_in.enter(outside_sign_in.Claims("https://uni.example", "s-1", "new@example.edu", True, "Prof"))
    squatter.refresh_from_db()
    assert not squatter.is_proven


def test_the_migration_believes_the_university_alone(db):
    linked, other = (User.objects.create_user(f"{name}@example.edu", "x", name=name) for name in ("linked", "other"))
    OutsideIdentity.objects.create(person=linked, issuer="https://uni.example", subject="s-1")
    importlib.import_module("teams.migrations.0017_email_verified_at").believe_the_university(apps, None)
    assert User.objects.get(pk=linked.pk).is_proven
    assert not User.objects.get(pk=other.pk).is_proven


# --- Races ---------------------------------------------------------------------------------------------------------------------


def test_a_password_that_was_taken_away_stays_away(squatter):
    """The squatter's request read the account before the role came, and writes after it."""
    read_before = User.objects.get(pk=squatter.pk)
    identity.hand_over(squatter)
    with pytest.raises(identity.LinkUsed):
        identity.change_password(person=read_before, password="the squatter's again")
    assert not User.objects.get(pk=squatter.pk).has_usable_password()


def test_of_two_who_open_the_same_link_the_first_sets_the_password(squatter):
    both = [User.objects.get(pk=squatter.pk) for _ in range(2)]
    identity.set_password_by_link(person=both[0], password="the first one's")
    with pytest.raises(identity.LinkUsed):
        identity.set_password_by_link(person=both[1], password="the second one's")
    assert User.objects.get(pk=squatter.pk).check_password("the first one's")


# --- No password is hashed while others wait ---------------------------------------------------------------------------------


@pytest.fixture
def hashing(monkeypatch) -> list[bool]:
    """For each time a password was hashed: whether a transaction was open meanwhile."""
    seen: list[bool] = []
    encode = MD5PasswordHasher.encode

    def watched(self: Any, password: str, salt: str) -> str:
        seen.append(connection.in_atomic_block)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", watched)
    return seen


@pytest.mark.django_db(transaction=True)
def test_no_password_is_hashed_inside_a_transaction(hashing):
    own = "a passphrase of my own"
    form = {"code": first_account.code(), "name": "Iris", "email": "iris@example.edu", "password": own}
    browser = Client()
    assert browser.post("/set-up/", form).status_code == 302
    assert hashing, "the set-up hashed one"
    course = courses.create_course(person=User.objects.get(), name="Course", term="")
    enrolment.invite(
        course=course, email="ana@example.edu", name="Ana", role=Role.STUDENT, team=None, person=User.objects.get()
    )
    roster.enrol(course=course, text="Ben,ben@example.edu", role=Role.STUDENT, person=User.objects.get(name="Iris"))
    join = links.join_link(name="Nora", email="nora@example.edu", code=course.student_code)
    assert Client().post(join, PASSWORD).status_code == 302
    ana = User.objects.get(name="Ana")
    setting = Client()
    page = setting.get(links.password_link(ana), follow=True)
    assert setting.post(page.request["PATH_INFO"], PASSWORD).status_code == 302
    assert may_sign_in("ana@example.edu", PASSWORD["new_password1"])
    change = {"old_password": PASSWORD["new_password1"], "new_password1": own, "new_password2": own}
    assert setting.post("/password/", change).status_code == 302
    assert len(hashing) >= 6
    assert not any(hashing)


def test_mail_rows_tell_nothing_that_opens_an_account(course):
    ask_to_join(course)
    row = OutgoingMail.objects.get(kind=MailKind.JOIN)
    assert "token" not in str(row.details)
    assert row.created_at > timezone.now() - timedelta(minutes=1)
