"""Archives on their way out: asked for by a page, written by the files worker, kept for a day, never inside a request.

ask -> (worker) write -> READY, downloaded as often as one likes -> swept. A worker that dies leaves its row behind: `sweep` has
another one try, and after the third time the export is refused, in words. What is deleted meanwhile takes the file along.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

import django_rq
import redis.exceptions
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from teams import queues
from teams.models import EXPORT_AT_WORK, ArchiveExport, ArchiveKind, Course, DiskKind, ExportStatus, Team, User
from teams.places import EXPORTS
from teams.services import disk
from teams.services.storage import files
from teams.services.storage.shelves import StorageAway

log = logging.getLogger(__name__)

JOBS = {
    ArchiveKind.RUN: "training.jobs.write_run_archive",
    ArchiveKind.COURSE: "courseplatform.jobs.write_course_archive",
}
JOB_SECONDS = 3_600
SILENT = timedelta(seconds=120)
BEAT_SECONDS = 20.0
MOST_ATTEMPTS = 3
KEPT = timedelta(hours=24)
STRAY_SECONDS = 3_600
BROKE_DOWN = (
    "The platform broke down three times while it wrote this archive. Try again later. If that does not help, tell whoever "
    "runs the platform."
)


class ExportRefused(Exception):
    """The archive cannot be written; the message says why and what to do."""


def ask(*, course: Course, person: User, size: int, team: Team | None = None, run_number: int | None = None) -> None:
    """Have the archive of a course, or of a team's run, written, in place of an earlier one; nothing new where it is at work.

    `size`: bytes that it may come to, reserved now. Raises ExportRefused where there is no room, or where the team has
    another one written.
    """
    kind = ArchiveKind.COURSE if team is None else ArchiveKind.RUN
    _refuse_without_room(size)
    try:
        with transaction.atomic():
            earlier = ArchiveExport.objects.filter(course=course, team=team, run_number=run_number)
            _forget(earlier.exclude(status__in=EXPORT_AT_WORK))  # it makes room for this one
            made = ArchiveExport.objects.create(
                kind=kind, course=course, team=team, run_number=run_number, person=person, size=size
            )
            _count(made, size, refuse=True)
    except IntegrityError:
        busy = ArchiveExport.objects.filter(course=course, team=team, status__in=EXPORT_AT_WORK).first()
        if busy is not None and busy.run_number != run_number:
            raise ExportRefused(
                f"The archive of run {busy.run_number} is being written. Wait until it is ready, then ask for this one."
            ) from None
        return
    except disk.DiskFull as full:
        raise ExportRefused(str(full)) from full
    transaction.on_commit(lambda: _enqueue(made))


def newest(*, course: Course, team: Team | None = None, run_number: int | None = None) -> ArchiveExport | None:
    """The last one that was asked for and is still there. It may be at work, ready or refused."""
    return ArchiveExport.objects.filter(course=course, team=team, run_number=run_number).first()


def _refuse_without_room(size: int) -> None:
    free = disk.free_here()
    if size > free:
        raise ExportRefused(
            f"This archive may come to {disk.told(size)}, and {disk.told(free)} are free for it on this machine. "
            "Ask whoever runs the platform to make room, then try again."
        )


def _count(export: ArchiveExport, size: int, *, refuse: bool) -> None:
    """Against the team's limit, or the course's. Raises DiskFull where that is to be refused."""
    if export.team is None:
        disk.release(export.disk_key)
        disk.reserve_for_course(
            course=export.course, key=export.disk_key, kind=DiskKind.EXPORT, size=size, refuse=refuse
        )
        return
    change = disk.reserve if refuse else disk.settle
    change(team=export.team, key=export.disk_key, kind=DiskKind.EXPORT, size=size)


def _enqueue(export: ArchiveExport) -> None:
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            JOBS[ArchiveKind(export.kind)],
            export.pk,
            export.attempt,
            job_id=f"export-{export.pk}-a{export.attempt}",
            job_timeout=JOB_SECONDS,
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning("export %s waits, the queue can't be reached: %s", export.pk, error)


def write(*, export_id: int, attempt: int, into: Callable[[ArchiveExport, IO[bytes]], None]) -> str:
    """The worker's job: `into` writes the archive, and may raise ExportRefused. All else it raises is tried again."""
    waiting = ArchiveExport.objects.filter(pk=export_id, attempt=attempt, status=ExportStatus.WAITING)
    if not waiting.update(status=ExportStatus.WRITING, alive_at=timezone.now()):
        return "not needed"
    export = ArchiveExport.objects.select_related("course", "team__course").get(pk=export_id)
    shutil.rmtree(export.folder, ignore_errors=True)  # what an attempt left that was killed
    if attempt > MOST_ATTEMPTS:
        return _refuse(export, BROKE_DOWN)
    export.folder.mkdir(parents=True, mode=0o700)
    try:
        with _beating(export), export.part_path.open("wb") as out:
            into(export, out)
        return _keep(export)
    except ExportRefused as refused:
        return _refuse(export, str(refused))
    except StorageAway:
        return _refuse(export, "The storage cannot take this archive now. Nothing is wrong with what is in it: try again later.")
    except FileNotFoundError:
        if not _mine(export).exists():  # forgotten while it was written
            return "superseded"
        raise


