"""Attacks by way of LTI: forged messages, replays, another LMS, a browser that is not its own, accounts of others, the inside."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from teams.models import LmsConnection, LmsCourse, LmsIdentity, Role, User
from teams.services import enrolment, identity
from teams.services.lti import connections, dynamic
from teams.services.lti.connections import LtiRefused, Wanted
from teams.services.lti.door import LmsSession
from tests import factories
from tests.teams.lms_browser import back, begin, launch, press, text
from tests.teams.lms_fixtures import ANA, IRIS, connection, linked, lms, own_connection
from tests.teams.lms_player import CLIENT, INSTRUCTOR, Lms, Person, pem

__all__ = ["connection", "linked", "lms", "own_connection"]

DEPLOYMENT_CLAIM = "https://purl.imsglobal.org/spec/lti/claim/deployment_id"


def who(browser):
    return User.objects.filter(pk=browser.session.get("_auth_user_id", 0)).first()


@pytest.fixture
def mia(connection, member):
    """A student who is linked."""
    LmsIdentity.objects.create(connection=connection, subject="u-mia", person=member, consented=True)
    return Person("u-mia", "Mia Member", "mia@lms.example")


def claims_in(form):
    return jwt.decode(form["id_token"], options={"verify_signature": False})


def signed(form, lms, key="right", alg="RS256", **lies):
    """The message with lies in it, signed with that key under the kid of the right one."""
    claims = claims_in(form) | lies
    claims = {name: value for name, value in claims.items() if value is not None}
    kid = lms.registration.get_kid()
    return form | {"id_token": jwt.encode(claims, pem(key)[0], algorithm=alg, headers={"kid": kid})}


def refused(browser, connection, form, said):
    page = back(browser, connection, form)
    assert page.status_code == 400, text(page)
    assert said in text(page)
    return who(browser) is None and "lms_ticket" not in browser.cookies


def test_the_honest_message_gets_in(lms, connection, linked, mia, member):
    browser = Client()
    back(browser, connection, signed(lms.message(begin(browser, lms, connection, mia)), lms))
    browser.get("/lti/enter/")
    assert who(browser) == member


def test_a_message_signed_with_another_key_gets_nobody_in(lms, connection, linked, mia):
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    assert refused(browser, connection, signed(form, lms, key="another"), "is not signed as it should be")


def test_a_message_without_a_signature_gets_nobody_in(lms, connection, linked, mia):
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))

    def part(said):
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    for alg in ("none", "None", "NONE"):
        header = part({"alg": alg, "kid": lms.registration.get_kid()})
        unsigned = f"{header}.{part(claims_in(form))}."
        assert refused(browser, connection, form | {"id_token": unsigned}, "is not signed as it should be")
        form = lms.message(begin(browser, lms, connection, mia))


@pytest.mark.parametrize("published", ["HS256", "none"])
def test_keys_that_name_a_weak_algorithm_make_it_no_better(lms, connection, linked, mia, published, monkeypatch):
    """Not even the LMS itself may say that a shared secret, or nothing, is enough."""
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    keys = lms.platform.get_jwks()
    keys["keys"][0]["alg"] = published
    monkeypatch.setattr(lms.platform, "get_jwks", lambda: keys)
    secret: Any = "x" * 64 if published == "HS256" else None
    token = jwt.encode(claims_in(form), secret, algorithm=published, headers={"kid": keys["keys"][0]["kid"]})
    assert refused(browser, connection, form | {"id_token": token}, "is not signed as it should be")


@pytest.mark.parametrize(
    ("lies", "said"),
    [
        ({"aud": "another-tool"}, "it comes from Canvas is not signed"),
        ({"aud": [CLIENT, "another-tool"], "azp": "another-tool"}, "made for another tool"),
        ({"aud": [CLIENT, "another-tool"], "azp": None}, "made for another tool"),
        ({"iss": "https://lms.evil.example"}, "says that it comes from https://lms.evil.example"),
        ({"nonce": "chosen by hand"}, "belongs to another launch"),
        ({"nonce": None}, "belongs to another launch"),
        ({"exp": int(time.time()) - 120}, "too old, or the clock"),
        ({"iat": int(time.time()) + 600}, "too old, or the clock"),
        ({"iat": int(time.time()) - 7200}, "too old, or the clock"),
        ({"exp": None}, "is not signed as it should be"),
        ({DEPLOYMENT_CLAIM: "a deployment of others"}, "is not allowed here yet"),
        ({"sub": ""}, "did not say who launches"),
        ({"https://purl.imsglobal.org/spec/lti/claim/version": "1.1.0"}, "is not as LTI 1.3 wants it"),
    ],
)
def test_a_message_that_says_something_wrong_gets_nobody_in(lms, connection, linked, mia, lies, said):
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    assert refused(browser, connection, signed(form, lms, **lies), said)


def test_clocks_may_differ_by_a_minute(lms, connection, linked, mia, member):
    browser, now = Client(), int(time.time())
    form = lms.message(begin(browser, lms, connection, mia))
    assert back(browser, connection, signed(form, lms, exp=now - 30, iat=now + 30)).status_code == 303


def test_the_same_message_is_taken_once(lms, connection, linked, mia):
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    cookies = dict(browser.cookies)
    assert back(browser, connection, form).status_code == 303
    thief = Client()
    assert refused(thief, connection, form, "was used already")
    for name, cookie in cookies.items():
        thief.cookies[name] = cookie.value
    assert refused(thief, connection, form, "was used already")


def test_a_nonce_of_an_earlier_launch_is_no_nonce_of_this_one(lms, connection, linked, mia):
    browser = Client()
    earlier = lms.message(begin(browser, lms, connection, mia))
    later = begin(browser, lms, connection, mia)
    assert refused(browser, connection, earlier | {"state": later["state"]}, "belongs to another launch")


def test_a_message_in_a_browser_that_did_not_begin_the_launch_signs_nobody_in(lms, connection, linked, mia, member):
    """Else whoever launches as themselves could leave their session in somebody's browser."""
    attacker, victim = Client(), Client()
    form = lms.message(begin(attacker, lms, connection, mia))
    assert refused(victim, connection, form, "did not bring back the cookie")
    victim.get("/lti/enter/")
    assert who(victim) is None


