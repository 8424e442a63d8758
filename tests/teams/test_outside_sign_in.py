"""Signing in through a real OpenID Connect provider on loopback, and everything that must not get anybody in."""

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core.checks import run_checks
from django.test import Client

from teams import oidc
from teams.models import AuditEntry, OutsideIdentity, Role, User
from teams.services import erasing, outside_sign_in
from tests import factories
from tests.teams.oidc_provider import CLIENT, SECRET, Provider

ANA = {"sub": "7c1", "email": "Ana@Uni.example", "email_verified": True, "name": "Ana Lee"}


@pytest.fixture
def provider(settings, db, monkeypatch):
    monkeypatch.setattr(oidc, "ANSWERS_WITHIN", 60)
    oidc._client.cache_clear()  # an earlier test's provider may have had this one's port, and described itself otherwise
    running = Provider(person=dict(ANA))
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = running.issuer, CLIENT, SECRET
    settings.OIDC_NAME, settings.OIDC_EMAIL_DOMAINS = "Example University", ["uni.example"]
    factories.make_person("Somebody", "somebody@uni.example")  # else the platform is not set up
    yield running
    running.close()


def way_back(browser: Client, start: str = "/sign-in/university/") -> str:
    """Press the button, sign in there, and the address that the browser is sent back to."""
    out = browser.get(start)
    assert out.status_code == 302, out.content.decode()
    back = httpx.get(out["Location"], timeout=60).headers["Location"]
    return back.removeprefix("http://testserver")


def sign_in(browser: Client, start: str = "/sign-in/university/"):
    return browser.get(way_back(browser, start), follow=True)


def who(browser: Client) -> User | None:
    return User.objects.filter(pk=browser.session.get("_auth_user_id", 0)).first()


def refused(browser: Client, said: str) -> bool:
    """Nobody was signed in, made or linked, and the page says so."""
    before = User.objects.count()
    answer = sign_in(browser)
    text = answer.content.decode()
    assert answer.status_code == 400, text
    assert said in text, text
    return who(browser) is None and User.objects.count() == before and not OutsideIdentity.objects.exists()


def test_the_button_is_there_only_where_a_service_is_configured(client, provider, settings):
    assert "Sign in with Example University" in client.get("/sign-in/").content.decode()
    settings.OIDC_ISSUER = ""
    assert "university/" not in client.get("/sign-in/").content.decode()
    for path in ("/sign-in/university/", "/sign-in/university/back/?code=x&state=y"):
        assert "not set up" in client.get(path).content.decode()


def test_a_new_person_gets_an_account_without_a_course_or_a_password(client, provider):
    page = sign_in(client).content.decode()
    assert "enter the code of your course" in page
    ana = who(client)
    assert ana is not None
    assert (ana.email, ana.name, ana.is_staff) == ("ana@uni.example", "Ana Lee", False)
    assert not ana.has_usable_password()
    assert not ana.memberships.exists()
    identity = ana.identities.get()
    assert (identity.issuer, identity.subject) == (provider.issuer, "7c1")


def overtaken(monkeypatch, name):
    """The first look of `name` is one that was taken before the person's other sign-in was through."""
    look, looks = getattr(outside_sign_in, name), []

    def blind_at_first(claims):
        looks.append(claims)
        return None if len(looks) == 1 else look(claims)

    monkeypatch.setattr(outside_sign_in, name, blind_at_first)


@pytest.mark.parametrize("blind", [("_known",), ("_known", "_with_address")])
def test_two_first_sign_ins_at_once_are_one_person_twice_signed_in(client, provider, monkeypatch, blind):
    sign_in(client)
    for name in blind:
        overtaken(monkeypatch, name)
    other_tab = Client()
    assert "enter the code of your course" in sign_in(other_tab).content.decode()
    assert who(other_tab) == who(client) is not None
    assert User.objects.filter(email="ana@uni.example").count() == OutsideIdentity.objects.count() == 1


