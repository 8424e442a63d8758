"""From a file that someone sent to a version, without losing anything on the way.

import_file keeps the file and has it checked -> the person sees the report -> accept, fix, replace or discard.
A file without any problem becomes a version at once.
"""

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import django_rq
import redis.exceptions
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.utils import timezone

from datasets import formats
from datasets.intake.problems import Tally, clean
from datasets.models import Dataset, DatasetVersion, Decision, Import, ImportStatus
from datasets.models.imports import OPEN
from datasets.services import import_files, intake, repairs, versions
from datasets.services.blocks import StoredRow, read_frames, unpack
from datasets.services.reading import newest
from teams import live, queues
from teams.models import DiskKind, Team, User
from teams.services import disk
from teams.services.storage import files

log = logging.getLogger(__name__)

INLINE_BYTES = 2 * 1024 * 1024
"""A bigger file is never read while a page waits."""
PROGRESS_SECONDS = 0.25
"""Progress is told no more often: telling costs a query and a message."""
MOST_AT_WORK = 3
"""Files of one team that wait or are read at the same time: the files worker is everybody's."""
SILENT_SECONDS = 90
"""After this long without a sign of life a check counts as dead and may be started again."""


class Superseded(Exception):
    """A newer check of the same import has begun, or it was discarded; this one stops and writes nothing."""


class NotReady(Exception):
    """The import is not in a state in which this can be done; the message says what it waits for."""


def import_file(
    *,
    team: Team,
    dataset: Dataset | None,
    name: str,
    file: "UploadedFile[bytes]",
    person: User | None,
    wait: bool = False,
) -> Import:
    """Keep the file and have it checked: at once where that is quick, else by the files worker; with `wait` here and now,
    however long it takes. Raises NotReady where too many files of the team are being checked already, and disk.DiskFull.
    """
    working = Import.objects.filter(team=team, status__in=(ImportStatus.WAITING, ImportStatus.READING))
    if working.count() >= MOST_AT_WORK:
        raise NotReady(f"{MOST_AT_WORK} files of your team are being checked. Wait until one is done, or discard one.")
    made = Import(
        team=team,
        dataset=dataset,
        name=dataset.name if dataset else name.strip()[:80],
        filename=_filename(file),
        size=file.size or 0,
        created_by=person,
    )
    disk.reserve(team=team, key=made.disk_key, kind=DiskKind.UPLOAD, size=made.size)
    try:
        _keep(made, file)
        made.save()
    except BaseException:
        forget_files(made)
        raise
    return check(import_=made, wait=wait)


def replace_file(*, import_: Import, file: "UploadedFile[bytes]") -> Import:
    """A corrected file in place of the one that was sent. Fixes and mapping asked for the old file are forgotten."""
    _refuse_unless_open(import_)
    disk.reserve(team=import_.team, key=import_.disk_key, kind=DiskKind.UPLOAD, size=file.size or 0)
    _keep(import_, file)
    import_.fixes.filter(undone_at=None).update(undone_at=timezone.now())  # they were made for another file
    return check(import_=import_, filename=_filename(file), size=file.size or 0, rule_fixes=[], mapping=None, encoding="")


def _filename(file: "UploadedFile[bytes]") -> str:
    return clean((file.name or "pasted text")[-200:])


def _keep(import_: Import, file: "UploadedFile[bytes]") -> None:
    import_.folder.mkdir(parents=True, exist_ok=True)
    temporary = import_.folder / "upload.part"
    if isinstance(file, TemporaryUploadedFile):
        shutil.move(file.temporary_file_path(), temporary)  # it lies on a disk already
    else:
        with temporary.open("wb") as kept:
            for chunk in file.chunks():
                kept.write(chunk)
    temporary.replace(import_.file_path)
    files.keep(import_.place, import_.file_path.name)


def check(*, import_: Import, wait: bool = False, **changed: Any) -> Import:
    """Check the file (again), with other fixes, mapping or file where `changed` names them. `wait`: see `import_file`."""
    _refuse_unless_open(import_)
    attempt = import_.attempt + 1
    open_still = Import.objects.filter(pk=import_.pk, attempt=import_.attempt, status__in=OPEN)
    begun = open_still.update(
        status=ImportStatus.WAITING, attempt=attempt, progress=0, progress_rows=0, progress_at=timezone.now(), **changed
    )
    if not begun:
        raise NotReady(
            "Somebody else has just decided on this file, or is having it checked. Look at the report again."
        )
    import_.refresh_from_db()
    if wait:
        read_import(import_id=import_.pk, attempt=attempt)
    elif import_.size <= INLINE_BYTES:
        read_import(import_id=import_.pk, attempt=attempt, at_once=True)
    else:
        transaction.on_commit(lambda: _enqueue(import_, attempt))
    import_.refresh_from_db()
    return import_


