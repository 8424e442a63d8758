"""A test session on SQLite does not migrate: it copies a database that the first session with these migrations has kept.

The copy is named after what migrations depend on: their own text, the models' (some import from there), and Django's
version. On PostgreSQL nothing of this happens.
"""

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import django
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]
APPS = ("teams", "datasets", "training", "evaluation")
_locks: list[int] = []


def begin_with_copy() -> bool:
    """Put the copy where this session's database will be. False on PostgreSQL, whose databases are made as ever.

    Where there is no copy yet, this session makes it, and others that start meanwhile wait for it.
    """
    if connection.vendor != "sqlite":
        return False
    _locks.append(os.open(_folder() / "lock", os.O_CREAT | os.O_RDWR, 0o600))
    fcntl.flock(_locks[0], fcntl.LOCK_EX)
    remove()
    if _kept().exists():
        _copy(_kept(), _mine())
        _unlock()
    return True


def keep_copy() -> None:
    """Once it is migrated, and before anything else is written: keep a copy, where there is none."""
    if connection.vendor == "sqlite" and _locks:
        aside = _kept().with_suffix(f".{os.getpid()}")
        _copy(_mine(), aside)
        aside.replace(_kept())
        _unlock()


def remove() -> None:
    """This session's database, with what SQLite keeps beside it."""
    if connection.vendor == "sqlite":
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{_mine()}{ending}").unlink(missing_ok=True)


def _unlock() -> None:
    os.close(_locks.pop())


def _folder() -> Path:
    """Of this user alone: nobody else may lay a database there."""
    folder = Path(tempfile.gettempdir()) / f"course-test-migrated-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} is somebody else's. Remove it, then run the tests again.")
    return folder


def _kept() -> Path:
    texts = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    used = [path for path in texts if {"migrations", "models", "methods"} & set(path.parts) or path.stem == "methods"]
    used += [path for app in APPS for path in sorted((ROOT / app).glob("*.json"))]  # the price book
    digest = hashlib.sha256(django.get_version().encode())
    for path in used:
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return _folder() / f"{digest.hexdigest()[:24]}.sqlite3"


def _mine() -> Path:
    """As Django will call it."""
    creation: Any = connection.creation  # its stubs leave the private method out
    return Path(creation._get_test_db_name())


def _copy(source: Path, target: Path) -> None:
    """With what still stands in the log beside it."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