def test_signing_in_is_on_record(client, provider, course):
    ana = factories.make_person("Ana", "ana@uni.example")
    factories.enrol(course, ana, Role.STUDENT)
    sign_in(client)
    assert AuditEntry.objects.filter(course=course, action="sign-in linked").count() == 1
    sign_in(Client())
    assert AuditEntry.objects.filter(action="signed in", person=ana).count() == 2
    assert AuditEntry.objects.filter(course=course, action="sign-in linked").count() == 1


def test_an_account_with_the_verified_address_is_entered_and_its_old_password_and_sessions_end(
    client, client_for, provider, member, team
):
    """Whoever made that account by a join code never showed that the address is theirs."""
    member.email = "ana@uni.example"
    member.save()
    other_browser = client_for(member)
    page = sign_in(client)
    assert who(client) == member
    assert team.name in page.content.decode()
    assert other_browser.get("/").status_code == 302
    signing = {"username": "ana@uni.example", "password": factories.PASSWORD}
    assert "do not match" in Client().post("/sign-in/", signing).content.decode()


def test_an_invited_person_needs_no_password(client, provider, course, instructor):
    from teams.services import enrolment

    made = enrolment.invite(
        course=course, email="ana@uni.example", name="Ana", role=Role.STUDENT, team=None, person=instructor
    )
    sign_in(client)
    assert who(client) == made.person
    assert not User.objects.get(pk=made.person_id).is_expected


def test_the_person_is_known_by_the_services_own_name_when_the_address_changes(client, provider):
    sign_in(client)
    first = who(client)
    provider.person["email"] = "ana.lee@uni.example"
    again = Client()
    sign_in(again)
    assert who(again) == first
    assert User.objects.filter(email="ana.lee@uni.example").count() == 0


def test_an_address_that_was_given_to_somebody_else_does_not_open_the_account(client, provider):
    sign_in(client)
    provider.person["sub"] = "9f9"
    stranger = Client()
    assert "belongs to another person" in sign_in(stranger).content.decode()
    assert who(stranger) is None
    assert OutsideIdentity.objects.count() == 1


def test_an_address_that_only_looks_alike_opens_nothing(client, provider, settings):
    """PostgreSQL compares in capitals, and the capital of ı is I: this can only fail there."""
    settings.OIDC_EMAIL_DOMAINS = []
    victim = factories.make_person("Vic", "vic@uni.example")
    provider.person["email"] = "vic@unı.example"
    sign_in(client)
    assert who(client) not in (None, victim)
    assert not victim.identities.exists()


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 1.5])
def test_an_unverified_address_opens_nothing(client, provider, settings, member, verified):
    provider.person["email"], provider.person["email_verified"] = member.email, verified
    settings.OIDC_EMAIL_DOMAINS = []
    assert refused(client, "did not confirm your e-mail address")


@pytest.mark.parametrize("address", ["ana@elsewhere.example", "ana@uni.example.evil.example", "ana@sub.uni.example"])
def test_only_the_allowed_domains_enter(client, provider, address):
    provider.person["email"] = address
    assert refused(client, "Only addresses that end in @uni.example can enter")


@pytest.mark.parametrize(
    "address", [None, "", "uni.example", "@uni.example", "a na@uni.example", "ana@uni.example@uni.example"]
)
def test_what_is_no_address_opens_nothing(client, provider, address):
    provider.person["email"] = address
    assert refused(client, "did not confirm your e-mail address")


@pytest.mark.parametrize("signing", ["another key", "none", "public key as a secret"])
def test_a_token_that_the_service_did_not_sign_is_refused(client, provider, signing):
    provider.signing = signing
    assert refused(client, "could not be trusted")


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another nonce"},
        {"nonce": None},
        {"aud": "another platform"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 300},
    ],
)
def test_a_token_for_another_moment_place_or_platform_is_refused(client, provider, lie):
    provider.lie = lie
    assert refused(client, "could not be trusted")


def test_the_way_back_works_once_and_only_in_the_browser_that_left(client, provider):
    back = way_back(client)
    stranger = Client()
    assert "could not be trusted" in stranger.get(back).content.decode()
    assert who(stranger) is None
    invented = back.replace("state=", "state=x")
    assert "could not be trusted" in client.get(invented).content.decode()
    assert client.get(back).status_code == 302
    ana = who(client)
    assert ana is not None
    client.logout()
    assert "could not be trusted" in client.get(back).content.decode()