@contextmanager
def _beating(export: ArchiveExport) -> Iterator[None]:
    """Say now and then that it is being written, and how far it is. By a thread with a connection of its own: an archive is
    read in one transaction, in which nothing that is written is seen by others."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(export, over), name="archive-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(export: ArchiveExport, over: threading.Event) -> None:
    while not over.wait(BEAT_SECONDS):
        try:
            if not _mine(export).update(beat_at=timezone.now(), told_bytes=export.written_here):
                return
        except DatabaseError as error:
            log.warning("export %s: nobody is told how far it is: %s", export.pk, error)
        finally:
            connection.close()


def _mine(export: ArchiveExport) -> "QuerySet[ArchiveExport]":
    return ArchiveExport.objects.filter(pk=export.pk, attempt=export.attempt, status=ExportStatus.WRITING)


def _keep(export: ArchiveExport) -> str:
    size = export.part_path.stat().st_size
    export.part_path.replace(export.file_path)

    def ready() -> bool:
        kept = _mine(export).update(status=ExportStatus.READY, size=size, ended_at=timezone.now())
        if kept:
            _count(export, size, refuse=False)
        return bool(kept)

    kept = files.keep(export.place, export.file_path.name, fence=ready)
    if kept is None:
        # Deleted or begun anew meanwhile: what it says may be what had to go.
        if not ArchiveExport.objects.filter(pk=export.pk).exists():
            files.forget(export.place)
        return "superseded"
    if kept.shelf:  # whoever deletes the archive may do so on another host, which does not reach this one's disk
        shutil.rmtree(export.folder, ignore_errors=True)
    return "ready"


def _refuse(export: ArchiveExport, why: str) -> str:
    _mine(export).update(status=ExportStatus.REFUSED, refusal=why[:2000], ended_at=timezone.now())
    files.forget(export.place)
    disk.release(export.disk_key)
    return "refused"


# --- What must not stay ------------------------------------------------------------------------------------------------


def forget_course(course: Course) -> None:
    """Its archives: something in them has been deleted."""
    _forget(ArchiveExport.objects.filter(course=course, kind=ArchiveKind.COURSE))


def forget_runs(team: Team, number: int | None = None) -> None:
    """The archives of a run, or of all runs of the team, and those of the course, which hold them too."""
    runs = ArchiveExport.objects.filter(team=team)
    _forget(runs if number is None else runs.filter(run_number=number))
    forget_course(team.course)


def _forget(exports: "QuerySet[ArchiveExport]") -> None:
    """In a transaction: the files go once it is committed."""
    for export in list(exports.select_related("team__course", "course")):
        disk.release(export.disk_key)
        export.delete()
        files.forget_rows(export.place)
        transaction.on_commit(partial(files.destroy, export.place))


def sweep() -> int:
    """For the scheduler: have those written whose worker died, and delete what was kept long enough. How many."""
    now = timezone.now()
    over = ArchiveExport.objects.exclude(status__in=EXPORT_AT_WORK).filter(ended_at__lt=now - KEPT)
    found = over.count()
    _forget(over)
    for export in ArchiveExport.objects.filter(status__in=EXPORT_AT_WORK):
        if now - export.last_sign > SILENT and not _is_growing(export):
            found += 1
            _again(export)
    return found + clear_strays()


def _is_growing(export: ArchiveExport) -> bool:
    try:
        return time.time() - export.part_path.stat().st_mtime < SILENT.total_seconds()
    except OSError:
        return False


def _again(export: ArchiveExport) -> None:
    """One that was being written is tried anew; one that only waits may be behind others: its call is sent again."""
    was = ArchiveExport.objects.filter(pk=export.pk, attempt=export.attempt, status=export.status)
    changed: dict[str, Any] = {"alive_at": timezone.now()}
    if export.status == ExportStatus.WRITING:
        changed |= {"status": ExportStatus.WAITING, "attempt": export.attempt + 1, "told_bytes": 0}
    if was.update(**changed):
        export.refresh_from_db()
        _enqueue(export)


def clear_strays() -> int:
    """On this host: folders that no row names, of what a crash left, or of what was deleted while it was written here."""
    folders = list((Path(settings.VAR_DIR) / EXPORTS).glob("*"))
    if not folders:
        return 0
    known = {str(key) for key in ArchiveExport.objects.values_list("key", flat=True)}
    before = time.time() - STRAY_SECONDS
    strays = [one for one in folders if one.name not in known and one.stat().st_mtime < before]
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
    return len(strays)
