"""Is this process ready for people? Each check names what is missing and how to fix it.

`/readyz` and `manage.py preflight` ask the same checks. A check never raises: what it could not ask is not ready.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from courseplatform import redaction
from teams.services.storage import health

PATIENCE_SECONDS = 1.0
MANIFEST = "staticfiles.json"


@dataclass(frozen=True)
class Answer:
    """`trouble`: a sentence, empty where all is well. `fix`: what to do about it."""

    name: str
    trouble: str = ""
    fix: str = ""

    @property
    def ready(self) -> bool:
        return not self.trouble


def database() -> Answer:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        said = redaction.redact(str(error)).strip()
        fix = "Start the database, and compare DATABASE_URL with its address, name and password."
        return Answer("database", f"The database does not answer: {said}", fix)
    return Answer("database")


def redis_server() -> Answer:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
    )
    try:
        client.ping()
    except (redis.exceptions.RedisError, OSError) as error:
        said = redaction.redact(str(error)).strip()
        fix = "Start Redis, and compare REDIS_URL with its address and password."
        return Answer("redis", f"Redis does not answer: {said}", fix)
    finally:
        client.close()
    return Answer("redis")


def migrations() -> Answer:
    """Not applied: the code is newer than the database. The other way round is said, and pages go on."""
    try:
        missing = missing_migrations()
    except DatabaseError:
        return Answer("migrations", "The database cannot say.", "See the check “database”.")
    if not missing:
        return Answer("migrations")
    named = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
    trouble = f"{len(missing)} migrations are not applied: {named}."
    return Answer("migrations", trouble, "Run `manage.py migrate` once, then start this again.")


def missing_migrations() -> list[str]:
    """As `app.name`. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def static_files() -> Answer:
    """Without their manifest every page is an error."""
    if settings.DEBUG:
        return Answer("static")
    fix = "Run `manage.py collectstatic --noinput` on this host."
    manifest = Path(settings.STATIC_ROOT) / MANIFEST
    try:
        named = json.loads(manifest.read_text(encoding="utf-8"))["paths"]
    except (OSError, ValueError, KeyError):
        return Answer("static", f"{manifest} is missing or cannot be read.", fix)
    gone = [name for name in named.values() if not (Path(settings.STATIC_ROOT) / name).exists()]
    if gone:
        return Answer("static", f"{len(gone)} static files are missing, {gone[0]} first.", fix)
    return Answer("static")


def storage() -> Answer:
    """Whether a file can be written where the platform keeps files of its own."""
    probe = Path(settings.VAR_DIR) / f".ready-{os.getpid()}-{threading.get_ident()}"
    try:
        probe.write_bytes(b"ready")
        probe.unlink(missing_ok=True)
    except OSError as error:
        fix = f"Make room on the disk of {settings.VAR_DIR}, and let this user write there."
        return Answer("storage", f"{settings.VAR_DIR} cannot be written: {error.strerror}.", fix)
    asked = health.probe()
    return Answer("storage", asked.trouble, asked.fix)


CHECKS: dict[str, Callable[[], Answer]] = {
    "database": database,
    "redis": redis_server,
    "migrations": migrations,
    "static": static_files,
    "storage": storage,
}


LASTING = frozenset({"migrations", "static"})
"""What is there stays there while the process lives: an upgrade starts it again."""
_known_good: dict[str, Answer] = {}


def ask(exclude: Iterable[str] = (), *, again: bool = True) -> list[Answer]:
    """All checks but those named in `exclude`, in their order.

    `again`: False for probes, which come every few seconds: a good answer of a check in `LASTING` then holds for the
    process's life, and a bad one is asked again.
    """
    left_out = set(exclude)
    wanted = [name for name in CHECKS if name not in left_out]
    return [CHECKS[name]() if again else _known_or_asked(name) for name in wanted]


def _known_or_asked(name: str) -> Answer:
    if name in _known_good:
        return _known_good[name]
    answer = CHECKS[name]()
    if answer.ready and name in LASTING:
        _known_good[name] = answer
    return answer


def forget() -> None:
    """What is known to be good; for tests, which live in one process."""
    _known_good.clear()