@pytest.mark.parametrize("query", ["", "?state=", "?code=x", "?code=x&state=y", "?error=access_denied&state=y"])
def test_an_invented_way_back_is_a_sentence(client, provider, query):
    answer = client.get(f"/sign-in/university/back/{query}")
    assert answer.status_code == 400
    assert "To the sign-in page" in answer.content.decode()


def test_somebody_who_says_no_at_the_service_is_not_signed_in(client, provider):
    provider.refuses = "access_denied"
    assert refused(client, "Start again from the sign-in page")


def test_an_address_told_by_the_userinfo_alone_counts_when_it_is_about_the_same_person(client, provider):
    provider.in_userinfo_only = ("email", "email_verified")
    provider.userinfo_lie = {"sub": "somebody else"}
    assert refused(client, "could not be trusted")
    provider.userinfo_lie = {}
    sign_in(client)
    ana = who(client)
    assert ana is not None
    assert ana.email == "ana@uni.example"


def test_the_service_may_change_its_keys(client, provider):
    sign_in(client)
    provider.change_keys()
    again = Client()
    sign_in(again)
    assert who(again) == who(client)


def test_a_service_that_calls_itself_otherwise_or_does_not_answer_is_a_sentence(client, provider, settings):
    provider.calls_itself = "https://elsewhere.example"
    assert "not set up rightly" in client.get("/sign-in/university/").content.decode()
    provider.calls_itself = ""
    assert client.get("/sign-in/university/").status_code == 302, "what was wrong once is asked for again"
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    assert "does not answer" in client.get("/sign-in/university/").content.decode()


def test_a_switched_off_account_stays_closed(client, provider):
    sign_in(client)
    User.objects.filter(email="ana@uni.example").update(is_active=False)
    again = Client()
    assert "switched off" in sign_in(again).content.decode()
    assert who(again) is None


def test_nobody_takes_an_empty_platform_over_by_being_first(client, provider):
    User.objects.all().delete()
    assert refused(client, "not set up yet")


def test_afterwards_the_browser_is_where_it_wanted_to_be_and_never_elsewhere(client, provider):
    page = sign_in(client, "/sign-in/university/?next=/join/%3Fcode%3DABCD")
    assert page.redirect_chain[-1][0] == "/join/?code=ABCD"
    away = sign_in(Client(), "/sign-in/university/?next=https://evil.example/")
    assert away.redirect_chain[0][0] == "/"


def test_what_is_asked_for_has_state_nonce_and_a_challenge_and_no_secret(client, provider):
    asked = parse_qs(urlsplit(client.get("/sign-in/university/")["Location"]).query)
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert asked["code_challenge_method"] == ["S256"]
    assert SECRET not in str(asked)


def test_password_locks_do_not_lock_the_service_and_the_other_way_round(client, provider):
    factories.make_person("Ana", "ana@uni.example")
    for _ in range(7):
        locked = client.post("/sign-in/", {"username": "ana@uni.example", "password": "wrong"})
    assert "Too many tries" in locked.content.decode()
    sign_in(client)
    assert who(client) is not None


def test_erasing_a_person_forgets_the_service_too(client, provider, course):
    sign_in(client)
    ana = who(client)
    assert ana is not None
    membership = factories.enrol(course, ana, Role.STUDENT)
    erasing.erase(membership=membership, person=None)
    assert not OutsideIdentity.objects.exists()


@pytest.mark.parametrize(
    ("issuer", "client_id", "debug", "fine"),
    [
        ("https://id.uni.example", "platform", False, True),
        ("", "", False, True),
        ("http://id.uni.example", "platform", False, False),
        ("https://id.uni.example", "", False, False),
        ("", "platform", False, False),
        ("http://127.0.0.1:1", "platform", True, True),
    ],
)
def test_half_a_configuration_or_one_without_encryption_is_refused_at_the_start(
    settings, issuer, client_id, debug, fine
):
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.DEBUG = issuer, client_id, debug
    assert ("courseplatform.E004" not in {error.id for error in run_checks()}) is fine
