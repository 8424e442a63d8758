"""A row erased everywhere: what the datasets keep, the files of runs that were trained on it, and the database's own leftovers."""

import json
import logging
from pathlib import Path

from django.db import DatabaseError, connection

from datasets.services import erasing
from datasets.services.erasing import Erased
from teams.models import Team, User
from teams.services import archive_exports, audit
from training.models import TrainingRun

log = logging.getLogger(__name__)

ROW_FILES = ("train.jsonl", "validation.jsonl")
SHORTEST_REASON = 8


class ErasureRefused(Exception):
    """Nothing was erased; the text says why."""


def erase(*, team: Team, row_id: str, person: User, reason: str) -> tuple[Erased, list[TrainingRun]]:
    """Erase the row and record that it was done, without what it said. Also the runs that learnt from it: models keep what they
    learnt, so a person has to decide about those. Raises ErasureRefused and erasing.TryAgain.
    """
    reason = reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise ErasureRefused(
            f"Say in at least {SHORTEST_REASON} characters who asked for it, or why. Do not name the child."
        )
    if TrainingRun.objects.active().filter(team=team).exists():
        raise ErasureRefused(
            "A run of this team is under way and may be reading the row. Wait until it ended, or cancel it."
        )
    found = erasing.erase_row(team=team, row_id=row_id)
    if not found.versions:
        raise ErasureRefused("This row is in no version any more.")
    archive_exports.forget_runs(team)
    runs = list(TrainingRun.objects.filter(dataset_version__in=found.versions).with_related())
    for run in runs:
        for name in ROW_FILES:
            _without_row(run.file(name), found)
    audit.record(
        course=team.course,
        team=team,
        person=person,
        action="row erased",
        what=f"row {row_id}",
        after={
            "reason": reason[:300],
            "versions": [str(version) for version in found.versions],
            "uploads deleted": found.uploads,
            "runs that learnt from it": [run.number for run in runs],
        },
    )
    forget_freed_pages()
    return found, runs


def _without_row(path: Path, found: Erased) -> None:
    """Leave the lines out that say what the row said. Engines' files have an id a line; a provider's have none."""
    if not path.is_file() or path.is_symlink():
        return
    temporary = path.with_name(path.name + ".part")
    with path.open(encoding="utf-8") as lines, temporary.open("w", encoding="utf-8") as kept:
        kept.writelines(line for line in lines if not _says(line, found))
    temporary.replace(path)


def _says(line: str, found: Erased) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    said = {turn.get("content") for turn in row.get("messages", []) if turn.get("role") != "system"}
    return row.get("id") == found.row_id or (bool(said) and said <= found.texts)


def forget_freed_pages() -> None:
    """What was deleted leaves the write-ahead log too. `secure_delete` (settings) overwrites it in the database file."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except DatabaseError as error:  # a reader is at it: SQLite does it by itself later
        log.warning("the write-ahead log could not be emptied now: %s", error)
