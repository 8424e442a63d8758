"""A second factor cannot be walked around: not by an old session, a mailed link, a replayed code, a key, or many guesses."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from teams.models import AuditEntry, Course, Passkey, Role, SignedInBrowser, TotpDevice, User
from teams.services import identity, links, sealing, second_factor, throttle
from teams.services.refused import CourseRefused
from tests import factories
from training.services import deployments

NOW = 1_800_000_000
ORIGIN = "http://testserver"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time that codes are made of; a test moves it."""
    now = [NOW]
    monkeypatch.setattr(second_factor, "time", lambda: now[0])
    return now


@pytest.fixture
def ana(course: Course) -> User:
    """An instructor with an authenticator app."""
    person = factories.make_person("Ana Instructor", "ana@example.edu")
    factories.enrol(course, person, Role.INSTRUCTOR)
    return person


def with_app(person: User, clock: list[int]) -> tuple[pyotp.TOTP, list[str]]:
    app = pyotp.TOTP(second_factor.begin_app(person))
    codes = second_factor.confirm_app(person=person, code=app.at(clock[0]))
    clock[0] += 60  # so that the test's own codes are new ones
    throttle.forget_everything()
    person.refresh_from_db()
    return app, codes


def by_password(person: User, password: str = factories.PASSWORD) -> Client:
    client = Client()
    answer = client.post("/sign-in/", {"username": person.email, "password": password})
    assert answer.status_code == 302
    return client


def gets_in(client: Client) -> bool:
    answer = client.get("/account/sign-in/")
    assert answer.status_code == 200 or answer["Location"].startswith("/sign-in/")
    return answer.status_code == 200


def enter(client: Client, code: str) -> Any:
    return client.post("/sign-in/second/", {"code": code})


def test_an_app_outlives_a_change_of_the_secret_that_seals_it(ana, clock, settings) -> None:
    app, _ = with_app(ana, clock)
    settings.PROVIDER_KEY_SECRETS = ["new-secret", settings.SECRET_KEY]
    call_command("rotate_provider_keys")
    settings.PROVIDER_KEY_SECRETS = ["new-secret"]
    client = by_password(ana)
    enter(client, app.at(clock[0]))
    assert gets_in(client)


def test_an_app_whose_secret_is_lost_says_so_and_recovery_codes_still_work(ana, clock, settings) -> None:
    app, codes = with_app(ana, clock)
    settings.PROVIDER_KEY_SECRETS = ["another secret"]
    client = by_password(ana)
    answer = enter(client, app.at(clock[0]))
    assert "Use a recovery code" in answer.content.decode() and not gets_in(client)
    with pytest.raises(CommandError, match="the authenticator app of Ana Instructor"):
        call_command("rotate_provider_keys")
    enter(client, codes[0])
    assert gets_in(client)


def test_the_password_alone_reaches_no_page(ana, course, clock) -> None:
    app, _ = with_app(ana, clock)
    client = by_password(ana)
    for path in ("/", f"/courses/{course.pk}/", f"/courses/{course.pk}/costs.csv", "/password/", "/join/", "/notices/"):
        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 302 and answer["Location"].startswith("/sign-in/second/"), path
    assert client.get("/", headers={"HX-Request": "true"})["HX-Redirect"].startswith("/sign-in/second/")
    enter(client, app.at(clock[0]))
    assert gets_in(client)


def test_a_code_works_once_and_an_older_one_never_again(ana, clock) -> None:
    app, _ = with_app(ana, clock)
    code, older = app.at(clock[0]), app.at(clock[0] - 30)
    enter(first := by_password(ana), code)
    assert gets_in(first)
    for used in (code, older):
        enter(second := by_password(ana), used)
        assert not gets_in(second)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "sqlite" in os.environ.get("DATABASE_URL", "sqlite"), reason="writers wait in line on SQLite anyway"
)
def test_two_requests_at_once_cannot_both_use_a_code(ana, clock) -> None:
    app, codes = with_app(ana, clock)

    def tried(code: str) -> bool:
        try:
            second_factor.check_code(person=ana, code=code, place="")
        except second_factor.WrongCode:
            return False
        finally:
            connection.close()
        return True

    for code in (app.at(clock[0]), codes[0]):
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(tried, [code] * 4)) == 1


