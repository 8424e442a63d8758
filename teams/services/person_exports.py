"""A person's own data as a file: asked for by herself, written by the files worker, kept for a day, for nobody else.

It is kept by the storage like every file, so it is found on each host, and erasing the person takes it along everywhere.
"""

import logging
import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO

import django_rq
import redis.exceptions
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from teams import queues
from teams.models import PersonExport, PersonExportState, User
from teams.places import OWN_EXPORTS
from teams.safe_files import file_in
from teams.services import audit
from teams.services.storage import files
from teams.services.storage.shelves import StorageAway

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
        _forget(PersonExport.objects.filter(person=person))
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
    """For the worker. False where it is there already, was given up, or is another worker's; and where the storage cannot
    take it, which its page says."""
    clear_strays()
    rows = PersonExport.objects.filter(pk=export_id, state=PersonExportState.WAITING)
    export = rows.select_related("person").first()
    if export is None:
        return False
    mine = rows.filter(tries=export.tries, tries__lt=MOST_TRIES)
    if not mine.update(tries=F("tries") + 1, tried_at=timezone.now()):
        return False
    export.tries += 1
    try:
        return _write(export, into)
    except StorageAway:
        rows.update(state=PersonExportState.FAILED)
        return False
    finally:
        _leave_nothing_here(export)


def _write(export: PersonExport, into: Callable[[User, IO[bytes]], None]) -> bool:
    export.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_in(export.folder, export.file_name).open("wb") as out:
        into(export.person, out)
    rows = PersonExport.objects.filter(pk=export.pk, state=PersonExportState.WAITING)

    def ready() -> bool:
        # The first that is done wins, also over a later try; its number names the file.
        return bool(rows.update(state=PersonExportState.READY, tries=export.tries))

    return files.keep(export.place, export.file_name, fence=ready) is not None


def _leave_nothing_here(export: PersonExport) -> None:
    """What this try wrote stays on this host only where the row says that it is kept here."""
    if not PersonExport.objects.filter(pk=export.pk).exists():
        files.forget(export.place)  # erased meanwhile
        return
    kept = files.found(export.place, export.file_name)
    if kept is None or kept.shelf:
        file_in(export.folder, export.file_name).unlink(missing_ok=True)


def sweep() -> int:
    """For the scheduler: call for what waits too long, give up what failed three times, remove what is a day old."""
    now = timezone.now()
    _forget(PersonExport.objects.filter(asked_at__lt=now - KEPT))
    waiting = PersonExport.objects.filter(
        state=PersonExportState.WAITING, tried_at__lt=now - SILENT
    )
    waiting.filter(tries__gte=MOST_TRIES).update(state=PersonExportState.FAILED)
    count = 0
    for one in waiting.filter(tries__lt=MOST_TRIES):
        _call(one)
        count += 1
    clear_strays()
    return count


def places_of(people: Iterable[User]) -> list[str]:
    """Under which their files are stored."""
    ids = [person.pk for person in people]
    return [one.place for one in PersonExport.objects.filter(person__in=ids)]


def forget_people(people: Iterable[User]) -> None:
    """Before their data is erased, or their accounts are deleted."""
    _forget(PersonExport.objects.filter(person__in=[person.pk for person in people]))


def _forget(exports: QuerySet[PersonExport]) -> None:
    """Row and stored file in one transaction; the file is destroyed once that is committed."""
    with transaction.atomic():
        for one in list(exports):
            files.forget_rows(one.place)
            one.delete()
            transaction.on_commit(partial(files.destroy, one.place))


def clear_strays() -> None:
    """On this host: folders that no row names, of accounts that were erased while another host wrote their file."""
    root = Path(settings.VAR_DIR) / OWN_EXPORTS
    # Folders first: what is asked for after the rows were read is not among them.
    folders = list(root.iterdir()) if root.is_dir() else []
    if not folders:
        return
    known = {str(key) for key in PersonExport.objects.values_list("key", flat=True)}
    for folder in folders:
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)
