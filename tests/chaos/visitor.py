"""A person at the platform's web address, signed in, without a browser."""

import os
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from teams.models import User
from tests.chaos.platform import Platform

TOKEN = "c" * 32  # of the form that Django's protection against foreign forms expects in cookie and header
PATIENCE_SECONDS = 60


def sign_in(platform: Platform, person: User | None) -> httpx.Client:
    """A client at the platform's address; of nobody where `person` is None. To be closed."""
    web = httpx.Client(
        base_url=f"http://127.0.0.1:{platform.port}",
        cookies={"csrftoken": TOKEN},
        headers={"X-CSRFToken": TOKEN},
        timeout=PATIENCE_SECONDS,
    )
    if person is not None:
        web.cookies.set("sessionid", _session_of(person))
    return web


def _session_of(person: User) -> str:
    session: Any = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def waits_unread(port: int) -> bool:
    """Whether bytes lie in a socket of that port which its process has not read.

    So it is while a process stands still that a question was put to.
    """
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    rows = [line.split() for line in lines[1:]]
    mark = f":{port:04X}"
    return any(row[1].endswith(mark) and row[3] == "01" and int(row[4].split(":")[1], 16) > 0 for row in rows)


def port_in(environment: dict[str, str], name: str) -> int:
    """The port of an address that the platform's processes have in their environment."""
    return httpx.URL(environment[name]).port or 0


def uploads_left(folder: str) -> list[str]:
    """What an upload that was cut off left on the disk."""
    return sorted(entry.name for entry in os.scandir(folder) if ".upload" in entry.name or entry.name.endswith(".part"))
