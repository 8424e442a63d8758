"""What a visitor without an account can find out, and how often they may try: the same for every address, and not often."""

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from limits import parse_many

from teams.models import OutgoingMail, User
from teams.services import first_account, throttle
from tests import factories

UNKNOWN = "nobody@example.edu"
PASSWORD = factories.PASSWORD


@pytest.fixture
def hashed(monkeypatch) -> list[int]:
    """One entry for each password hash that was computed: the slow part of an answer."""
    seen: list[int] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        seen.append(1)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return seen


@pytest.fixture
def known(db) -> str:
    """An address with an account; beside it one that was switched off, one without a password, and one unproven."""
    User.objects.create_user("off@example.edu", PASSWORD, name="Off", is_active=False)
    User.objects.create_user("invited@example.edu", None, name="Invited")
    User.objects.create_user("unproven@example.edu", PASSWORD, name="Unproven")
    return str(factories.make_person("Known", "known@example.edu").email)


EVERYBODY = ("known@example.edu", "off@example.edu", "invited@example.edu", "unproven@example.edu", UNKNOWN)


def answer(response: Any, email: str) -> str:
    """Byte for byte, but for the form's token and the address that was typed."""
    page = response.content.decode().replace(email, "ADDRESS")
    page = re.sub(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+', r"\1TOKEN", page)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    said = re.sub(r"""nonce-[^']+|nonce="[^"]+["]""", "NONCE", f"{sorted(headers)} {page}")
    return f"{response.status_code} {said}"


def work(client: Any, hashed: list[int], path: str, form: dict[str, str], email: str) -> tuple[str, int, list[str]]:
    """(answer, hashes, kinds of statements): what the visitor sees, and what the answer's time is made of."""
    hashed.clear()
    client.cookies.clear()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.post(path, form)
    statements = [" ".join(query["sql"].split()[:3]) for query in queries]
    return answer(response, email), len(hashed), statements


def test_a_wrong_password_is_answered_alike_for_every_kind_of_address(client, known, hashed):
    seen = []
    for email in EVERYBODY:
        said, hashes, _ = work(client, hashed, "/sign-in/", {"username": email, "password": "wrong"}, email)
        assert "do not match" in said
        seen.append((said, hashes))
    assert len(set(seen)) == 1
    assert seen[0][1] == 1


@pytest.mark.parametrize("path", ["/password/forgotten/", "/join/"])
def test_the_page_does_the_same_for_every_kind_of_address(client, course, known, hashed, path):
    seen = []
    for email in EVERYBODY:
        form = {"email": email, "code": course.student_code, "name": "Nora"}
        said, hashes, statements = work(client, hashed, path, form, email)
        assert hashes == 0, "a stranger makes nobody hash"
        seen.append((said, tuple(statements)))
    assert len(set(seen)) == 1
    assert OutgoingMail.objects.values("address").distinct().count() == len(EVERYBODY)


@pytest.mark.parametrize("path", ["/password/forgotten/", "/join/"])
def test_asking_again_is_answered_alike_too(client, course, known, hashed, path):
    seen = []
    for email in EVERYBODY:
        form = {"email": email, "code": course.student_code, "name": "Nora"}
        client.post(path, form)
        seen.append(work(client, hashed, path, form, email)[0])
    assert len(set(seen)) == 1


def test_a_wrong_code_is_told_before_anything_is_done(client, course, known, hashed):
    response = client.post("/join/", {"code": "WRONG", "name": "N", "email": known})
    assert response.status_code == 422
    assert "No course has the code" in response.content.decode()
    assert (hashed, OutgoingMail.objects.count()) == ([], 0)


def test_a_wrong_set_up_code_hashes_nothing(client, db, hashed):
    form = {"code": "AAAA-AAAA-AAAA-AAAA", "name": "Eve", "email": "eve@example.edu", "password": PASSWORD}
    assert client.post("/set-up/", form).status_code == 422
    assert hashed == []


# --- How often -------------------------------------------------------------------------------------------------------------


def try_password(client: Any, email: str, place: str = "203.0.113.1", password: str = "wrong", **headers: str) -> Any:
    return client.post("/sign-in/", {"username": email, "password": password}, REMOTE_ADDR=place, **headers)


@pytest.mark.parametrize("email", ["known@example.edu", UNKNOWN])
def test_guessing_at_one_account_is_stopped_from_everywhere_at_once(client, known, hashed, email):
    for number in range(5):
        assert try_password(client, email, f"203.0.113.{number}").status_code == 200
    hashed.clear()
    stopped = try_password(client, email.upper(), "203.0.113.99")
    assert stopped.status_code == 429
    assert "Too many tries. Wait" in stopped.content.decode()
    assert 0 < int(stopped["Retry-After"]) <= 60
    assert hashed == [], "and costs nothing any more"


def test_a_guesser_elsewhere_locks_nobody_out_of_the_browser_they_always_use(client, known):
    """Whoever knows the address could else keep a professor out, an hour before the grades are due."""
    assert try_password(client, known, "203.0.113.1", PASSWORD).status_code == 302
    client.get("/")
    del client.cookies["sessionid"]
    for number in range(6):
        stranger = Client()
        last = try_password(stranger, known, f"198.51.100.{number}")
    assert last.status_code == 429
    assert try_password(Client(), known, "203.0.113.1", PASSWORD).status_code == 429
    assert try_password(client, known, "203.0.113.1", PASSWORD).status_code == 302