def test_codes_cannot_be_guessed(ana, clock) -> None:
    app, _ = with_app(ana, clock)
    answers = [enter(by_password(ana), f"{number:06}") for number in range(5)]
    assert {answer.status_code for answer in answers} == {422}
    client = by_password(ana)
    assert enter(client, app.at(clock[0])).status_code == 429, "the right one too, and from a new session"
    assert not gets_in(client)


def test_an_old_session_ends_when_a_second_factor_is_set_up(ana, client_for, clock) -> None:
    thief, own = client_for(ana), client_for(ana)
    own.get("/account/sign-in/app/")
    device = TotpDevice.objects.get(person=ana)
    app = pyotp.TOTP(sealing.open_sealed(device.sealed_secret, owner=f"teams.totpdevice.{ana.pk}"))
    page = own.post("/account/sign-in/app/", {"code": app.at(clock[0]), "password": factories.PASSWORD})
    assert "recovery codes" in page.content.decode()
    assert gets_in(own)
    assert not gets_in(thief)


def test_a_session_that_no_list_names_ends_too(ana, client_for, clock) -> None:
    """One from before this was built."""
    thief = client_for(ana)
    SignedInBrowser.objects.all().delete()
    with_app(ana, clock)
    assert not gets_in(thief)


def test_who_finds_an_open_browser_sets_nothing_up(ana, client_for, clock) -> None:
    app = pyotp.TOTP(second_factor.begin_app(ana))
    answer = client_for(ana).post("/account/sign-in/app/", {"code": app.at(clock[0]), "password": "a guess"})
    assert answer.status_code == 422
    ana.refresh_from_db()
    assert ana.second_factor_at is None


def test_a_mailed_link_sets_the_password_and_does_not_take_the_second_factor_away(ana, clock) -> None:
    with_app(ana, clock)
    client = Client()
    page = client.get(links.password_link(ana), follow=True)
    client.post(page.request["PATH_INFO"], {"new_password1": "another good one", "new_password2": "another good one"})
    assert not gets_in(client)
    assert not gets_in(by_password(ana, "another good one"))


def test_whoever_sat_in_an_account_cannot_lock_its_owner_out_with_a_second_factor(course, instructor, clock) -> None:
    squatter = User.objects.create_user("owner@example.edu", factories.PASSWORD, name="Squatter")
    with_app(squatter, clock)
    identity.give_by_address(account=squatter, course=course)
    squatter.refresh_from_db()
    assert squatter.second_factor_at is None and not TotpDevice.objects.filter(person=squatter).exists()


def test_a_link_to_an_unproven_account_takes_the_second_factor_along(db, clock) -> None:
    squatter = User.objects.create_user("owner@example.edu", factories.PASSWORD, name="Squatter")
    with_app(squatter, clock)
    identity.set_password_by_link(person=squatter, password="another good one")
    assert gets_in(by_password(squatter, "another good one"))


def test_a_recovery_code_works_once_and_is_kept_as_a_hash(ana, clock) -> None:
    _, codes = with_app(ana, clock)
    assert len(set(codes)) == 10
    kept = " ".join(ana.recovery_codes.values_list("digest", flat=True))
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]
    enter(first := by_password(ana), codes[0].lower().replace("-", " "))
    assert gets_in(first)
    enter(second := by_password(ana), codes[0])
    assert not gets_in(second)


def test_the_secret_of_an_app_is_sealed_for_its_owner(ana, professor, clock) -> None:
    app, _ = with_app(ana, clock)
    device = TotpDevice.objects.get(person=ana)
    assert app.secret not in device.sealed_secret
    TotpDevice.objects.create(person=professor, sealed_secret=device.sealed_secret, confirmed_at=device.confirmed_at)
    with pytest.raises(second_factor.WrongCode) as refused:
        second_factor.check_code(person=professor, code=app.at(clock[0]), place="")
    assert isinstance(refused.value.__cause__, sealing.CannotOpen)


