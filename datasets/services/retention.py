"""Files of imports whose use is over go, by the table of docs/retention.md."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from datasets.models import Import, ImportStatus
from datasets.services import versions
from datasets.services.imports import forget_files
from teams.models import DiskKind, DiskUse, Team
from teams.services import disk
from teams.services.storage import files

STRAY_SECONDS = 3600


def prune() -> int:
    """For the scheduler: files of imports whose use is over (docs/retention.md), and folders that no import names. How many."""
    _count_uncounted()
    now = timezone.now()
    over = Import.objects.filter(
        status__in=(ImportStatus.ACCEPTED, ImportStatus.DISCARDED),
        decided_at__lt=now - timedelta(days=settings.UPLOAD_KEPT_DAYS),
    )
    left = Import.objects.open().filter(
        created_at__lt=now - timedelta(days=settings.OPEN_IMPORT_KEPT_DAYS)
    )
    gone = 0
    for import_ in over.filter(files_kept=True).iterator(200):
        gone += _prune(import_)
    for import_ in left.exclude(status=ImportStatus.READING).iterator(200):
        Import.objects.filter(pk=import_.pk).update(
            status=ImportStatus.DISCARDED, decided_at=now
        )
        gone += _prune(import_)
    return gone + _prune_strays()


def _prune(import_: Import) -> int:
    forget_files(import_)
    return Import.objects.filter(pk=import_.pk).update(files_kept=False)


def forget(import_: Import) -> None:
    """Delete the files of an import in any state, and close it if it is open."""
    Import.objects.open().filter(pk=import_.pk).update(
        status=ImportStatus.DISCARDED, decided_at=timezone.now()
    )
    _prune(import_)


def _count_uncounted() -> None:
    """What was kept before there were quotas, or came with a course's archive."""
    counted = set(DiskUse.objects.values_list("key", flat=True))
    for import_ in (
        Import.objects.filter(files_kept=True).select_related("team__course").iterator(200)
    ):
        size = files.size_of(import_.place) if import_.disk_key not in counted else 0
        if size:
            disk.settle(team=import_.team, key=import_.disk_key, kind=DiskKind.UPLOAD, size=size)
    for team in (
        Team.objects.filter(row_blocks__isnull=False).select_related("course").distinct()
    ):
        if versions.rows_key(team) not in counted:
            versions.count_rows(team)


def _prune_strays() -> int:
    """Folders without a row: a crash between the file and its row, or a deleted team. Young ones may be an upload of now."""
    root = Path(settings.VAR_DIR) / "imports"
    known = {str(key) for key in Import.objects.values_list("key", flat=True)}
    before = time.time() - STRAY_SECONDS
    strays = [
        one for one in root.glob("*") if one.name not in known and one.stat().st_mtime < before
    ]
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
        disk.release(f"import-{folder.name}")
    return len(strays)
