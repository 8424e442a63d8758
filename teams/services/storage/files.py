"""Keeping files and getting them back. The order is always: the bytes are stored, then the row says so.

Where STORAGE_URL is empty a file stays in its folder, and only the row is written. Else the folder is this host's scratch
copy: `keep` stores from it, `fetch` fills it, and what is read is proven to be what was stored.
"""

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from teams.models.stored_file import FileTrouble, StoredFile
from teams.places import folder_of
from teams.safe_files import file_in, is_file_in, open_in
from teams.services import disk
from teams.services.storage import shelves
from teams.services.storage.shelves import SAYS_NOW, FileLost, Shelf

log = logging.getLogger(__name__)
PIECE = 1 << 20


def keep(
    place: str, name: str, *, sha256: str = "", fence: Callable[[], bool] | None = None
) -> StoredFile | None:
    """Store the file `name` of the place's folder; an earlier one of that name is destroyed. See `keep_all`."""
    kept = keep_all(place, [name], known={name: sha256} if sha256 else None, fence=fence)
    return kept[0] if kept else None


def keep_all(
    place: str,
    names: Iterable[str],
    *,
    known: dict[str, str] | None = None,
    fence: Callable[[], bool] | None = None,
    instead_of: str = "",
    folder: Path | None = None,
) -> list[StoredFile]:
    """Store these files of the place's folder (or of `folder`), then write all rows in one transaction.

    `known`: hashes that were just made. `instead_of`: rows whose names begin so and are not among `names` go. `fence` is
    asked in the transaction; where it says no, nothing is written and the list is empty. Raises StorageAway before any row
    is written, and FileNotFoundError where a file is not there.
    """
    folder, to = folder or folder_of(place), shelves.current()
    made = [_measured(place, name, folder, (known or {}).get(name, "")) for name in names]
    for one in made:
        if to is not None:
            one.shelf = to.name
            _put(one, file_in(folder, one.name), to)
    with transaction.atomic():
        if fence is not None and not fence():
            _doom_orphans(made)
            transaction.on_commit(lambda: destroy_doomed(place))
            return []
        if instead_of:
            gone = StoredFile.objects.of(place).filter(name__startswith=instead_of)
            _doom(gone.exclude(name__in=[one.name for one in made]))
        for one in made:
            _write(one)
        transaction.on_commit(lambda: destroy_doomed(place))
    return made


def _measured(place: str, name: str, folder: Path, sha256: str) -> StoredFile:
    with open_in(folder, name) as file:
        digest = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    return StoredFile(place=place, name=name, sha256=digest, size=size)


def _put(one: StoredFile, path: Path, to: Shelf) -> None:
    same = StoredFile.objects.filter(place=one.place, sha256=one.sha256, shelf=to.name)
    if same.live().filter(trouble="").exists():
        return
    same.exclude(
        doomed_at=None
    ).delete()  # it is wanted again; waits for whoever destroys it now
    to.put(one.key, path)


def _doom_orphans(made: list[StoredFile]) -> None:
    """What was stored a moment ago for somebody who may not keep it: perhaps of a run that was deleted meanwhile."""
    for one in made:
        if one.shelf:
            one.doomed_at = timezone.now()
            one.save()


def _write(one: StoredFile) -> None:
    before = StoredFile.objects.select_for_update().of(one.place).filter(name=one.name).first()
    if before is None:
        one.save()
        return
    if (before.sha256, before.shelf) != (one.sha256, one.shelf):
        _doom(StoredFile.objects.filter(pk=before.pk))
        one.save()
        return
    StoredFile.objects.filter(pk=before.pk).update(trouble="", trouble_at=None, size=one.size)
    one.pk = before.pk


def found(place: str, name: str) -> StoredFile | None:
    return StoredFile.objects.of(place).filter(name=name).first()


def has(place: str, name: str) -> bool:
    """Whether the file can be had, as far as is known here; no storage is asked."""
    one = found(place, name)
    if one is None or not one.shelf:
        return is_file_in(folder_of(place), name)
    return not one.trouble