def test_looking_as_another_person_is_no_way_around_ones_own_second_factor(ana, member, clock) -> None:
    app, _ = with_app(ana, clock)
    User.objects.filter(pk=ana.pk).update(is_staff=True)
    client = by_password(ana)
    assert client.post("/impersonate/", {"person": member.email})["Location"].startswith("/sign-in/second/")
    enter(client, app.at(clock[0]))
    client.post("/impersonate/", {"person": member.email})
    assert client.post("/impersonate/stop/")["Location"] == "/impersonate/"
    assert gets_in(client), "and shows it only once"
    assert not SignedInBrowser.objects.filter(person=member).exists()


# --- Changing it --------------------------------------------------------------------------------------------------------


def test_removing_one_needs_it_shown_just_now(ana, clock) -> None:
    app, _ = with_app(ana, clock)
    enter(client := by_password(ana), app.at(clock[0]))
    session = client.session
    session["second_factor"] = [session["second_factor"][0], 0]
    session.save()
    for data in ({"remove": "app"}, {"do": "codes"}):
        assert client.post("/account/sign-in/change/", data)["Location"].startswith("/sign-in/second/")
    assert client.get("/account/sign-in/passkey/")["Location"].startswith("/sign-in/second/")
    clock[0] += 60
    enter(client, app.at(clock[0]))
    client.post("/account/sign-in/change/", {"remove": "app"})
    ana.refresh_from_db()
    assert ana.second_factor_at is None and not ana.recovery_codes.exists()


def test_a_session_of_an_earlier_second_factor_is_none_of_the_new_one(ana, clock) -> None:
    app, _ = with_app(ana, clock)
    enter(client := by_password(ana), app.at(clock[0]))
    second_factor.forget_factors(ana)
    with_app(ana, clock)
    assert not gets_in(client)


def test_the_instructor_resets_it_for_a_student_on_record_and_signs_them_out(
    course, team, instructor, member, client_for, clock, mailoutbox, django_capture_on_commit_callbacks
) -> None:
    app, _ = with_app(member, clock)
    enter(theirs := by_password(member), app.at(clock[0]))
    membership = member.memberships.get()
    with django_capture_on_commit_callbacks(execute=True):
        client_for(instructor).post(f"/courses/{course.pk}/people/{membership.pk}/switch/", {"do": "reset"})
    member.refresh_from_db()
    assert member.second_factor_at is None
    assert AuditEntry.objects.get(action="second factor reset").person == instructor
    assert theirs.get("/notices/").status_code == 302
    assert any("reset by Iris Instructor" in mail.body for mail in mailoutbox)


def test_an_instructor_resets_nobody_who_decides_elsewhere(course, other_course, instructor, client_for, clock) -> None:
    colleague = factories.make_person("Col League")
    factories.enrol(course, colleague, Role.PROFESSOR)
    factories.enrol(other_course, colleague, Role.PROFESSOR)
    second = factories.make_person("Sec Ond")
    factories.enrol(course, second, Role.INSTRUCTOR)
    maker = factories.allow_courses(factories.make_person("May Make"))
    factories.enrol(course, maker, Role.PROFESSOR)
    for person in (colleague, second, maker, instructor):
        with_app(person, clock)
        with pytest.raises(CourseRefused):
            second_factor.reset(account=person, person=instructor, by_operator=False)


# --- The rule of a course ------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(course: Course) -> Course:
    Course.objects.filter(pk=course.pk).update(second_factor="staff")
    course.refresh_from_db()
    return course


