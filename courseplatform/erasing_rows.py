"""A row erased everywhere: what the datasets keep, the files of runs that were trained on it, and the database's own leftovers."""

import json
import logging
from pathlib import Path

import django_rq
import redis.exceptions
from django.db import DatabaseError, connection
from django.db.models import Q
from django.urls import reverse
from rq import Retry

from datasets.models import DatasetVersion
from datasets.services import erasing
from datasets.services.erasing import Erased
from evaluation.models import BetterAnswer
from teams import queues
from teams.models import NoticeKind, Team, User
from teams.services import archive_exports, audit, notices, proofs
from teams.services.storage import files
from teams.services.storage.shelves import FileLost
from training.archives.manifest import ROW_FILES
from training.models import DraftedRow, Drafting, TrainingRun

log = logging.getLogger(__name__)

SHORTEST_REASON = 8
RETRIES = 2
UNDER_WAY = (
    "Your team has many rows, so a worker looks through them. You get a notice when the row is erased, or why it is not. "
    "If none comes within half an hour, ask again."
)


class ErasureRefused(Exception):
    """Nothing was erased; the text says why."""


class QueueAway(ErasureRefused):
    """Nobody can be asked to do it."""

    def __init__(self) -> None:
        super().__init__("The workers can't be reached at the moment. Try again in a minute.")


def begin(
    *, version: DatasetVersion, row_id: str, person: User, reason: str
) -> tuple[Erased, list[TrainingRun]] | None:
    """Erase a row of the version everywhere: now, or None where the team has so many rows that the files worker does it.

    Raises ErasureRefused, erasing.TryAgain, and QueueAway; nothing was erased then.
    """
    team = version.dataset.team
    _refuse_if_wrong(team, reason)
    if erasing.is_quick(team):
        return erase(team=team, row_id=row_id, person=person, reason=reason)
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "courseplatform.jobs.erase_row",
            version.pk,
            row_id,
            person.pk,
            reason,
            description="a row is erased",
            retry=Retry(max=RETRIES),  # a second one finds nothing left to do
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning(
            "the erasure of a row of version %s can't be asked for: %s", version.pk, error
        )
        raise QueueAway from error
    return None


def erase_and_tell(*, version: DatasetVersion, row_id: str, person: User, reason: str) -> None:
    """The worker's part: its end is a notice, which says nothing of the row."""
    team = version.dataset.team
    try:
        found, runs = erase(team=team, row_id=row_id, person=person, reason=reason)
        said = f"The row is erased from {len(found.versions)} versions and {found.uploads} uploaded files."
        if runs:
            named = ", ".join(str(run.number) for run in runs[:10])
            said += f" Bots keep what they learnt from it: those of run {named}{'…' if len(runs) > 10 else ''}."
    except (ErasureRefused, erasing.TryAgain) as refused:
        said = f"The row was not erased: {refused}"
    path = reverse("version_detail", args=[team.pk, version.dataset_id, version.number])
    notices.tell(
        people=[person], course=team.course, kind=NoticeKind.DATASET, text=said, path=path
    )


def erase(
    *, team: Team, row_id: str, person: User, reason: str
) -> tuple[Erased, list[TrainingRun]]:
    """Erase the row and record that it was done, without what it said. Also the runs that learnt from it: models keep what they
    learnt, so a person has to decide about those. Raises ErasureRefused and erasing.TryAgain.
    """
    reason = reason.strip()
    _refuse_if_wrong(team, reason)
    # Files first: who is killed in between finds the row again when it is asked for once more, and does the rest.
    said = erasing.wordings(team, row_id)
    rewritten = 0
    for run in TrainingRun.objects.filter(team=team):
        for name in ROW_FILES:
            rewritten += _forget_in(run, name, said)
    found = erasing.erase_row(team=team, row_id=row_id)
    if not found.versions:
        raise ErasureRefused("This row is in no version any more.")
    better = _forget_better_answers(team, found)
    _forget_drafted(team, found)
    archive_exports.forget_runs(team)
    runs = list(TrainingRun.objects.filter(dataset_version__in=found.versions).with_related())
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
    proofs.keep(
        course=team.course,
        what="one row of a dataset",
        subject=row_id,
        by=person,
        database={
            "versions without the row now": len(found.versions),
            "places of the row": found.places,
            "better answers": better,
        },
        files=[
            {"kind": kind, "where": proofs.kept_in(), "files": count, "bytes": 0}
            for kind, count in (
                ("uploaded files, deleted", found.uploads),
                ("files of runs, now without it", rewritten),
            )
        ],
        provider=[f"run {run.number} learnt from it: the model keeps that" for run in runs],
    )
    forget_freed_pages()
    return found, runs


def _forget_better_answers(team: Team, found: Erased) -> int:
    """How many. What a team wrote in place of a bot's answer says what its row says."""
    same = Q(row_id=found.row_id) | Q(answer__in=found.texts)
    gone, _ = BetterAnswer.objects.filter(same, run__team=team).delete()
    return gone


def _forget_drafted(team: Team, found: Erased) -> None:
    """What a model wrote and became that row, or says what it says."""
    same = Q(row_id=found.row_id) | Q(answer__in=found.texts) | Q(question__in=found.texts)
    DraftedRow.objects.filter(same, drafting__team=team).delete()


def _refuse_if_wrong(team: Team, reason: str) -> None:
    if len(reason.strip()) < SHORTEST_REASON:
        raise ErasureRefused(
            f"Say in at least {SHORTEST_REASON} characters who asked for it, or why. Do not name the child."
        )
    if TrainingRun.objects.active().filter(team=team).exists():
        raise ErasureRefused(
            "A run of this team is under way and may be reading the row. Wait until it ended, or cancel it."
        )
    if Drafting.objects.at_work().filter(team=team).exists():
        raise ErasureRefused(
            "A model is writing rows after this team's examples. Wait until that ended, or stop it."
        )


def _forget_in(run: TrainingRun, name: str, said: Erased) -> bool:
    """In the file as it is stored too, wherever that is. Whether the row was in it. Raises StorageAway: then nothing counts as
    erased yet."""
    try:
        path = files.local(run.place, name)
    except FileLost:
        files.forget_files(
            run.place, name
        )  # nobody can read it any more; what may be left of it goes
        return False
    changed = _without_row(path, said)
    if not changed or files.found(run.place, name) is None:
        return changed
    kept = files.keep(run.place, name)
    if kept is not None:
        run.artifacts.filter(path=name).update(sha256=kept.sha256, size=kept.size)
    return True


def _without_row(path: Path, found: Erased) -> bool:
    """Leave the lines out that say what the row said. Engines' files have an id a line; a provider's have none."""
    if not path.is_file() or path.is_symlink():
        return False
    temporary = path.with_name(path.name + ".part")
    with path.open(encoding="utf-8") as lines, temporary.open("w", encoding="utf-8") as kept:
        kept.writelines(line for line in lines if not _says(line, found))
    changed = temporary.stat().st_size != path.stat().st_size
    temporary.replace(path)
    return changed


def _says(line: str, found: Erased) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    said = {
        turn.get("content") for turn in row.get("messages", []) if turn.get("role") != "system"
    }
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
