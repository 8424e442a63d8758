"""What a request may carry: no stranger makes the platform keep a long body, on no address of it."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings as configured
from django.core import signals
from django.db import close_old_connections
from django.test import Client
from django.urls import reverse

from courseplatform import bodies
from courseplatform.handler import Handler
from courseplatform.redis_server import free_port
from teams import impersonation
from teams.body_limits import MB, MEMBER, STRANGER
from teams.models import User
from tests import factories
from tests.test_access import NAMED, address
from tests.world import make_world

PIECE = b"x" * 32 * 1024
READS_NOTHING = "livez"  # is answered before any body is looked at


async def _nothing() -> None:
    return None


class Request:
    """One request, as an ASGI server hands it over; `taken` counts the bytes that the application asked for."""

    def __init__(self, path: str, size: int, *, announced: bool, cookie: str = "", method: str = "POST") -> None:
        headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
        if announced:
            headers.append((b"content-length", str(size).encode()))
        if cookie:
            headers.append((b"cookie", cookie.encode()))
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("203.0.113.9", 1),
            "server": ("localhost", 80),
            "scheme": "http",
        }
        self.left, self.taken, self.status, self.page = size, 0, 0, b""
        self.headers: dict[str, str] = {}
        self.taken_before_answer = 0

    async def receive(self) -> dict[str, Any]:
        if self.left <= 0:
            await asyncio.Event().wait()  # until the answer is there and nobody asks any more
            return {"type": "http.disconnect"}
        piece = PIECE[: self.left]
        self.left -= len(piece)
        self.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": self.left > 0}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.taken_before_answer = message["status"], self.taken
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.page += message.get("body", b"")


@pytest.fixture
def rolled(monkeypatch) -> list[int]:
    """How often a body went from memory into a file."""
    seen: list[int] = []
    roll = tempfile.SpooledTemporaryFile.rollover

    def counted(self: Any) -> None:
        seen.append(1)
        roll(self)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", counted)
    return seen


@pytest.fixture
def ask(monkeypatch) -> Iterator[Callable[..., Request]]:
    """Hand a request to the platform's own ASGI application; its threads' work is done in the test's own transaction."""
    application = Handler(on_start=_nothing, on_stop=_nothing)
    monkeypatch.setattr(application, "_in_a_thread", sync_to_async)
    monkeypatch.setattr("courseplatform.handler.close_old_connections", lambda: None)

    def send(path: str, size: int, **options: Any) -> Request:
        request = Request(path, size, **{"announced": False, **options})
        async_to_sync(application)(request.scope, request.receive, request.send)
        return request

    between = (signals.request_started, signals.request_finished)
    for signal_ in between:
        signal_.disconnect(close_old_connections)
    yield send
    for signal_ in between:
        signal_.connect(close_old_connections)


def cookie_of(person: User, client_for: Callable[..., Client]) -> str:
    return f"{configured.SESSION_COOKIE_NAME}={client_for(person).cookies[configured.SESSION_COOKIE_NAME].value}"


@pytest.mark.parametrize("announced", [True, False])
def test_no_address_keeps_what_a_stranger_sends(redis_server, team, professor, instructor, ask, rolled, announced):
    world = make_world(team, professor, "ourmark")
    for name in NAMED:
        request = ask(address(name, world), 4 * MB, announced=announced)
        if name == READS_NOTHING:
            assert (request.status, request.taken) == (200, 0), "answers without asking for one byte"
            continue
        public_limit = 200_000 if name == "endpoint_chat" else STRANGER
        assert request.status == 413, name
        assert request.taken_before_answer <= public_limit + len(PIECE), name
        assert not announced or request.taken_before_answer == 0, f"{name}: refused before a byte was read"
    assert rolled == []
    assert len(NAMED) > 150


def test_four_hundred_megabytes_to_the_health_check(db, ask, rolled):
    request = ask("/healthz", 400 * MB)
    assert (request.status, rolled) == (413, [])
    assert request.taken <= bodies.LINGER_BYTES + STRANGER + 2 * len(PIECE), "and the connection is closed after it"
    assert request.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/nowhere/", "/join/", "/sign-in/"])
def test_the_refusal_is_said_in_words(db, ask, path):
    said = ask(path, 2 * MB).page.decode()
    assert "Too much at once" in said
    assert "64.0\xa0KB" in said
    assert "Sign in first" in said


def test_a_file_of_the_pages_own_takes_nothing_at_all(db, ask, rolled):
    assert ask("/static/notebook.css", 4 * MB).status in (405, 413)
    assert rolled == []


def test_a_program_is_told_in_json(db, ask):
    request = ask("/v1/chat/completions", 2 * MB)
    assert (request.status, request.headers["content-type"]) == (413, "application/json")
    assert b"request_too_large" in request.page