def _refuse_unless_open(import_: Import) -> None:
    if not import_.is_open:
        raise NotReady(f"This import is closed already: {import_.get_status_display().lower()}.")
    if import_.status == ImportStatus.READING and not is_silent(import_):
        raise NotReady("The file is being checked right now. Wait until the report is there.")


def is_silent(import_: Import) -> bool:
    """Whether a check that should be running has given no sign of life for long."""
    if not import_.is_working or import_.progress_at is None:
        return False
    return (timezone.now() - import_.progress_at).total_seconds() > SILENT_SECONDS


def _enqueue(import_: Import, attempt: int) -> None:
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "datasets.jobs.check_import", import_.pk, attempt, job_id=f"import-{import_.pk}-a{attempt}", result_ttl=0
        )
    except redis.exceptions.RedisError as error:
        # The row stays WAITING: the page says after a while that nothing moves and offers to try again.
        log.warning("import %s waits, the queue can't be reached: %s", import_.pk, error)


def read_import(*, import_id: int, attempt: int, at_once: bool = False) -> None:
    """Have the file of this attempt read and write the report; accept at once where there is nothing to ask.

    Does nothing when the attempt is no longer the newest one or was begun already (duplicate delivery). With `at_once` a
    file that takes longer than a page may wait is left to the worker.
    """
    begun = Import.objects.filter(pk=import_id, attempt=attempt, status=ImportStatus.WAITING)
    if not begun.update(status=ImportStatus.READING, progress_at=timezone.now()):
        return
    import_ = Import.objects.get(pk=import_id)
    mine = Import.objects.filter(pk=import_id, attempt=attempt, status=ImportStatus.READING)
    try:
        tally = _read(import_, at_once)
    except Superseded:
        return
    except intake.TakesLonger:
        if mine.update(status=ImportStatus.WAITING, progress_at=timezone.now()):
            transaction.on_commit(lambda: _enqueue(import_, attempt))
        return
    except BaseException:
        mine.update(status=ImportStatus.UNREADABLE)
        raise
    import_.refresh_from_db()
    disk.settle(team=import_.team, key=import_.disk_key, kind=DiskKind.UPLOAD, size=files.size_of(import_.place))
    if not tally.needs_a_person and _is_clear(import_):
        # NothingChanged is told by the import itself: closed, pointing to the version it equals. Where the disk is full the
        # report stays, and whoever accepts it is told.
        with suppress(versions.NothingChanged, disk.DiskFull):
            accept(import_=import_, person=import_.created_by)
    if not at_once:
        live.emit(import_.topic, live.END, "checked")


def _is_clear(import_: Import) -> bool:
    """Whether the file says itself what its rows are, and nobody has asked for anything: who fixed something looks first."""
    if import_.found.get("encoding_sure") == "unsure" or import_.rule_fixes or import_.mapping or import_.encoding:
        return False
    return import_.status == ImportStatus.READY and import_.sure != "unsure"


def _read(import_: Import, at_once: bool) -> Tally:
    paths = (import_.rows_path, import_.problems_path, import_.broken_path)
    folder = import_.folder / f"attempt-{import_.attempt}"
    folder.mkdir(exist_ok=True)
    rows, problems, broken = parts = [folder / path.name for path in paths]
    try:
        outcome = intake.read(
            import_,
            rows=rows,
            problems=problems,
            broken=broken,
            at_once=at_once,
            on_progress=_progress(import_, at_once),
        )
        # The report's figures and the rows of its files come together, once the files are stored.
        finished = partial(_finish, import_, outcome)
        if not files.keep_all(import_.place, [path.name for path in paths], folder=folder, fence=finished):
            raise Superseded
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome.tally


