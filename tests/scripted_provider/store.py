"""What the scripted provider remembers: one SQLite file, so that a restart (or kill -9) loses nothing.

One connection behind a lock: writes are small and one process serves them. Times are Unix seconds.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    serial INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER, size INTEGER NOT NULL, status TEXT NOT NULL, status_details TEXT,
    content BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS jobs (
    serial INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL, seconds REAL NOT NULL,
    spec TEXT NOT NULL, curve TEXT NOT NULL, cancelled_at REAL, paused_at REAL,
    paused_seconds REAL NOT NULL DEFAULT 0, result_written INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS deleted_models (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
SELECT_FILES = "SELECT id, filename, purpose, created_at, expires_at, size, status, status_details FROM files"
SELECT_JOBS = (
    "SELECT id, created_at, seconds, spec, curve, cancelled_at, paused_at, paused_seconds, result_written FROM jobs"
)
INSERT_FILE = (
    "INSERT INTO files (id, filename, purpose, created_at, expires_at, size, status, status_details, content) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file without its content. `size` in bytes."""

    id: str
    filename: str
    purpose: str
    created_at: int
    expires_at: int | None
    size: int
    status: str
    status_details: str | None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """All that a job's progress is computed from, besides the time. `spec` is what was asked, `curve` what training
    measured."""

    id: str
    created_at: float
    seconds: float
    spec: dict[str, Any]
    curve: dict[str, Any]
    cancelled_at: float | None
    paused_at: float | None
    paused_seconds: float
    result_written: bool


class Store:
    """The tables, each question asked in one place. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "provider.sqlite3", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; only a power cut may
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Closes the database; the store is useless afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    # files

    def add_file(self, file: StoredFile, content: bytes) -> None:
        """Keeps a new file. Its id must be new."""
        with self._transaction() as db:
            insert_file(db, file, content)

    def files(self) -> list[StoredFile]:
        """All files, newest first."""
        return [StoredFile(*row) for row in self._rows(SELECT_FILES + " ORDER BY serial DESC")]

    def file(self, file_id: str) -> StoredFile | None:
        """One file, or None."""
        found = self._rows(SELECT_FILES + " WHERE id = ?", (file_id,))
        return StoredFile(*found[0]) if found else None

    def content(self, file_id: str) -> bytes | None:
        """A file's bytes, or None where there is no such file."""
        found = self._rows("SELECT content FROM files WHERE id = ?", (file_id,))
        return bytes(found[0][0]) if found else None

    def delete_file(self, file_id: str) -> bool:
        """Forgets a file; False where there was none."""
        with self._transaction() as db:
            return db.execute("DELETE FROM files WHERE id = ?", (file_id,)).rowcount == 1

    # jobs

    def add_job(self, job: StoredJob) -> None:
        """Keeps a new job."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO jobs (id, created_at, seconds, spec, curve) VALUES (?, ?, ?, ?, ?)",
                (job.id, job.created_at, job.seconds, json.dumps(job.spec), json.dumps(job.curve)),
            )

    def jobs(self) -> list[StoredJob]:
        """All jobs, newest first."""
        return [as_job(row) for row in self._rows(SELECT_JOBS + " ORDER BY serial DESC")]

    def jobs_without_result(self) -> list[StoredJob]:
        """Jobs that may yet leave a result file."""
        sql = SELECT_JOBS + " WHERE result_written = 0 AND cancelled_at IS NULL"
        return [as_job(row) for row in self._rows(sql)]

    def job(self, job_id: str) -> StoredJob | None:
        """One job, or None."""
        found = self._rows(SELECT_JOBS + " WHERE id = ?", (job_id,))
        return as_job(found[0]) if found else None

    def cancel_job(self, job_id: str, now: float) -> None:
        """Stops a job for good."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET cancelled_at = ? WHERE id = ? AND cancelled_at IS NULL", (now, job_id))

    def pause_job(self, job_id: str, now: float) -> None:
        """Stops a job's clock."""
        with self._transaction() as db:
            db.execute("UPDATE jobs SET paused_at = ? WHERE id = ? AND paused_at IS NULL", (now, job_id))

    def resume_job(self, job_id: str, now: float) -> None:
        """Lets a paused job's clock go on."""
        with self._transaction() as db:
            db.execute(
                "UPDATE jobs SET paused_seconds = paused_seconds + (? - paused_at), paused_at = NULL "
                "WHERE id = ? AND paused_at IS NOT NULL",
                (now, job_id),
            )

    def write_result(self, job_id: str, file: StoredFile, content: bytes) -> None:
        """Keeps a job's result file, once: a result that was deleted does not come back."""
        with self._transaction() as db:
            sql = "UPDATE jobs SET result_written = 1 WHERE id = ? AND result_written = 0"
            if db.execute(sql, (job_id,)).rowcount:
                insert_file(db, file, content)

    # models and notes

    def delete_model(self, model: str) -> None:
        """Marks a fine-tuned model as gone."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO deleted_models VALUES (?)", (model,))

    def deleted_models(self) -> set[str]:
        """Names of fine-tuned models that are gone."""
        return {row[0] for row in self._rows("SELECT id FROM deleted_models")}

    def note(self, name: str) -> Any:
        """A small JSON value kept under a name, or None."""
        found = self._rows("SELECT value FROM notes WHERE name = ?", (name,))
        return json.loads(found[0][0]) if found else None

    def set_note(self, name: str, value: object) -> None:
        """Keeps a small JSON value under a name."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))

    def count(self, name: str, by: int = 1) -> int:
        """Adds to a counter and returns it."""
        with self._transaction() as db:
            found = db.execute("SELECT value FROM notes WHERE name = ?", (f"count:{name}",)).fetchone()
            value = (int(found[0]) if found else 0) + by
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (f"count:{name}", str(value)))
            return value

    def counters(self) -> dict[str, int]:
        """Every counter by name."""
        found = self._rows("SELECT name, value FROM notes WHERE name LIKE 'count:%'")
        return {name.removeprefix("count:"): int(value) for name, value in found}


def insert_file(db: sqlite3.Connection, file: StoredFile, content: bytes) -> None:
    """Inserts one row into `files`."""
    db.execute(
        INSERT_FILE,
        (file.id, file.filename, file.purpose, file.created_at, file.expires_at, file.size, file.status,
         file.status_details, content),
    )  # fmt: skip


def as_job(row: tuple[Any, ...]) -> StoredJob:
    """A database row as SELECT_JOBS gives it as a job."""
    job_id, created_at, seconds, spec, curve, cancelled_at, paused_at, paused_seconds, result_written = row
    return StoredJob(
        job_id, created_at, seconds, json.loads(spec), json.loads(curve), cancelled_at, paused_at, paused_seconds,
        bool(result_written),
    )  # fmt: skip
