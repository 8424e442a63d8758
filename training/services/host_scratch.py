"""Copies on this host's disk of what the storage keeps: uploads, archives, people's own data. Each host removes its own.

Whoever deletes something may do so on another host, which does not reach this disk. Runs: `run_storage.clear_scratch`.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.models import Import
from teams import places
from teams.models import ArchiveExport, ArchiveImport, PersonExport, StoredFile
from teams.services.storage import shelves

DELETED_SECONDS = 600.0
"""Of what was deleted: a request that takes an upload writes its row before it is through."""
KEPT_SECONDS = 6 * 3600.0
"""Of what is stored: no job reads its file for so long, and another one is brought it anew."""
OWNERS: dict[str, Any] = {
    places.IMPORTS: Import,
    places.ARCHIVES: ArchiveImport,
    places.EXPORTS: ArchiveExport,
    places.OWN_EXPORTS: PersonExport,
}


def clear() -> int:
    """How many folders went. Where files stay in VAR_DIR nothing is a copy, and what nobody stored yet is none either."""
    if shelves.current() is None:
        return 0
    gone = 0
    for kind, owner in OWNERS.items():
        for folder in list((Path(settings.VAR_DIR) / kind).glob("*")):
            if places.SHAPE.fullmatch(f"{kind}/{folder.name}") and not folder.is_symlink():
                gone += _clear(f"{kind}/{folder.name}", folder, owner)
    return gone


def _clear(place: str, folder: Path, owner: Any) -> bool:
    age = time.time() - _changed_at(folder)
    if age < DELETED_SECONDS:
        return False
    rows = StoredFile.objects.of(place)
    if rows.filter(shelf="").exists():
        return False  # kept nowhere else: `manage.py storage move` has yet to come
    if owner.objects.filter(key=folder.name).exists() and (
        age < KEPT_SECONDS or not rows.exists()
    ):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _changed_at(folder: Path) -> float:
    """When anything in it was last written; a file that is being taken away meanwhile counts as new."""
    try:
        return max(one.stat().st_mtime for one in [folder, *folder.rglob("*")])
    except FileNotFoundError:
        return time.time()