def size_of(place: str) -> int:
    """Bytes that are kept of the place: of its folder where files stay there, else of what is stored."""
    if shelves.current() is None:
        return disk.size_of(folder_of(place))
    return sum(StoredFile.objects.of(place).values_list("size", flat=True))


def address(place: str, name: str, filename: str) -> str | None:
    """Where a browser fetches it from the storage itself, within a minute; None where the platform has to stream it."""
    one = found(place, name)
    if one is None or not one.shelf or one.trouble or not shelves.is_signed():
        return None
    return shelves.shelf(one.shelf).signed(one.key, filename)


def opened(place: str, name: str) -> BinaryIO:
    """The file's bytes, to be read once; proven at their end. Raises StorageAway, and FileLost where it is not there or,
    while it is read, where it is not what was stored."""
    one = found(place, name)
    if one is None or not one.shelf:
        try:
            file = open_in(folder_of(place), name)
        except FileNotFoundError:
            raise _lost(one, place, name, FileTrouble.MISSING) from None
        return file if one is None else cast(BinaryIO, Proven(file, one))
    try:
        return cast(BinaryIO, Proven(shelves.shelf(one.shelf).open(one.key), one))
    except FileNotFoundError:
        raise _lost(one, place, name, FileTrouble.MISSING) from None


def fetch(place: str, names: Iterable[str] | None = None, *, start: str = "") -> Path:
    """Have the place's files (or these, or those whose names begin with `start`) in its folder on this host. Gives the folder.

    A file that is there and is what was stored is left alone. Raises StorageAway and FileLost.
    """
    folder, rows = folder_of(place), StoredFile.objects.of(place).exclude(shelf="")
    rows = rows.filter(name__in=list(names)) if names is not None else rows
    for one in rows.filter(name__startswith=start) if start else rows:
        _fetch(one, folder)
    return folder


def local(place: str, name: str) -> Path:
    """One file on this host; it need not exist where nothing was stored. Raises StorageAway and FileLost."""
    return file_in(fetch(place, [name]), name)


def _fetch(one: StoredFile, folder: Path) -> None:
    target = file_in(folder, one.name)
    if is_file_in(folder, one.name) and is_same(target, one):
        return
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy_out(one, target)


