"""All tables as they were at one moment, while everybody goes on writing."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections, transaction
from django.db.utils import load_backend

ALIAS = "backup_snapshot"


@contextmanager
def snapshot() -> Iterator[str]:
    """The alias of a connection that sees one moment. Neither kind makes a writer wait.

    SQLite: a copy of the file by its own backup function. PostgreSQL: one read-only transaction, repeatable read.
    """
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(prefix="backup-") as folder:
            yield from _of_sqlite(Path(folder) / "snapshot.sqlite3")
    else:
        yield from _of_postgres()


def _of_sqlite(path: Path) -> Iterator[str]:
    connection.ensure_connection()
    copy = sqlite3.connect(path)
    try:
        connection.connection.backup(copy)
    finally:
        copy.close()
    with _connected({"NAME": str(path), "OPTIONS": {}}):
        yield ALIAS


def _of_postgres() -> Iterator[str]:
    with _connected({}), transaction.atomic(using=ALIAS):
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield ALIAS


@contextmanager
def _connected(differs: dict[str, Any]) -> Iterator[None]:
    """A connection of its own to the database, under `ALIAS`, in this thread."""
    backend = load_backend(connection.settings_dict["ENGINE"])
    wrapper = backend.DatabaseWrapper({**connection.settings_dict, **differs}, ALIAS)
    connections[ALIAS] = wrapper
    try:
        yield
    finally:
        wrapper.close()
        del connections[ALIAS]
