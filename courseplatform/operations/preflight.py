"""Before a start or an upgrade: is everything there, and do all processes fit together?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection

from courseplatform.operations import readiness
from evaluation.services.answering import DATABASE_THREADS
from teams import presence
from teams.services import mail
from training.services import versions


@dataclass(frozen=True)
class Line:
    """`grave`: nothing should start like this. Without `trouble` all is well."""

    name: str
    trouble: str = ""
    fix: str = ""
    grave: bool = True

    @property
    def word(self) -> str:
        if not self.trouble:
            return "ok"
        return "FAIL" if self.grave else "warn"

    def __str__(self) -> str:
        said = f"{self.word:<5} {self.name}"
        return f"{said}: {self.trouble} {self.fix}".rstrip() if self.trouble else said


def lines() -> list[Line]:
    """Every check, in an order in which it makes sense to fix them."""
    found = _settings()
    found += [Line(one.name, one.trouble, one.fix) for one in readiness.ask()]
    more: list[Callable[[], Line]] = [_code, _connections, _workers, _mail]
    return found + [check() for check in more]


def _settings() -> list[Line]:
    """Django's own checks, those for production included."""
    said = checks.run_checks(include_deployment_checks=not settings.DEBUG)
    grave = [one for one in said if one.level >= checks.ERROR]
    light = [one for one in said if checks.WARNING <= one.level < checks.ERROR]
    found = [Line(f"settings {one.id}", str(one.msg), str(one.hint or "")) for one in grave]
    found += [
        Line(f"settings {one.id}", str(one.msg), str(one.hint or ""), grave=False)
        for one in light
    ]
    return found or [Line("settings")]


def _code() -> Line:
    try:
        newer = versions.unknown_migrations()
    except DatabaseError:
        return Line("version", "The database cannot say who migrated it.", "See “database”.")
    if newer:
        trouble = (
            f"The database was migrated by a newer version than {settings.VERSION} ({newer[0]})."
        )
        return Line(
            "version", trouble, "Install the newer version here, or restore a backup of before."
        )
    return Line("version")


def most_connections() -> int:
    """To the database, of one web process."""
    return int(settings.WEB_THREADS + DATABASE_THREADS + settings.WEB_DOWNLOADS)


def _connections() -> Line:
    """Each web process may use so many; workers use one or two each."""
    if connection.vendor != "postgresql":
        return Line("connections")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW max_connections")
            allowed = int(cursor.fetchone()[0])
    except (DatabaseError, TypeError, ValueError):
        return Line("connections", "The database does not say how many it allows.", grave=False)
    if most_connections() * 2 + 10 <= allowed:
        return Line("connections")
    trouble = f"The database allows {allowed} connections, and two web processes may use {most_connections() * 2}."
    fix = "Raise max_connections, lower WEB_THREADS or WEB_DOWNLOADS, or put pgbouncer between and set PGBOUNCER=1."
    return Line("connections", trouble, fix, grave=False)


def _workers() -> Line:
    try:
        told = presence.processes()
    except redis.exceptions.RedisError:
        return Line("processes", "Redis cannot say which processes run.", "See “redis”.")
    others = sorted({f"{one.kind} on {one.host}: {one.version}" for one in _others(told)})
    if others:
        trouble = (
            f"This is version {settings.VERSION}, and others run ({'; '.join(others[:4])})."
        )
        return Line("processes", trouble, "Start those again with this version.", grave=False)
    missing = {"training", "quick", "interviews", "files"} - {
        name for one in told for name in one.does
    }
    if missing:
        trouble = f"No worker was heard of for: {', '.join(sorted(missing))}."
        return Line(
            "processes",
            trouble,
            "Run `manage.py start --only training` and `--only quick`.",
            grave=False,
        )
    return Line("processes")


def _others(told: Iterable[presence.Process]) -> list[presence.Process]:
    return [one for one in told if one.version != settings.VERSION]


def _mail() -> Line:
    if mail.leaves_this_machine():
        return Line("mail")
    trouble = "No mail server is set up, so invitations and links reach nobody."
    return Line(
        "mail",
        trouble,
        "Set EMAIL_URL, for example smtp+tls://user:password@mail.example.edu:587.",
        grave=False,
    )