def copy_out(one: StoredFile, target: Path) -> None:
    """Whole and proven, or not at all. Raises StorageAway and FileLost."""
    part = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.fetched")
    try:
        with opened(one.place, one.name) as source, part.open("wb") as out:
            shutil.copyfileobj(source, out, PIECE)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def is_same(path: Path, one: StoredFile) -> bool:
    """Whether this file is what was stored, byte for byte."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != one.size:
            return False
        return hashlib.file_digest(file, "sha256").hexdigest() == one.sha256


class Proven(RawIOBase):
    """A stream that is hashed while it is read. Where its end shows that it is not what was stored, FileLost is raised
    instead of the end: a copy of it is never taken for whole."""

    def __init__(self, source: BinaryIO, row: StoredFile) -> None:
        self.source, self.row = source, row
        self.digest, self.count, self.ended = hashlib.sha256(), 0, False

    def read(self, size: int | None = -1) -> bytes:
        if self.ended:
            return b""
        with shelves.translated(self.row.shelf or "the folder under VAR_DIR"):
            piece: bytes = (
                self.source.read() if size is None or size < 0 else self.source.read(size)
            )
        self.digest.update(piece)
        self.count += len(piece)
        whole = size is None or size < 0
        if whole or not piece or self.count >= self.row.size:
            self._prove(whole or not piece)
        return piece

    def _prove(self, at_end: bool) -> None:
        """As soon as all bytes were read: whoever copies must not have the last of them first."""
        if self.count < self.row.size and not at_end:
            return
        self.ended = True
        if self.count != self.row.size or self.digest.hexdigest() != self.row.sha256:
            raise _lost(self.row, self.row.place, self.row.name, FileTrouble.ALTERED)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.source.close()
        super().close()


def _lost(one: StoredFile | None, place: str, name: str, trouble: FileTrouble) -> FileLost:
    """Tell the operator, in the log and on their pages; the exception is for everybody else."""
    log.error("stored file %s/%s: %s", place, name, trouble.label)
    if one is not None and not one.trouble:
        note(one, trouble)
    return FileLost(SAYS_NOW)


def note(one: StoredFile, trouble: FileTrouble | str) -> None:
    """What is known against a file from now on; empty: nothing any more."""
    at = timezone.now() if trouble else None
    StoredFile.objects.filter(pk=one.pk).update(trouble=str(trouble), trouble_at=at)


# --- What must not stay ------------------------------------------------------------------------------------------------


def forget_rows(place: str) -> None:
    """In the transaction that deletes what the files belong to. `destroy` follows once it is committed."""
    _doom(StoredFile.objects.of(place))


def destroy(place: str) -> None:
    """After the commit: the folder on this host, and what is stored. What cannot be reached now the clock destroys later."""
    shutil.rmtree(folder_of(place), ignore_errors=True)
    destroy_doomed(place)


def forget(place: str) -> None:
    """Both, where nothing else has to be in one transaction with it."""
    forget_rows(place)
    destroy(place)


def forget_files(place: str, start: str) -> None:
    """The place's stored files whose names begin so. Those in the folder are the caller's."""
    _doom(StoredFile.objects.of(place).filter(name__startswith=start))
    transaction.on_commit(lambda: destroy_doomed(place))


def _doom(rows: QuerySet[StoredFile]) -> None:
    rows.filter(shelf="").delete()
    rows.update(doomed_at=timezone.now())


MOST_AT_ONCE = 2_000


def destroy_doomed(place: str = "") -> int:
    """Destroy stored files that nobody may keep. For the clock: of all places. How many are gone."""
    doomed = StoredFile.objects.exclude(doomed_at=None)
    return _destroy_each(doomed.filter(place=place) if place else doomed[:MOST_AT_ONCE])


def destroy_all(places: Iterable[str]) -> None:
    """As `destroy`, of many places: a storage that is away is waited for once, not once for each."""
    wanted = list(places)
    for place in wanted:
        shutil.rmtree(folder_of(place), ignore_errors=True)
    _destroy_each(StoredFile.objects.exclude(doomed_at=None).filter(place__in=wanted))


def _destroy_each(doomed: QuerySet[StoredFile]) -> int:
    gone, away = 0, set()
    for one in list(doomed):
        if one.shelf in away:
            continue
        try:
            gone += _destroy(one)
        except shelves.StorageAway:
            log.warning("%s is to be destroyed and cannot be reached; it is tried again", one)
            away.add(one.shelf)
    return gone


def destroy_everything(places: Iterable[str]) -> list[str]:
    """Ask each storage for what it holds of places that are gone, and destroy it: also what no row names, which a worker left
    that died between storing and its row. Gives the places of which no storage has said yet that nothing is left."""
    asked = list(places)
    for number, place in enumerate(asked):
        try:
            _empty(place)
        except shelves.StorageAway:
            return asked[number:]
    return []


def _empty(place: str) -> None:
    destroy_doomed(place)
    if StoredFile.objects.filter(place=place).exists():
        raise shelves.StorageAway(SAYS_NOW)
    for name in settings.STORAGE_SHELVES:
        shelf = shelves.shelf(name)
        for key, _, _ in list(shelf.listed(place)):
            shelf.delete(key)


def _destroy(one: StoredFile) -> bool:
    with transaction.atomic():
        mine = StoredFile.objects.select_for_update().exclude(doomed_at=None).filter(pk=one.pk)
        if not mine.exists():
            return False
        wanted = StoredFile.objects.of(one.place).filter(sha256=one.sha256, shelf=one.shelf)
        if not wanted.exists():
            shelves.shelf(one.shelf).delete(one.key)
        mine.delete()
    return True