def test_the_cookie_of_one_account_opens_no_new_tries_at_another(client, known):
    assert try_password(client, known, password=PASSWORD).status_code == 302
    del client.cookies["sessionid"]
    statuses = [try_password(client, "unproven@example.edu").status_code for _ in range(6)]
    assert statuses[-1] == 429


def test_a_known_browser_does_not_guess_for_ever(client, known):
    assert try_password(client, known, password=PASSWORD).status_code == 302
    del client.cookies["sessionid"]
    statuses = [try_password(client, known, f"203.0.113.{number}").status_code for number in range(11)]
    assert statuses[-1] == 429


@pytest.mark.parametrize("value", ["", "nonsense", "W10:x:y"])
def test_an_invented_cookie_is_none(client, known, value):
    client.cookies["known_browser"] = value
    statuses = [try_password(client, known, f"203.0.113.{number}").status_code for number in range(6)]
    assert statuses[-1] == 429


def test_a_forwarded_address_makes_no_new_place(client, known):
    for number in range(60):
        try_password(client, f"somebody{number}@example.edu", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    stopped = try_password(client, "another@example.edu", HTTP_X_FORWARDED_FOR="198.51.100.200")
    assert stopped.status_code == 429
    assert try_password(client, "another@example.edu", "203.0.113.2").status_code == 200


def test_a_campus_behind_one_address_signs_in(client, db):
    """Two hundred people at nine o'clock, each with the right password, and some who mistype it once."""
    for number in range(70):
        person = factories.make_person(email=f"student{number}@example.edu")
        if number % 2:
            assert try_password(client, person.email).status_code == 200
        assert try_password(client, person.email, password=PASSWORD).status_code == 302
        client.logout()


def test_the_right_password_makes_up_for_the_wrong_ones(client, known):
    for _ in range(3):
        for _ in range(3):
            try_password(client, known)
        assert try_password(client, known, password=PASSWORD).status_code == 302
        client.logout()


@pytest.mark.parametrize(("path", "most"), [("/password/forgotten/", 3), ("/join/", 3)])
def test_a_mailbox_gets_no_flood_and_nobody_learns_whose_it_is(client, course, known, path, most):
    answers = []
    for email in (known, UNKNOWN):
        form = {"email": email, "code": course.student_code, "name": "Nora"}
        statuses = [client.post(path, form).status_code for _ in range(most + 1)]
        assert statuses[-1] == 429
        assert 429 not in statuses[:-1]
        answers.append(statuses)
    assert answers[0] == answers[1]
    assert OutgoingMail.objects.count() == 2


def test_guessing_join_codes_from_one_place_ends(client, db):
    form = {"name": "Eve", "email": ""}
    for number in range(100):
        client.post("/join/", form | {"code": f"WRONG{number}", "email": f"eve{number}@example.edu"})
    assert client.post("/join/", form | {"code": "WRONG", "email": "eve@example.edu"}).status_code == 429


def test_guessing_join_codes_with_an_account_ends_too(client_for, db):
    client = client_for(factories.make_person())
    statuses = [client.post("/join/", {"code": f"WRONG{number}"}).status_code for number in range(101)]
    assert statuses[-1] == 429


def test_guessing_the_set_up_code_ends_and_does_not_lock_its_owner_out(client, db):
    form = {"code": "AAAA-AAAA-AAAA-AAAA", "name": "Eve", "email": "eve@example.edu", "password": PASSWORD}
    statuses = [client.post("/set-up/", form, REMOTE_ADDR="203.0.113.1").status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]
    right = form | {"code": first_account.code()}
    assert client.post("/set-up/", right, REMOTE_ADDR="203.0.113.2").status_code == 302


def test_who_finds_an_open_browser_does_not_guess_the_password_in_it(client_for, member):
    client = client_for(member)
    form = {"old_password": "wrong", "new_password1": "a new passphrase", "new_password2": "a new passphrase"}
    statuses = [client.post("/password/", form).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_waits_grow_for_who_goes_on():
    for purpose, both in throttle.LIMITS.items():
        for limits in both:
            spans = [item.get_expiry() for item in parse_many(limits)]
            rates = [item.amount / item.get_expiry() for item in parse_many(limits)]
            assert spans == sorted(spans), purpose
            assert rates == sorted(rates, reverse=True), f"{purpose}: the longer limit must be the stricter one"
            assert len(spans) >= 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "half a minute"), (60, "one minute"), (61, "2 minutes"), (7_000, "2 hours"), (90_000, "2 days")],
)
def test_the_wait_is_said_in_words(seconds, said):
    assert str(throttle.TooMany(seconds)) == f"Too many tries. Wait {said}, then try again."


def test_all_of_one_ipv6_network_is_one_place():
    assert throttle.place_of("2001:db8:1:2::1") == throttle.place_of("2001:db8:1:2:ffff::9")
    assert throttle.place_of("2001:db8:1:2::1") != throttle.place_of("2001:db8:1:3::1")
    assert throttle.place_of("::ffff:203.0.113.1") == "203.0.113.1"


def test_all_processes_count_together(redis_server):
    """Redis holds the number: another process, here another connection, goes on from there. No address is kept in it."""
    import redis

    for _ in range(5):
        throttle.count("sign-in", about="ana@example.edu")
        throttle._shared.cache_clear()
    with pytest.raises(throttle.TooMany):
        throttle.check("sign-in", about="ANA@example.edu")
    keys = str(redis.Redis.from_url(redis_server).keys())
    assert "throttle" in keys
    assert "ana" not in keys