def test_only_who_may_enter_the_upload_page_may_send_a_file(
    ask, rolled, client_for, team, member, other_member, professor, instructor, outsider
):
    path = reverse("dataset_new", args=[team.pk])
    for person in (other_member, outsider, professor):
        assert ask(path, 4 * MB, cookie=cookie_of(person, client_for)).status == 413
    assert rolled == []
    for person in (member, instructor):
        assert ask(path, 4 * MB, cookie=cookie_of(person, client_for)).status == 403  # no CSRF token: a view's refusal
    assert len(rolled) == 2


def test_a_session_that_is_over_sends_nothing_long(ask, rolled, client_for, team, member):
    cookie = cookie_of(member, client_for)
    member.set_password("another passphrase")
    member.save()
    assert ask(reverse("dataset_new", args=[team.pk]), 4 * MB, cookie=cookie).status == 413
    assert rolled == []


def test_who_looks_as_another_person_sends_nothing_long(ask, client_for, team, member):
    client = client_for(member)
    session = client.session
    session[impersonation.SESSION_KEY] = 1
    session.save()
    cookie = f"{configured.SESSION_COOKIE_NAME}={client.cookies[configured.SESSION_COOKIE_NAME].value}"
    assert ask(reverse("dataset_new", args=[team.pk]), 4 * MB, cookie=cookie).status == 413


def test_a_page_without_a_file_takes_a_megabyte_of_text_and_no_more(ask, client_for, team, member):
    cookie = cookie_of(member, client_for)
    path = reverse("team_home", args=[team.pk])
    assert ask(path, MEMBER - 1, cookie=cookie).status != 413
    assert ask(path, MEMBER + 1, cookie=cookie).status == 413


def test_the_largest_file_is_the_operators_decision(ask, client_for, team, member, settings):
    settings.DATASET_MAX_BYTES = 2 * MB
    request = ask(reverse("dataset_new", args=[team.pk]), 4 * MB, cookie=cookie_of(member, client_for))
    assert request.status == 413
    assert "2.0\xa0MB" in request.page.decode()


def test_a_course_archive_is_for_those_who_may_create_courses(ask, client_for, instructor):
    assert ask("/courses/import/", 4 * MB, cookie=cookie_of(instructor, client_for)).status == 413
    factories.allow_courses(instructor)
    assert ask("/courses/import/", 4 * MB, cookie=cookie_of(instructor, client_for)).status == 403


def test_a_body_that_never_comes_is_given_up(db, ask, monkeypatch):
    monkeypatch.setattr(bodies, "START_SECONDS", 0.05)
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 0.05)

    async def never(self: Request) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    monkeypatch.setattr(Request, "receive", never)
    request = ask("/sign-in/", 100, announced=True)
    assert request.status == 408
    assert "did not arrive in time" in request.page.decode()


def test_every_view_with_a_file_in_its_form_declares_a_limit():
    """A form with a file that is not declared would refuse its own files; a declaration without a form invites strangers' ones."""
    declared = {name for name, route in NAMED.items() if getattr(route.callback, "body_limit", None)}
    uploads = {"dataset_new", "dataset_upload", "import_replace", "course_roster", "run_import", "course_import"}
    assert declared == uploads | {"endpoint_chat", "api_files"}


# --- Who is asking, behind a proxy or not ------------------------------------------------------------------------------

APP = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
from courseplatform.proxies import behind_proxies

async def say(scope, receive, send):
    if scope["type"] != "http":
        return
    said = f"{scope['client'][0]} {scope['scheme']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]})
    await send({"type": "http.response.body", "body": said})

application = behind_proxies(say)
"""
SERVE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from courseplatform import serve

def configuration(host, port):
    made = platforms(host, port)
    made.app, made.lifespan = "said:application", "off"
    return made

platforms, serve.configuration = serve.configuration, configuration
serve.main()
"""


@pytest.mark.parametrize(
    ("trusted", "seen"), [("", "127.0.0.1 http"), ("127.0.0.1", "198.51.100.7 https"), ("10.0.0.0/8", "127.0.0.1 http")]
)
def test_forwarded_headers_are_believed_from_configured_proxies_alone(tmp_path, trusted, seen):
    """Started as `manage.py start` starts it. The header came from loopback, whom uvicorn believes unasked."""
    from courseplatform import machine

    (tmp_path / "said.py").write_text(APP)
    (tmp_path / "serve_said.py").write_text(SERVE)
    port = free_port()
    ports = machine.Ports.choose(port)
    web = next(one for one in machine.services(ports, machine.environment(ports)) if one.name == "web")
    assert "courseplatform.serve" in web.command
    command = ["serve_said" if part == "courseplatform.serve" else part for part in web.command]
    root = str(configured.BASE_DIR)
    env = {**os.environ, "TRUSTED_PROXIES": trusted, "PYTHONPATH": f"{tmp_path}:{root}", "VAR_DIR": str(tmp_path)}
    process = subprocess.Popen(command, env=env, cwd=root)
    try:
        _wait_for(port, process)
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        asking.request("GET", "/", headers={"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"})
        assert asking.getresponse().read().decode() == seen
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
