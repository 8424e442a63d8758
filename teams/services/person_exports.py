"""A person's own data as a file: asked for by herself, written by the files worker, kept for a day, for nobody else."""

import logging
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO

import django_rq
import redis.exceptions
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from teams import queues
from teams.models import PersonExport, PersonExportState, User
from teams.services import audit

log = logging.getLogger(__name__)

KEPT = timedelta(hours=24)
SILENT = timedelta(minutes=5)
MOST_TRIES = 3
JOB_SECONDS = 900


def ask(person: User) -> PersonExport:
    """Have it written; nothing new while one is being written."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=person.pk)
        earlier = PersonExport.objects.filter(person=person).first()
        if earlier is not None and earlier.state == PersonExportState.WAITING:
            return earlier
        if earlier is not None:
            _forget(earlier)
        made = PersonExport.objects.create(person=person)
        audit.record(course=None, person=person, action="own data asked for", what=str(person))
    transaction.on_commit(lambda: _call(made))
    return made


def _call(export: PersonExport) -> None:
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "courseplatform.jobs.write_person_export",
            export.pk,
            job_timeout=JOB_SECONDS,
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning("an export waits, the queue can't be reached: %s", error)


def write(export_id: int, into: Callable[[User, IO[bytes]], None]) -> bool:
    """For the worker. False where it is there already, was given up, or is another worker's."""
    rows = PersonExport.objects.filter(pk=export_id, state=PersonExportState.WAITING)
    export = rows.select_related("person").first()
    if export is None:
        return False
    mine = rows.filter(tries=export.tries, tries__lt=MOST_TRIES)
    if not mine.update(tries=F("tries") + 1, tried_at=timezone.now()):
        return False
    export.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = export.folder / f"part-{export.tries}"
    with part.open("wb") as out:
        into(export.person, out)
    part.rename(export.file_path)
    return bool(rows.update(state=PersonExportState.READY))


def sweep() -> int:
    """For the scheduler: call for what waits too long, give up what failed three times, remove what is a day old."""
    now = timezone.now()
    for old in PersonExport.objects.filter(asked_at__lt=now - KEPT):
        _forget(old)
    waiting = PersonExport.objects.filter(
        state=PersonExportState.WAITING, tried_at__lt=now - SILENT
    )
    waiting.filter(tries__gte=MOST_TRIES).update(state=PersonExportState.FAILED)
    count = 0
    for one in waiting.filter(tries__lt=MOST_TRIES):
        _call(one)
        count += 1
    _remove_strays()
    return count


def forget_person(person: User) -> None:
    """Before their data is erased."""
    for one in PersonExport.objects.filter(person=person):
        _forget(one)


def _forget(export: PersonExport) -> None:
    shutil.rmtree(export.folder, ignore_errors=True)
    export.delete()


def _remove_strays() -> None:
    """Folders that no row names: of accounts that were deleted."""
    root = Path(settings.VAR_DIR) / "own-exports"
    known = {str(key) for key in PersonExport.objects.values_list("key", flat=True)}
    for folder in root.iterdir() if root.is_dir() else []:
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)