def _progress(import_: Import, at_once: bool) -> Callable[[int, int, int], None]:
    told_at = 0.0

    def tell(done: int, total: int, rows: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < PROGRESS_SECONDS:
            return
        told_at = time.monotonic()
        percent = min(100, round(100 * done / total)) if total else 0
        mine = Import.objects.filter(pk=import_.pk, attempt=import_.attempt, status=ImportStatus.READING)
        if not mine.update(progress=percent, progress_rows=rows, progress_at=timezone.now()):
            raise Superseded
        if not at_once:
            live.emit(import_.topic, "progress", f"{percent} % read, {rows:,} rows so far")

    return tell


def _finish(import_: Import, outcome: intake.Outcome) -> bool:
    """Write the report's figures; False where a newer check has begun.

    A file that broke off half-way is ready too where good rows came before the break.
    """
    totals, tally, recognition = outcome.totals, outcome.tally, outcome.recognition
    if not totals.rows and not tally.needs_a_person:
        tally.add(NO_ROWS)
    mine = Import.objects.filter(pk=import_.pk, attempt=import_.attempt, status=ImportStatus.READING)
    written = mine.update(
        status=ImportStatus.READY if outcome.readable or totals.rows else ImportStatus.UNREADABLE,
        shape=totals.shape if totals.rows else "",
        recognised=clean(recognition.sentence())[:400] if outcome.readable else "",
        sure=recognition.sure if outcome.readable else "unsure",
        columns=[clean(name) for name in recognition.columns],
        found=found_of(recognition),
        good_rows=totals.rows,
        bad_rows=tally.bad_rows,
        turn_count=totals.turns,
        token_estimate=totals.token_estimate,
        content_hash=totals.content_hash if totals.rows else "",
        problem_groups=tally.sorted(),
        progress=100,
        progress_rows=totals.rows,
    )
    return bool(written)


def found_of(recognition: formats.Recognition) -> dict[str, Any]:
    """What the report shows beside rows and problems, in characters that every database can hold."""
    return {
        "encoding": recognition.encoding,
        "encoding_sure": recognition.encoding_sure,
        "encoding_samples": recognition.encoding_samples,
        "speakers": recognition.speakers,
        "suggested": recognition.suggested,
        "samples": {clean(name): text for name, text in recognition.samples.items()},
        "header": recognition.header,
        "examples": recognition.examples,
    }


NO_ROWS = formats.Problem(
    line=0,
    column=None,
    field="",
    code="no_rows",
    severity="error",
    message="There is no row in this file.",
    fix="Check that it is the file you meant; the example on the upload page shows what a row looks like.",
)


def accept(*, import_: Import, person: User | None) -> DatasetVersion:
    """The good rows become the next version; that bad ones were left out is recorded with who said so.

    Raises NotReady, disk.DiskFull, and versions.NothingChanged (the import is then closed and points to the version it equals).
    """
    unchanged: versions.NothingChanged | None = None
    repaired = repairs.repaired_rows(import_)
    whole = repairs.with_repaired(import_, repaired)  # reads every row: not while others wait to write
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=import_.pk)
        if locked.status != ImportStatus.READY or not (locked.good_rows or repaired):
            raise NotReady("There is nothing to accept: the file was not read to a report with good rows.")
        if locked.attempt != import_.attempt or repairs.keys_of(locked) != repairs.keys_in(repaired):
            raise NotReady("Somebody changed the repairs just now. Look at the report, then accept again.")
        try:
            with transaction.atomic():
                version = _make_version(locked, person, whole)
        except versions.NothingChanged as same:
            version, unchanged = same.version, same
        _close(locked, version, person, ImportStatus.DISCARDED if unchanged else ImportStatus.ACCEPTED)
    import_.refresh_from_db()
    if unchanged:
        raise unchanged
    return version


def _close(import_: Import, version: DatasetVersion, person: User | None, status: ImportStatus) -> None:
    import_.status, import_.version, import_.dataset = status, version, version.dataset
    import_.decision = Decision.KEEP_GOOD if version.skipped_rows else Decision.ALL
    import_.decided_by, import_.decided_at = person, timezone.now()
    import_.save()


def _make_version(import_: Import, person: User | None, whole: repairs.Whole) -> DatasetVersion:
    dataset = import_.dataset or versions.create_dataset(
        team=import_.team, name=import_.name, person=import_.created_by
    )
    return versions.store(
        dataset=dataset,
        blocks=whole.blocks,
        content_hash=whole.content_hash,
        row_count=whole.row_count,
        turn_count=whole.turn_count,
        token_estimate=whole.token_estimate,
        shape=whole.shape,
        person=person,
        note=_note_for(import_, whole.repaired),
        source_name=import_.filename,
        skipped_rows=max(0, import_.bad_rows - whole.repaired),
        parent=newest(dataset),
    )


def _note_for(import_: Import, repaired: int) -> str:
    told = [f"Uploaded from {import_.filename}."]
    encoding = import_.found.get("encoding", "utf-8")
    if not encoding.startswith("utf"):
        told.append(f"Read as {formats.ENCODING_NAMES.get(encoding, encoding)}.")
    if import_.rule_fixes:
        told.append(f"Fixed: {', '.join(formats.rule_name(code).lower() for code in import_.rule_fixes)}.")
    if repaired:
        told.append(f"{repaired:,} row{'' if repaired == 1 else 's'} repaired by hand.")
    left = max(0, import_.bad_rows - repaired)
    if left:
        told.append(f"{left:,} bad row{'' if left == 1 else 's'} left out.")
    return " ".join(told)


def preview(import_: Import, count: int) -> list[StoredRow]:
    """The first good rows."""
    path = import_files.rows(import_)
    first = next(read_frames(path), None) if path.exists() else None
    return unpack(first.data)[:count] if first else []


def discard(*, import_: Import) -> None:
    """Close the import and delete its file."""
    _refuse_unless_open(import_)
    Import.objects.filter(pk=import_.pk).update(status=ImportStatus.DISCARDED, decided_at=timezone.now())
    forget_files(import_)


def forget_files(import_: Import) -> None:
    """The files alone; who looks at the import finds its report's figures still there."""
    files.forget(import_.place)
    disk.release(import_.disk_key)