def test_a_launch_changes_nobodys_session_unasked(lms, connection, linked, mia, member, client_for, outsider):
    """Any site can send a browser through a launch, with an LMS of its own."""
    victim = client_for(outsider)
    page = launch(victim, lms, connection, mia)
    assert who(victim) == outsider
    assert "Go on as Mia Member?" in text(page)
    press(victim, "switch")
    assert who(victim) == member


def test_a_choice_of_links_which_needs_no_cookie_signs_nobody_in(lms, connection, linked, mia):
    attacker, victim = Client(), Client()
    form = lms.message(begin(attacker, lms, connection, mia), deep=True)
    page = back(victim, connection, form)
    ticket = page.content.decode().split('name="ticket" value="')[1].split('"')[0]
    victim.cookies["lms_ticket"] = ticket
    assert victim.get("/lti/enter/").status_code == 400
    assert who(victim) is None


def test_a_launch_at_another_connection_is_not_known(lms, connection, own_connection_of_another, linked, mia):
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    assert refused(browser, own_connection_of_another, form, "is not known here")


@pytest.fixture
def own_connection_of_another(lms, other_course):
    """Another LMS, whose owner may sign what they like."""
    evil = Lms(name="another")
    owner = factories.make_person("Evil Instructor", "evil@example.edu")
    factories.enrol(other_course, owner, Role.INSTRUCTOR)
    made = connections.add(course=other_course, person=owner, name="Evil LMS")
    made = evil.connect(made)
    made.evil = evil  # type: ignore[attr-defined]
    yield made
    evil.close()


def test_another_lms_says_nothing_about_the_people_of_this_one(
    lms, connection, linked, mia, member, own_connection_of_another
):
    evil = own_connection_of_another.evil
    browser = Client()
    page = launch(browser, evil, own_connection_of_another, mia)
    assert who(browser) is None
    assert "Who are you here?" in text(page)


