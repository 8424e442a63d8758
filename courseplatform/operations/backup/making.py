"""Take a backup while everything goes on."""

import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from courseplatform import private_files
from courseplatform.operations.backup import files, manifest, tables
from courseplatform.operations.backup.manifest import BackupRefused, Manifest
from courseplatform.operations.backup.snapshot import snapshot
from training.services import versions


def make(folder: Path) -> Manifest:
    """The rows of one moment, then the files: a file is there before its row says so. Raises BackupRefused, OSError.

    A file that was deleted between the two is one that its rows no longer need.
    """
    if folder.exists():
        raise BackupRefused(f"{folder} is there already. Name a folder that is not.")
    if folder.resolve().is_relative_to(Path(settings.VAR_DIR).resolve()):
        raise BackupRefused(
            f"{folder} lies in the data that is backed up. Name a folder elsewhere."
        )
    draft = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    private_files.make_folder(draft / "database")
    try:
        made = _write(draft)
        made.write(draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(folder)
    return made


def _write(draft: Path) -> Manifest:
    with snapshot() as using:
        made = Manifest(
            version=settings.VERSION,
            made_at=timezone.now().isoformat(),
            vendor=connection.vendor,
            migrations=newest_migrations(using),
        )
        for model in tables.all_models():
            label = model._meta.label_lower
            rows, digest = tables.write(model, manifest.table_path(draft, label), using)
            made.tables[label] = {"rows": rows, "sha256": digest}
    files.copy_all(Path(settings.VAR_DIR), draft, made)
    return made


def newest_migrations(using: str) -> dict[str, str]:
    """The newest applied migration of each app, whatever was squashed before it."""
    newest: dict[str, str] = {}
    for app, name in MigrationRecorder(connections[using]).applied_migrations():
        if versions.number(name) >= versions.number(newest.get(app, "")):
            newest[app] = name
    return newest
