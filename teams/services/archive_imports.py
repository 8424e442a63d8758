"""Archives on their way in: kept by the page that receives them, read by the files worker, never inside a request.

receive -> (worker) begin -> beat … -> end with `done` or `refuse`. A worker that dies leaves its row behind: `sweep` has
another one try, and after the third time the archive is refused, in words.
"""

import logging
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django_rq
import redis.exceptions
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from teams import queues
from teams.models import AT_WORK, ArchiveImport, ArchiveKind, ArchiveStatus, DiskKind, Team, User
from teams.services import disk
from teams.services.storage import files

log = logging.getLogger(__name__)

JOBS = {
    ArchiveKind.RUN: "training.jobs.read_run_archive",
    ArchiveKind.COURSE: "courseplatform.jobs.read_course_archive",
}
JOB_SECONDS = 1_200
BEAT_SECONDS = 2.0
SILENT = timedelta(seconds=60)
MOST_ATTEMPTS = 3
KEPT = timedelta(days=30)
BROKE_DOWN = (
    "The platform could not read this archive: it broke down three times on the way. Export it again. "
    "If that does not help, tell whoever runs the platform."
)


class Superseded(Exception):
    """Another attempt has begun, or the import is over: this one stops and writes nothing."""


class OneAtATime(Exception):
    """The person has another archive being read; the message says what to do."""


def receive(
    *, kind: ArchiveKind, person: User, team: Team | None, file: "UploadedFile[bytes]"
) -> ArchiveImport:
    """Keep the file and have it read. Raises OneAtATime, and disk.DiskFull."""
    try:
        with transaction.atomic():
            made = ArchiveImport.objects.create(
                kind=kind,
                person=person,
                team=team,
                filename=(file.name or "archive.zip")[-200:],
                size=file.size or 0,
            )
    except IntegrityError as busy:
        raise OneAtATime(
            "Another archive of yours is being read. Wait until it is done, then send this one."
        ) from busy
    try:
        if team is not None:
            disk.reserve(team=team, key=made.disk_key, kind=DiskKind.ARCHIVE, size=made.size)
        else:
            _refuse_beyond_a_course(made.size)
        _keep(made, file)
    except BaseException:
        forget_file(made)
        made.delete()
        raise
    transaction.on_commit(lambda: _enqueue(made))
    return made


def _refuse_beyond_a_course(size: int) -> None:
    """A course's archive has no course yet whose limit could be asked."""
    if size > settings.COURSE_DISK_BYTES:
        raise disk.DiskFull(
            f"This archive has {disk.told(size)}; a course may keep {disk.told(settings.COURSE_DISK_BYTES)} on this machine. "
            "Ask whoever runs the platform for more."
        )


def _keep(import_: ArchiveImport, file: "UploadedFile[bytes]") -> None:
    import_.folder.mkdir(parents=True, mode=0o700)
    if isinstance(file, TemporaryUploadedFile):
        shutil.move(file.temporary_file_path(), import_.file_path)  # it lies on a disk already
    else:
        with import_.file_path.open("wb") as kept:
            for chunk in file.chunks():
                kept.write(chunk)
    files.keep(import_.place, import_.file_path.name)


def _enqueue(import_: ArchiveImport) -> None:
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            JOBS[ArchiveKind(import_.kind)],
            import_.pk,
            import_.attempt,
            job_id=f"archive-{import_.pk}-a{import_.attempt}",
            job_timeout=JOB_SECONDS,
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning("archive %s waits, the queue can't be reached: %s", import_.pk, error)


def begin(*, import_id: int, attempt: int) -> ArchiveImport | None:
    """None where this attempt is not the newest one or was begun already: a job that was delivered twice."""
    waiting = ArchiveImport.objects.filter(
        pk=import_id, attempt=attempt, status=ArchiveStatus.WAITING
    )
    if not waiting.update(status=ArchiveStatus.READING, alive_at=timezone.now()):
        return None
    return ArchiveImport.objects.select_related("person", "team__course").get(pk=import_id)


def is_hopeless(import_: ArchiveImport) -> bool:
    """Its worker died too often."""
    return import_.attempt > MOST_ATTEMPTS


def _mine(import_: ArchiveImport) -> Any:
    return ArchiveImport.objects.filter(
        pk=import_.pk, attempt=import_.attempt, status=ArchiveStatus.READING
    )


def heartbeat(import_: ArchiveImport) -> Callable[[str], None]:
    """To be called while reading, as often as one likes, with what is being done. Raises Superseded."""
    told, told_at = "", 0.0

    def beat(stage: str = "") -> None:
        nonlocal told, told_at
        now = time.monotonic()
        if (not stage or stage == told) and now - told_at < BEAT_SECONDS:
            return
        told, told_at = stage or told, now
        if not _mine(import_).update(stage=told[:80], alive_at=timezone.now()):
            raise Superseded

    return beat


def done(import_: ArchiveImport, **fields: Any) -> None:
    """In the transaction that makes what came in visible. Raises Superseded."""
    if not _mine(import_).update(
        status=ArchiveStatus.DONE, stage="", ended_at=timezone.now(), **fields
    ):
        raise Superseded


def refuse(import_: ArchiveImport, why: str) -> None:
    """Say why, and forget the file."""
    _mine(import_).update(
        status=ArchiveStatus.REFUSED, stage="", refusal=why[:2000], ended_at=timezone.now()
    )
    forget_file(import_)


def forget_file(import_: ArchiveImport) -> None:
    files.forget(import_.place)
    disk.release(import_.disk_key)


def sweep() -> int:
    """For the scheduler: have archives read whose worker died or whose call was lost. How many."""
    now = timezone.now()
    # One that became a course stays: it says which accounts came with that.
    ArchiveImport.objects.exclude(status__in=AT_WORK).filter(
        course=None, ended_at__lt=now - KEPT
    ).delete()
    found = 0
    for import_ in ArchiveImport.objects.filter(status__in=AT_WORK).order_by("id"):
        if now - (import_.alive_at or import_.created_at) > SILENT:
            found += 1
            _again(import_)
    return found


def _again(import_: ArchiveImport) -> None:
    """A row that was being read is tried again; one that only waits may be behind others: its call is sent again.

    After the last attempt one more job is sent: it undoes what that one left, and says that it is given up.
    """
    was = ArchiveImport.objects.filter(
        pk=import_.pk, attempt=import_.attempt, status=import_.status
    )
    if import_.status == ArchiveStatus.WAITING:
        was.update(alive_at=timezone.now())
    else:
        was.update(
            status=ArchiveStatus.WAITING, attempt=import_.attempt + 1, alive_at=timezone.now()
        )
    import_.refresh_from_db()
    _enqueue(import_)
