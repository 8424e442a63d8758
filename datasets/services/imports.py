"""From a file that someone sent to a version, without losing anything on the way.

import_file keeps the file and has it checked -> the person sees the report -> accept, mend, replace or discard.
A file without any problem becomes a version at once.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import django_rq
import redis.exceptions
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.utils import timezone

from datasets import formats
from datasets.models import Dataset, DatasetVersion, Decision, Import, ImportStatus
from datasets.services import versions
from datasets.services.blocks import (
    KnownRows,
    RowIds,
    StoredRow,
    Totals,
    packed,
    read_frames,
    unpack,
    with_ids,
    write_frame,
)
from datasets.services.problems import ProblemLog, Tally, clean, storable
from datasets.services.reading import newest, stored_rows
from teams import live
from teams.models import Team, User

log = logging.getLogger(__name__)

INLINE_BYTES = 2 * 1024 * 1024
PROGRESS_SECONDS = 0.25
"""Progress is told no more often: telling costs a query and a message."""
SILENT_SECONDS = 90
"""After this long without a sign of life a check counts as dead and may be started again."""


class Superseded(Exception):
    """A newer check of the same import has begun, or it was discarded; this one stops and writes nothing."""


class NotReady(Exception):
    """The import is not in a state in which this can be done; the message says what it waits for."""


def limits() -> formats.Limits:
    """What the platform accepts; the upload page states the same figures."""
    return formats.Limits(max_bytes=settings.DATASET_MAX_BYTES, max_rows=settings.DATASET_MAX_ROWS)


def import_file(
    *, team: Team, dataset: Dataset | None, name: str, file: "UploadedFile[bytes]", person: User | None
) -> Import:
    """Keep the file and have it checked: at once where it is small, else by the quick worker."""
    made = Import(
        team=team,
        dataset=dataset,
        name=dataset.name if dataset else name.strip()[:80],
        filename=_filename(file),
        size=file.size or 0,
        created_by=person,
    )
    _keep(made, file)  # before there is a row: a big file takes long to copy, and nobody shall wait to write for that
    made.save()
    return check(import_=made)


def replace_file(*, import_: Import, file: "UploadedFile[bytes]") -> Import:
    """A corrected file in place of the one that was sent. Mends and mapping asked for the old file are forgotten."""
    _refuse_unless_open(import_)
    _keep(import_, file)
    return check(import_=import_, filename=_filename(file), size=file.size or 0, mends=[], mapping=None)


def _filename(file: "UploadedFile[bytes]") -> str:
    return (file.name or "pasted text")[-200:]


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


def check(*, import_: Import, **changed: Any) -> Import:
    """Check the file (again), with other mends, mapping or file where `changed` names them."""
    _refuse_unless_open(import_)
    attempt = import_.attempt + 1
    Import.objects.filter(pk=import_.pk).update(
        status=ImportStatus.WAITING, attempt=attempt, progress=0, progress_rows=0, progress_at=timezone.now(), **changed
    )
    import_.refresh_from_db()
    if import_.size <= INLINE_BYTES:
        read_import(import_id=import_.pk, attempt=attempt)
    else:
        transaction.on_commit(lambda: _enqueue(import_, attempt))
    import_.refresh_from_db()
    return import_


def mend_all(*, import_: Import) -> Import:
    """Check again with every safe repair that this file has use for."""
    return check(import_=import_, mends=sorted({*import_.mends, *import_.fixable_codes}))


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
        django_rq.get_queue("quick").enqueue(
            "datasets.jobs.check_import", import_.pk, attempt, job_id=f"import-{import_.pk}-a{attempt}", result_ttl=0
        )
    except redis.exceptions.RedisError as error:
        # The row stays WAITING: the page says after a while that nothing moves and offers to try again.
        log.warning("import %s waits, the queue can't be reached: %s", import_.pk, error)


def read_import(*, import_id: int, attempt: int) -> None:
    """Read the file of this attempt and write the report; accept at once where there is nothing to ask.

    Does nothing when the attempt is no longer the newest one or was begun already (duplicate delivery).
    """
    begun = Import.objects.filter(pk=import_id, attempt=attempt, status=ImportStatus.WAITING)
    if not begun.update(status=ImportStatus.READING, progress_at=timezone.now()):
        return
    import_ = Import.objects.get(pk=import_id)
    try:
        tally = _read(import_)
    except Superseded:
        return
    except BaseException:
        Import.objects.filter(pk=import_id, attempt=attempt).update(status=ImportStatus.UNREADABLE)
        raise
    import_.refresh_from_db()
    if (
        import_.status == ImportStatus.READY
        and not tally.needs_a_person
        and import_.sure != "unsure"
        and not import_.mends
    ):
        with suppress(versions.NothingChanged):  # told by the import itself: closed, pointing to the version it equals
            accept(import_=import_, person=import_.created_by)
    if import_.size > INLINE_BYTES:
        live.emit(import_.topic, live.END, "checked")


def _read(import_: Import) -> Tally:
    totals, tally = Totals(), Tally()
    rows_part = _part(import_.rows_path, import_.attempt)
    problems_part = _part(import_.problems_path, import_.attempt)
    parent = newest(import_.dataset) if import_.dataset else None
    ids = RowIds(KnownRows.of(stored_rows(parent)) if parent else None)
    readable = True
    with ProblemLog(problems_part) as problems, rows_part.open("wb") as file:
        try:
            reader = formats.read(
                import_.file_path,
                filename=import_.filename,
                limits=limits(),
                mapping=formats.ColumnMapping(**import_.mapping) if import_.mapping else None,
                mends=frozenset(import_.mends),
                on_progress=_progress(import_),
            )
            for block in packed(with_ids(_good_rows(reader, tally, problems), ids), totals):
                write_frame(file, block)
        except formats.UnreadableFile as refusal:
            readable = False
            _note(refusal.as_problem(), tally, problems)
    recognition = reader.recognition if readable else formats.Recognition()
    _finish(import_, totals, tally, recognition, readable)
    return tally


def _good_rows(reader: formats.Reader, tally: Tally, problems: ProblemLog) -> Iterator[formats.Row | formats.PlainRun]:
    for item in reader.runs():
        if isinstance(item, formats.Problem):
            _note(item, tally, problems)
        else:
            yield item


def _note(problem: formats.Problem, tally: Tally, problems: ProblemLog) -> None:
    kept = storable(problem)
    tally.add(kept)
    problems.add(kept)


def _part(path: Path, attempt: int) -> Path:
    return path.with_name(f"{path.name}.{attempt}.part")


def _progress(import_: Import) -> Callable[[int, int, int], None]:
    told_at = 0.0

    def tell(done: int, total: int, rows: int) -> None:
        nonlocal told_at
        if done < total and time.monotonic() - told_at < PROGRESS_SECONDS:
            return
        told_at = time.monotonic()
        percent = min(100, round(100 * done / total)) if total else 0
        mine = Import.objects.filter(pk=import_.pk, attempt=import_.attempt, status=ImportStatus.READING)
        if not mine.update(progress=percent, progress_rows=rows, progress_at=timezone.now()):
            raise Superseded
        if import_.size > INLINE_BYTES:
            live.emit(import_.topic, "progress", f"{percent} % read, {rows:,} rows so far")

    return tell


def _finish(import_: Import, totals: Totals, tally: Tally, recognition: formats.Recognition, readable: bool) -> None:
    """Put the report in place. A file that broke off half-way is ready too where good rows came before the break."""
    if not totals.rows and not tally.groups:
        tally.add(NO_ROWS)
    mine = Import.objects.filter(pk=import_.pk, attempt=import_.attempt, status=ImportStatus.READING)
    written = mine.update(
        status=ImportStatus.READY if readable or totals.rows else ImportStatus.UNREADABLE,
        shape=totals.shape if totals.rows else "",
        recognised=recognition.sentence()[:400] if readable else "",
        sure=recognition.sure if readable else "unsure",
        columns=[clean(name) for name in recognition.columns[:200]],
        good_rows=totals.rows,
        bad_rows=tally.bad_rows,
        turn_count=totals.turns,
        token_estimate=totals.token_estimate,
        content_hash=totals.content_hash if totals.rows else "",
        problem_groups=tally.sorted(),
        progress=100,
        progress_rows=totals.rows,
    )
    for path in (import_.rows_path, import_.problems_path):
        part = _part(path, import_.attempt)
        if written:
            part.replace(path)
        else:
            part.unlink(missing_ok=True)
    if not written:
        raise Superseded


NO_ROWS = formats.Problem(
    line=0,
    column=None,
    field="",
    code="no_rows",
    severity="error",
    message="There is no row in this file.",
    mend="Check that it is the file you meant; the example on the upload page shows what a row looks like.",
)


def accept(*, import_: Import, person: User | None) -> DatasetVersion:
    """The good rows become the next version; that bad ones were left out is recorded with who said so.

    Raises NotReady, and versions.NothingChanged (the import is then closed and points to the version it equals).
    """
    unchanged: versions.NothingChanged | None = None
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=import_.pk)
        if locked.status != ImportStatus.READY or not locked.good_rows:
            raise NotReady("There is nothing to accept: the file was not read to a report with good rows.")
        try:
            with transaction.atomic():
                version = _make_version(locked, person)
        except versions.NothingChanged as same:
            version, unchanged = same.version, same
        _close(locked, version, person, ImportStatus.DISCARDED if unchanged else ImportStatus.ACCEPTED)
    import_.refresh_from_db()
    if unchanged:
        raise unchanged
    return version


def _close(import_: Import, version: DatasetVersion, person: User | None, status: ImportStatus) -> None:
    import_.status, import_.version, import_.dataset = status, version, version.dataset
    import_.decision = Decision.KEEP_GOOD if import_.bad_rows else Decision.ALL
    import_.decided_by, import_.decided_at = person, timezone.now()
    import_.save()


def _make_version(import_: Import, person: User | None) -> DatasetVersion:
    dataset = import_.dataset or versions.create_dataset(
        team=import_.team, name=import_.name, person=import_.created_by
    )
    return versions.store(
        dataset=dataset,
        blocks=read_frames(import_.rows_path),
        content_hash=import_.content_hash,
        row_count=import_.good_rows,
        turn_count=import_.turn_count,
        token_estimate=import_.token_estimate,
        shape=import_.shape,
        person=person,
        note=_note_for(import_),
        source_name=import_.filename,
        skipped_rows=import_.bad_rows,
        parent=newest(dataset),
    )


def _note_for(import_: Import) -> str:
    told = [f"Uploaded from {import_.filename}."]
    if import_.mends:
        told.append(f"Mended: {', '.join(import_.mends)}.")
    if import_.bad_rows:
        told.append(f"{import_.bad_rows:,} bad row{'' if import_.bad_rows == 1 else 's'} left out.")
    return " ".join(told)


def preview(import_: Import, count: int) -> list[StoredRow]:
    """The first good rows."""
    first = next(read_frames(import_.rows_path), None) if import_.rows_path.exists() else None
    return unpack(first.data)[:count] if first else []


def discard(*, import_: Import) -> None:
    """Close the import and delete its file."""
    _refuse_unless_open(import_)
    Import.objects.filter(pk=import_.pk).update(status=ImportStatus.DISCARDED, decided_at=timezone.now())
    shutil.rmtree(import_.folder, ignore_errors=True)
