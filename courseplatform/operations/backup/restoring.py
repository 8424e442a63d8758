"""Put a backup back: on another host, on the other kind of database, or here."""

import shutil
from pathlib import Path

import django_rq
import redis
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone

from courseplatform.operations import readiness
from courseplatform.operations.backup import files, manifest, tables
from courseplatform.operations.backup.making import newest_migrations
from courseplatform.operations.backup.manifest import BackupRefused, Manifest
from teams import presence
from teams.models import Course, User

LIVE = ("live:*", "told:*")


def restore(folder: Path, *, replace: bool = False) -> Manifest:
    """Rows and files as they were. Raises BackupRefused before anything is changed.

    `replace`: although the platform is not empty. Its files are moved aside, into VAR_DIR/before-restore-…; its rows go.
    """
    found = manifest.read(folder)
    _check_version(found)
    if troubles := manifest.troubles(folder, found):
        more = f" And {len(troubles) - 3} more." if len(troubles) > 3 else ""
        raise BackupRefused(f"The backup is damaged: {' '.join(troubles[:3])}{more}")
    _check_tables(found)
    _check_empty(replace)
    _check_room(found)
    var = Path(settings.VAR_DIR)
    files.move_aside(var, f"{timezone.now():%Y%m%d-%H%M%S}")
    files.put_back(folder, var, found)
    _put_rows(folder, found)
    ContentType.objects.clear_cache()
    _forget_live()
    return found


def _check_version(found: Manifest) -> None:
    """Rows fit the tables that they were read from, and no others."""
    if missing := readiness.missing_migrations():
        raise BackupRefused(
            f"This database is not migrated ({missing[0]} is missing). Run `manage.py migrate` first."
        )
    here = newest_migrations("default")
    other = sorted(
        app for app in {*here, *found.migrations} if here.get(app) != found.migrations.get(app)
    )
    if other:
        raise BackupRefused(
            f"The backup was made by version {found.version}, whose tables differ in {', '.join(other)}. "
            f"Install version {found.version}, restore, and upgrade then (docs/upgrading.md)."
        )


def _check_tables(found: Manifest) -> None:
    here = {model._meta.label_lower for model in tables.all_models()}
    if here != set(found.tables):
        named = ", ".join(sorted(here ^ set(found.tables))[:5])
        raise BackupRefused(
            f"The backup's tables are not those of this version: {named}. Nothing was restored."
        )


def _check_empty(replace: bool) -> None:
    if replace:
        return
    accounts, courses = User.objects.count(), Course.objects.count()
    if accounts or courses:
        raise BackupRefused(
            f"This platform holds {accounts} accounts and {courses} courses. Restore onto an empty one, or say --replace: "
            "its rows are then lost, and its files moved aside."
        )
    if running := _running():
        raise BackupRefused(
            f"{running} processes of the platform run. Stop them first, so that none writes meanwhile."
        )


def _running() -> int:
    try:
        return len(presence.processes())
    except redis.exceptions.RedisError:
        return 0


def _check_room(found: Manifest) -> None:
    free = shutil.disk_usage(settings.VAR_DIR).free
    if found.size > free:
        raise BackupRefused(
            f"The files need {found.size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free under {settings.VAR_DIR}."
        )


def _put_rows(folder: Path, found: Manifest) -> None:
    """All in one transaction; references are looked at when it ends."""
    everything = tables.all_models()
    with transaction.atomic():
        tables.delete_all(everything)
        for model in everything:
            label = model._meta.label_lower
            rows = tables.read(model, manifest.table_path(folder, label))
            if rows != found.tables[label]["rows"]:
                raise BackupRefused(
                    f"Table {label} has {rows} rows, not {found.tables[label]['rows']}."
                )
        tables.set_sequences(everything)
        connection.check_constraints()


def _forget_live() -> None:
    """What Redis still tells belongs to rows that may have other numbers now. Wake-up calls are sent again from rows."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=10
    )
    try:
        for pattern in LIVE:
            for key in client.scan_iter(pattern, count=500):
                client.delete(key)
        for name in settings.RQ_QUEUES:
            django_rq.get_queue(name).empty()
    except redis.exceptions.RedisError:
        return