def test_where_the_course_asks_for_it_one_reads_and_is_led_to_set_up_before_one_changes_anything(
    strict, team, instructor, client_for, clock
) -> None:
    client = client_for(instructor)
    for path in ("", "people/", "costs/", "grades/"):
        assert client.get(f"/courses/{strict.pk}/{path}").status_code == 200
    for path in ("settings/", f"teams/{team.pk}/settings/", "prices/"):
        led = client.get(f"/courses/{strict.pk}/{path}")
        assert led["Location"].startswith("/account/sign-in/?next=%2Fcourses"), path
    changed = client.post(f"/courses/{strict.pk}/notices/new/", {"text": "Hello"})
    assert changed["Location"].startswith("/account/sign-in/")
    assert not strict.announcements.exists()
    assert "nothing was changed" in client.get(changed["Location"]).content.decode()
    app, _ = with_app(instructor, clock)
    enter(client := by_password(instructor), app.at(clock[0]))
    assert client.get(f"/courses/{strict.pk}/settings/").status_code == 200


def test_professors_are_led_there_too_and_students_only_where_everyone_is(
    strict, team, professor, member, client_for
) -> None:
    grading = reverse("grading_commit", kwargs={"course_id": strict.pk, "code": uuid4()})
    assert client_for(professor).get(grading)["Location"].startswith("/account/sign-in/")
    run_form = reverse("run_new", kwargs={"team_id": team.pk, "method": "lora"})
    assert client_for(member).get(run_form).status_code == 200
    Course.objects.filter(pk=strict.pk).update(second_factor="everyone")
    assert client_for(member).get(run_form)["Location"].startswith("/account/sign-in/")


def test_the_operators_rule_holds_in_every_course_and_on_the_platforms_pages(
    course, team, instructor, member, client_for, settings
) -> None:
    settings.SECOND_FACTOR = "staff"
    answer = client_for(instructor).post(f"/courses/{course.pk}/notices/new/", {"text": "Hello"})
    assert answer["Location"].startswith("/account/sign-in/")
    User.objects.filter(pk=member.pk).update(is_staff=True)
    client = client_for(User.objects.get(pk=member.pk))
    assert client.get("/accounts/").status_code == 200
    assert client.post("/accounts/", {"do": "allow", "person": member.email})["Location"].startswith(
        "/account/sign-in/"
    )


def test_a_key_of_somebody_who_has_no_second_factor_does_not_spend_around_the_rule(
    strict, team, instructor, clock
) -> None:
    made, secret = deployments.make_key(team=team, person=instructor, name="k", per_minute=5, daily_cap=1, trains=True)
    with pytest.raises(deployments.KeyRefused, match="second factor"):
        deployments.key_of(secret)
    with_app(instructor, clock)
    assert deployments.key_of(secret) == made


# --- Browsers -------------------------------------------------------------------------------------------------------------


