"""What `manage.py storage` does with everything that is kept: move it, prove it, remove what no row names.

Each step stands for itself, so that whatever is broken off goes on where it was when it is started again.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from teams.models.stored_file import StoredFile
from teams.places import SHAPE
from teams.safe_files import file_in
from teams.services.storage import files, shelves
from teams.services.storage.shelves import CannotGive, FileLost, Shelf, StorageAway

log = logging.getLogger(__name__)

GRACE = timedelta(hours=24)
"""A file that is stored now has no row yet: what is younger is never removed."""
LOOKED_UP = 200
DIGITS = 64

Tell = Callable[[str], object]


@dataclass
class Counts:
    """`away`: the storage did not answer; `lost`: it answered, and what was stored is not there or not what it was."""

    done: int = 0
    size: int = 0
    lost: int = 0
    away: int = 0
    strange: int = 0


def move(tell: Tell) -> Counts:
    """Bring every file that lies elsewhere to where STORAGE_URL says. What was moved is proven, then the old one goes."""
    to, counts = shelves.current(), Counts()
    elsewhere = StoredFile.objects.live().exclude(shelf=to.name if to else "")
    for one in _each(elsewhere):
        try:
            _move(one, to)
        except FileLost:
            counts.lost += 1
            tell(f"{one}: it cannot be moved: not there, or not what was stored")
        except StorageAway:
            counts.away += 1
            tell(f"{one}: the storage does not answer")
        else:
            counts.done += 1
            counts.size += one.size
    files.destroy_doomed()
    return counts


def _move(one: StoredFile, to: Shelf | None) -> None:
    if to is None:
        folder = files.fetch(one.place, [one.name])
        assert files.is_same(file_in(folder, one.name), one)
        _say_moved(one, "")
        return
    with tempfile.TemporaryDirectory(prefix="move-", dir=settings.VAR_DIR) as scratch:
        copy = Path(scratch) / "file"
        files.copy_out(one, copy)
        to.put(one.key, copy)
    _say_moved(one, to.name)


def _say_moved(one: StoredFile, shelf: str) -> None:
    with transaction.atomic():
        mine = StoredFile.objects.live().filter(pk=one.pk, shelf=one.shelf, sha256=one.sha256)
        moved = mine.update(shelf=shelf, trouble="", trouble_at=None)
        left_over = (
            one.shelf if moved else shelf
        )  # exchanged or deleted meanwhile: nobody asks for the copy
        if left_over:
            StoredFile.objects.create(
                place=one.place,
                name=one.name,
                sha256=one.sha256,
                size=one.size,
                shelf=left_over,
                doomed_at=timezone.now(),
            )


def verify(tell: Tell) -> Counts:
    """Read everything and compare it with its hash. What is wrong is noted for the operator's page; what is right again is
    taken off it."""
    counts = Counts()
    for one in _each(StoredFile.objects.live()):
        try:
            with files.opened(one.place, one.name) as file:
                while file.read(files.PIECE):
                    pass
        except FileLost:
            counts.lost += 1
            tell(f"{one}: {_trouble_of(one)}")
        except StorageAway:
            counts.away += 1
            tell(f"{one}: the storage does not answer")
        else:
            counts.done += 1
            counts.size += one.size
            if one.trouble:
                files.note(one, "")
    return counts


def _trouble_of(one: StoredFile) -> str:
    one.refresh_from_db()
    return str(one.get_trouble_display())


def prune(tell: Tell, *, grace: timedelta = GRACE, dry_run: bool = True) -> Counts:
    """Remove what no row names and is older than `grace`, from every shelf; what is no file of ours is left and counted.

    Raises StorageAway where a shelf cannot be listed.
    """
    counts, before = Counts(), timezone.now() - grace
    for name in settings.STORAGE_SHELVES:
        one = shelves.shelf(name)
        listed = one.listed()
        while batch := list(islice(listed, LOOKED_UP)):
            _prune(one, batch, before, counts, tell, dry_run=dry_run)
    if not dry_run:
        files.destroy_doomed()
    return counts


def _prune(
    shelf: Shelf,
    batch: list[tuple[str, int, datetime]],
    before: datetime,
    counts: Counts,
    tell: Tell,
    *,
    dry_run: bool,
) -> None:
    ours = [found for found in batch if _is_ours(found[0])]
    counts.strange += len(batch) - len(ours)
    named = _named(shelf, [key for key, _, _ in ours])
    for key, size, stored_at in ours:
        if key in named or stored_at >= before:
            continue
        if not dry_run:
            if _named(shelf, [key]):
                continue  # a row came meanwhile
            with suppress(CannotGive):
                shelf.delete(key)
        counts.done += 1
        counts.size += size
        tell(f"{key}: {size:,} bytes{', would be removed' if dry_run else ', removed'}")


def _is_ours(key: str) -> bool:
    place, _, digest = key.rpartition("/")
    return SHAPE.fullmatch(place) is not None and len(digest) == DIGITS


def _named(shelf: Shelf, keys: list[str]) -> set[str]:
    parts = [key.rpartition("/") for key in keys]
    wanted = Q(
        place__in={place for place, _, _ in parts}, sha256__in={digest for _, _, digest in parts}
    )
    return {one.key for one in StoredFile.objects.filter(wanted, shelf=shelf.name)}


def _each(rows: QuerySet[StoredFile]) -> Iterator[StoredFile]:
    """By id, a few at a time: rows come and go meanwhile, and no cursor stays open for hours."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:LOOKED_UP]):
        yield from batch
        last = batch[-1].pk