def test_the_lms_of_one_course_opens_no_other_course_of_the_person(
    lms, own_connection_of_another, instructor, course, other_course, team
):
    """Its owner signs that the victim launches: the victim once linked the account there, as a student of that course."""
    evil = own_connection_of_another.evil
    factories.enrol(other_course, instructor, Role.STUDENT)
    LmsIdentity.objects.create(
        connection=own_connection_of_another, subject="u-iris", person=instructor, consented=True
    )
    owner = User.objects.get(email="evil@example.edu")
    setting_up = Client()
    setting_up.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    launch(setting_up, evil, own_connection_of_another, Person("u-evil", "E", "evil@example.edu", (INSTRUCTOR,)))
    press(setting_up, "link")
    press(setting_up, "connect", course=other_course.pk)
    assert LmsCourse.objects.get().course == other_course
    thief = Client()
    launch(thief, evil, own_connection_of_another, IRIS)
    assert who(thief) == instructor
    assert thief.get(f"/courses/{other_course.pk}/plan/").status_code == 200
    for path in (
        f"/courses/{course.pk}/people/",
        f"/courses/{course.pk}/",
        f"/teams/{team.pk}/",
        f"/courses/{course.pk}/grades/",
        "/notices/",
        "/courses/new/",
        "/accounts/",
    ):
        assert thief.get(path).status_code == 403, path
    assert thief.get("/")["Location"] == f"/courses/{other_course.pk}/"


def test_a_session_of_one_course_links_no_second_lms_to_the_account(
    lms, connection, linked, client_for, course, member
):
    """Else whoever runs that LMS gets a key of their own to the whole account."""
    thief = client_for(member)
    session = thief.session
    session["lms_course"] = course.pk
    session.save()
    page = launch(thief, lms, connection, Person("u-thief", "Thief", "thief@lms.example"))
    assert "You are signed in here as" not in text(page)
    press(thief, "link")
    assert not LmsIdentity.objects.filter(subject="u-thief").exists()


def test_a_password_frees_a_session_and_the_next_launch_binds_it_again(client, course, member):
    session = client.session
    session["lms_course"] = course.pk
    session.save()
    client.post("/sign-in/", {"username": member.email, "password": factories.PASSWORD})
    assert "lms_course" not in client.session


@pytest.mark.parametrize("do", ["create", "link"])
def test_an_address_that_the_lms_says_takes_over_no_account(lms, connection, linked, member, do):
    thief = Client()
    page = launch(thief, lms, connection, Person("u-thief", "Mia Member", member.email.upper()))
    assert "There is an account with this address" in text(page)
    press(thief, do)
    assert who(thief) is None
    assert not LmsIdentity.objects.filter(subject="u-thief").exists()


def test_an_account_that_waits_for_its_owner_by_a_launch_is_handed_over(lms, connection, linked, course, instructor):
    """Somebody launches under the address of a future professor; she is invited, and opens the mailed link."""
    thief = Client()
    launch(thief, lms, connection, Person("u-thief", "Future Professor", "future@example.edu"))
    press(thief, "create")
    account = User.objects.get(email="future@example.edu")
    assert who(thief) == account
    other = factories.make_course("Where she teaches")
    factories.enrol(other, instructor, Role.INSTRUCTOR)
    enrolment.invite(
        course=other, email="future@example.edu", name="F", role=Role.PROFESSOR, team=None, person=instructor
    )
    again = Client()
    launch(again, lms, connection, Person("u-thief", "Future Professor", "future@example.edu"))
    assert who(again) is None
    account.refresh_from_db()
    identity.set_password_by_link(person=account, password="her own long password")
    launch(again, lms, connection, Person("u-thief", "Future Professor", "future@example.edu"))
    press(again, "create")
    assert who(again) is None