def test_one_sees_where_one_is_signed_in_and_ends_it_there(member, other_member, client_for) -> None:
    phone = Client(headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/604.1"})
    phone.post("/sign-in/", {"username": member.email, "password": factories.PASSWORD})
    laptop = client_for(member)
    page = laptop.get("/account/sign-in/").content.decode()
    assert "Safari on iPhone" in page and "this browser" in page
    row = SignedInBrowser.objects.get(browser__contains="iPhone")
    client_for(other_member).post("/account/sign-in/browsers/", {"browser": row.pk})
    assert gets_in(phone), "not somebody else's to end"
    laptop.post("/account/sign-in/browsers/", {"browser": row.pk})
    assert not gets_in(phone)
    assert gets_in(laptop)


def test_a_browser_that_was_ended_while_its_key_changed_is_out_all_the_same(member, client_for) -> None:
    client = client_for(member)
    SignedInBrowser.objects.all().delete()
    session = client.session
    session["signed_in_browser"] = [*session["signed_in_browser"][:2], 0]
    session.save()
    assert not gets_in(client)


# --- Passkeys -------------------------------------------------------------------------------------------------------------


class Authenticator:
    """A security key in software: what a browser would answer for it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id, self.counter = os.urandom(32), 0

    def _said(self, kind: str, options: dict[str, Any], origin: str) -> CollectedClientData:
        return CollectedClientData.create(type=kind, challenge=options["publicKey"]["challenge"], origin=origin)

    def _data(self, credential: bytes = b"") -> AuthenticatorData:
        self.counter += 1
        flags = AuthenticatorData.FLAG.UP | (AuthenticatorData.FLAG.AT if credential else 0)
        made: AuthenticatorData = AuthenticatorData.create(sha256(b"testserver"), flags, self.counter, credential)
        return made

    def make(self, options: dict[str, Any], origin: str = ORIGIN) -> str:
        public = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(b"\0" * 16, self.credential_id, public)
        attestation = AttestationObject.create("none", self._data(credential), {})
        return self._answer(
            clientDataJSON=self._said("webauthn.create", options, origin), attestationObject=attestation
        )

    def use(self, options: dict[str, Any], origin: str = ORIGIN, counter: int | None = None) -> str:
        if counter is not None:
            self.counter = counter - 1
        said, data = self._said("webauthn.get", options, origin), self._data()
        signature = self.key.sign(data + said.hash, ec.ECDSA(SHA256()))
        return self._answer(clientDataJSON=said, authenticatorData=data, signature=signature)

    def _answer(self, **parts: bytes) -> str:
        encoded = {name: websafe_encode(part) for name, part in parts.items()}
        name = websafe_encode(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": encoded})


@pytest.fixture
def authenticator(ana: User, client_for: Callable[[User], Client]) -> Authenticator:
    """A passkey of Ana's."""
    made, client = Authenticator(), client_for(ana)
    options = client.get("/account/sign-in/passkey/").context["options"]
    data = {"credential": made.make(options), "name": "My key", "password": factories.PASSWORD}
    assert "recovery codes" in client.post("/account/sign-in/passkey/", data).content.decode()
    ana.refresh_from_db()
    return made


def asked(client: Client) -> dict[str, Any]:
    options: dict[str, Any] = client.get("/sign-in/second/").context["options"]
    return options


def test_a_passkey_signs_in(ana, authenticator) -> None:
    client = by_password(ana)
    assert not gets_in(client)
    client.post("/sign-in/second/", {"credential": authenticator.use(asked(client))})
    assert gets_in(client)
    assert Passkey.objects.get().used_at is not None


def test_an_answer_of_a_passkey_works_once_for_its_own_challenge(ana, authenticator) -> None:
    client = by_password(ana)
    answer = authenticator.use(asked(client))
    client.post("/sign-in/second/", {"credential": answer})
    other = by_password(ana)
    asked(other)
    for _ in range(2):
        assert other.post("/sign-in/second/", {"credential": answer}).status_code == 422
    assert not gets_in(other)


def test_no_other_key_site_or_copy_is_taken(ana, authenticator) -> None:
    stranger = Authenticator()
    stranger.credential_id = authenticator.credential_id
    client = by_password(ana)
    for answer in (
        stranger.use(asked(client)),
        authenticator.use(asked(client), origin="https://phishing.example"),
        "not json",
        "[]",
        '{"id": 1}',
    ):
        throttle.forget_everything()
        assert client.post("/sign-in/second/", {"credential": answer}).status_code == 422
        client.get("/sign-in/second/")
    throttle.forget_everything()
    copied = authenticator.use(asked(client), counter=1)
    assert client.post("/sign-in/second/", {"credential": copied}).status_code == 422, "its counter went back"
    assert not gets_in(client)


def test_a_passkey_of_one_person_is_not_taken_for_another(ana, member, authenticator, clock) -> None:
    with_app(member, clock)
    client = by_password(member)
    options = asked(by_password(ana))
    session = client.session
    session["passkey_challenge"] = {
        "challenge": options["publicKey"]["challenge"],
        "user_verification": "preferred",
    }
    session.save()
    assert client.post("/sign-in/second/", {"credential": authenticator.use(options)}).status_code == 422
    assert not gets_in(client)
