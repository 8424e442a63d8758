"""Is this process older than the database that it works with?

A release migrates the database first; processes of the older version go on until they are started again. Pages of theirs
still work, because migrations of one release only add. But a job may name what an older worker does not know, so such a
worker takes none.
"""

import time

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

ASKED_SECONDS = 15.0


class _Known:
    """The answer of the last time, and this code's own migrations, which do not change while it runs."""

    def __init__(self) -> None:
        self.newest: dict[str, int] | None = None
        self.asked_at = -ASKED_SECONDS
        self.outdated = False


_known = _Known()


def outdated() -> bool:
    """The database has migrations of our apps that this code does not know. False where it cannot be asked."""
    if time.monotonic() - _known.asked_at < ASKED_SECONDS:
        return _known.outdated
    try:
        _known.outdated = bool(unknown_migrations())
        _known.asked_at = time.monotonic()
    except DatabaseError:
        return False
    finally:
        if not connection.in_atomic_block:
            connection.close()  # a worker forks: nothing may be open then
    return _known.outdated


def unknown_migrations() -> list[str]:
    """As `app.name`. Raises DatabaseError.

    Only those numbered after this code's newest: earlier ones may have been squashed or renamed since.
    """
    if _known.newest is None:
        _known.newest = _newest_here()
    applied = MigrationRecorder(connection).applied_migrations()
    new = [
        f"{app}.{name}"
        for app, name in applied
        if app in _known.newest and number(name) > _known.newest[app]
    ]
    return sorted(new)


def _newest_here() -> dict[str, int]:
    """The highest number of a migration, by app."""
    newest: dict[str, int] = {}
    for app, name in MigrationLoader(None).disk_migrations:
        newest[app] = max(newest.get(app, 0), number(name))
    return newest


def number(name: str) -> int:
    """Of a migration, by its name; 0 where it has none."""
    digits = name.partition("_")[0]
    return int(digits) if digits.isdigit() else 0