def test_a_mailed_link_ends_what_a_launch_began(lms, connection, linked):
    thief = Client()
    launch(thief, lms, connection, ANA)
    press(thief, "create")
    account = User.objects.get(email=ANA.email)
    identity.set_password_by_link(person=account, password="the owner's own password")
    assert thief.get("/notices/").status_code == 302
    launch(thief, lms, connection, ANA)
    assert who(thief) is None


def test_no_lms_opens_an_account_that_runs_the_platform(client_for, lms, connection, linked):
    boss = factories.make_person("Boss", "boss@example.edu")
    boss.is_staff = True
    boss.save()
    factories.enrol(linked.course, boss, Role.INSTRUCTOR)
    browser = client_for(boss)
    person = Person("u-boss", "Boss", "boss@example.edu", (INSTRUCTOR,))
    page = launch(browser, lms, connection, person)
    assert "go on for this once" in text(page)
    assert press(browser, "link").redirect_chain[-1][0] == f"/courses/{linked.course_id}/"
    assert not LmsIdentity.objects.filter(subject="u-boss").exists()
    LmsIdentity.objects.create(connection=connection, subject="u-boss", person=boss, consented=True)
    thief = Client()
    launch(thief, lms, connection, person)
    assert who(thief) is None


def test_a_student_in_the_lms_links_no_course(client_for, lms, connection, course, instructor):
    browser = client_for(instructor)
    launch(browser, lms, connection, Person("u-iris", "Iris", "iris@lms.example"))
    press(browser, "link")
    press(browser, "connect", course=course.pk)
    assert not LmsCourse.objects.exists()


def test_an_instructor_links_no_course_of_others(client_for, lms, connection, course, other_course, instructor):
    browser = client_for(instructor)
    launch(browser, lms, connection, IRIS)
    press(browser, "link")
    page = press(browser, "connect", course=other_course.pk)
    assert not LmsCourse.objects.exists()
    assert page.status_code == 422


def test_no_address_in_a_launch_leads_out(lms, connection, linked, mia):
    """Neither the call's target, which becomes no redirect, nor the message's."""
    evil = "https://evil.example/phish"
    browser = Client()
    lms.people[mia.subject] = mia
    call = lms.call(connection, mia, target_link_uri=evil, redirect_uri=evil)
    answer = browser.get(f"/lti/{connection.key}/login/", call)
    assert answer["Location"].startswith(f"{lms.issuer}/auth?")
    assert "evil.example" not in answer["Location"]
    lms.claims["https://purl.imsglobal.org/spec/lti/claim/target_link_uri"] = evil
    lms.claims["https://purl.imsglobal.org/spec/lti/claim/custom"] = {"target": "//evil.example"}
    page = launch(browser, lms, connection, mia)
    assert all("evil" not in path for path, _ in page.redirect_chain)


def test_a_call_of_another_issuer_or_client_begins_nothing(lms, connection):
    for lie, said in (
        ({"iss": "https://other.example"}, "is connected as"),
        ({"client_id": "x"}, "is connected with"),
        ({"login_hint": ""}, "for whom"),
    ):
        page = Client().get(f"/lti/{connection.key}/login/", lms.call(connection, ANA, **lie))
        assert page.status_code == 400
        assert said in text(page)


def test_the_pages_that_sign_in_or_link_want_a_token_of_their_form(lms, connection, linked):
    browser = Client(enforce_csrf_checks=True)
    launch(browser, lms, connection, ANA)
    assert browser.post("/lti/enter/", {"do": "create"}).status_code == 403
    assert not User.objects.filter(email=ANA.email).exists()


INSIDE = [
    "https://10.0.0.7/configuration",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]:8301/v1/models",
    "https://localhost/x",
    "http://example.com/x",
    "file:///etc/passwd",
    "https://user:secret@example.com/x",
]


@pytest.mark.parametrize("address", INSIDE)
def test_dynamic_registration_asks_nothing_inside(lms, course, instructor, settings, address):
    settings.PROVIDER_PRIVATE_HOSTS = []
    connection = connections.add(course=course, person=instructor, name="Moodle")
    token = dynamic.new_token(connection=connection, person=instructor)
    page = Client().post(f"/lti/register/{token}/", {"openid_configuration": address})
    assert "The LMS could not be asked" in text(page)
    assert not LmsConnection.objects.exclude(registration=None).exists()


@pytest.mark.parametrize("address", INSIDE)
@pytest.mark.parametrize("name", ["token_url", "keyset_url"])
def test_an_address_inside_is_not_kept(lms, course, instructor, settings, name, address):
    settings.PROVIDER_PRIVATE_HOSTS = []
    connection = connections.add(course=course, person=instructor, name="Moodle")
    given = {"auth_url": "https://1.1.1.1/a", "token_url": "https://1.1.1.1/t", "keyset_url": "https://1.1.1.1/k"}
    with pytest.raises(LtiRefused):
        connections.fill(
            connection=connection,
            person=instructor,
            wanted=Wanted(issuer="https://1.1.1.1", client_id="c", **(given | {name: address})),
        )
    assert not LmsConnection.objects.exclude(registration=None).exists()


def test_an_address_that_came_to_point_inside_later_is_not_asked(lms, connection, linked, mia, settings):
    """The check is made where the connection is, not only where the address was typed."""
    settings.PROVIDER_PRIVATE_HOSTS = []
    browser = Client()
    form = lms.message(begin(browser, lms, connection, mia))
    cache.clear()
    asked = list(lms.asked)
    assert refused(browser, connection, form, "could not be read")
    assert lms.asked == asked


def test_the_door_follows_no_redirect_and_reads_no_endless_answer(lms, monkeypatch, settings):
    from teams.services.lti import door
    from tests.teams import lms_player

    monkeypatch.setattr(lms_player, "_reply", lambda *_: (302, {}, {"Location": "http://127.0.0.1:1/inside"}))
    assert LmsSession().get(f"{lms.issuer}/x").status_code == 302
    monkeypatch.setattr(door, "MOST_BYTES", 1000)
    monkeypatch.setattr(lms_player, "_reply", lambda *_: (200, {"x": "y" * 2000}, {}))
    with pytest.raises(door.LmsUnreachable, match="longer than"):
        LmsSession().get(f"{lms.issuer}/x")


def test_a_configuration_sends_the_registration_to_nothing_inside(lms, course, instructor, settings):
    """The address of the configuration is allowed; the one that it names is not for that."""
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    connection = connections.add(course=course, person=instructor, name="Moodle")
    token = dynamic.new_token(connection=connection, person=instructor)
    lms.endpoint_elsewhere = "https://10.1.2.3/register"
    page = Client().post(f"/lti/register/{token}/", {"openid_configuration": f"{lms.issuer}/configuration"})
    assert "private network (10.1.2.3)" in text(page)
    assert LmsConnection.objects.get().registration is None


def test_a_registration_address_is_worth_nothing_after_an_hour(lms, course, instructor):
    connection = connections.add(course=course, person=instructor, name="Moodle")
    token = dynamic.new_token(connection=connection, person=instructor)
    LmsConnection.objects.update(register_until=timezone.now() - dynamic.VALID)
    page = Client().post(f"/lti/register/{token}/", {"openid_configuration": f"{lms.issuer}/configuration"})
    assert "older than an hour" in text(page)
    assert lms.registered == []


def test_our_private_key_lies_sealed_and_is_on_no_page(client, lms, connection):
    from lti_tool.models import Key

    answer = client.get("/lti/keys/")
    assert Key.objects.exists()
    assert all("PRIVATE" not in kept.private_key for kept in Key.objects.all())
    assert set(answer.json()["keys"][0]) == {"alg", "e", "kid", "kty", "n", "use"}


def test_a_client_of_another_lms_takes_identities_along_to_nowhere(lms, connection, linked, instructor):
    """Pointed at another LMS, a connection forgets whom the first one knew."""
    assert LmsIdentity.objects.filter(person=instructor).exists()
    connections.fill(connection=connection, person=instructor, wanted=lms.wanted(client_id="client-8"))
    assert not LmsIdentity.objects.exists()
    assert not LmsCourse.objects.exists()
