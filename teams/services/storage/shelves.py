"""Shelves: storages outside the folder under VAR_DIR, each by its name in `StoredFile.shelf`.

`STORAGE_URL` names the shelf that new files go to; `STORAGE_ALSO` names others that still hold some, while they are moved.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

if TYPE_CHECKING:
    from teams.services.storage.s3 import CourseS3Storage

log = logging.getLogger(__name__)
SAYS_NOW = "Storage cannot give this file now. Whoever runs the platform sees why on their page; try again later."

PROBE = "probe"
"""The key of an object that is never there."""


class CannotGive(Exception):
    """Storage cannot give a file; the text is for a person. See the two kinds below."""


class StorageAway(CannotGive):
    """The storage does not answer or refuses: try again later. `__cause__` says more, for the log."""


class FileLost(CannotGive):
    """The storage answers, and what was stored is not there or not what it was."""


class Shelf:
    """One storage. Keys are `<place>/<sha256>`. Everything here raises StorageAway where it cannot be reached."""

    def __init__(self, name: str, storage: Storage) -> None:
        self.name, self.storage = name, storage

    def put(self, key: str, path: Path) -> None:
        """Store the file's bytes under `key`, in place of what may be there. Whole, or StorageAway is raised."""
        with translated(self.name):
            self._put(key, path)
            if self._size(key) != path.stat().st_size:
                raise OSError(f"{key} has not the size that was stored")

    def open(self, key: str) -> BinaryIO:
        """The bytes, to be read once from the start. Raises FileNotFoundError where there are none."""
        with translated(self.name):
            return self._open(key)

    def size(self, key: str) -> int | None:
        """Bytes, or None where there is no such object."""
        with translated(self.name):
            return self._size(key)

    def probe(self) -> None:
        """Ask one short question. Raises StorageAway where it does not answer or refuses."""
        with translated(self.name):
            self._probe()

    def delete(self, key: str) -> None:
        with translated(self.name):
            self.storage.delete(key)

    def listed(self, place: str = "") -> Iterator[tuple[str, int, datetime]]:
        """(key, bytes, when it was stored) of all there is (of the place), also of what no row names."""
        with translated(self.name):
            yield from self._listed(place)

    def signed(self, key: str, filename: str) -> str | None:
        """An address from which a browser downloads it for a minute; None where the platform has to stream it."""
        return None

    def _put(self, key: str, path: Path) -> None:
        if self.storage.exists(key):
            self.storage.delete(key)
        with path.open("rb") as file:
            self.storage.save(key, File(file))

    def _open(self, key: str) -> BinaryIO:
        return cast(BinaryIO, self.storage.open(key, "rb"))

    def _size(self, key: str) -> int | None:
        return self.storage.size(key) if self.storage.exists(key) else None

    def _probe(self) -> None:
        self.storage.exists(PROBE)
        if not isinstance(self.storage, FileSystemStorage):
            return
        folder = Path(self.storage.location)
        if folder.exists() and not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written to")

    def _listed(self, folder: str) -> Iterator[tuple[str, int, datetime]]:
        try:
            folders, files = self.storage.listdir(folder)
        except FileNotFoundError:
            return
        start = f"{folder}/" if folder else ""
        for name in files:
            key = start + name
            yield key, self.storage.size(key), self.storage.get_modified_time(key)
        for name in folders:
            yield from self._listed(start + name)


class S3Shelf(Shelf):
    """The same on S3, where what Django's storages offer would read a whole file before its first byte."""

    storage: "CourseS3Storage"

    def _put(self, key: str, path: Path) -> None:
        self.storage.put(key, path)

    def _open(self, key: str) -> BinaryIO:
        return self.storage.stream(key)

    def _size(self, key: str) -> int | None:
        return self.storage.bytes_of(key)

    def _probe(self) -> None:
        self.storage.probe(PROBE)

    def _listed(self, folder: str) -> Iterator[tuple[str, int, datetime]]:
        yield from self.storage.listed(f"{folder}/" if folder else "")

    def signed(self, key: str, filename: str) -> str | None:
        with translated(self.name):
            return self.storage.signed(key, filename)


def current() -> Shelf | None:
    """Where new files go; None: they stay in the folder under VAR_DIR."""
    return shelf(settings.STORAGE_SHELF) if settings.STORAGE_SHELF else None


def shelf(name: str) -> Shelf:
    """The shelf of a row. Raises StorageAway where no setting names it any more."""
    alias = settings.STORAGE_SHELVES.get(name)
    if alias is None:
        log.error(
            "files lie in %s, which neither STORAGE_URL nor STORAGE_ALSO names. Name it in STORAGE_ALSO, "
            "then move them with `manage.py storage move`",
            name,
        )
        raise StorageAway(SAYS_NOW)
    storage = storages[alias]
    return (S3Shelf if name.startswith("s3://") else Shelf)(name, storage)


def is_signed() -> bool:
    """Whether browsers fetch large files from the storage itself."""
    return bool(settings.STORAGE_SIGNED_DOWNLOADS)


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """FileNotFoundError passes; what else a storage raises becomes StorageAway."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _away() as error:
        log.warning("storage %s: %s: %s", name, type(error).__name__, error)
        raise StorageAway(SAYS_NOW) from error


def _away() -> tuple[type[Exception], ...]:
    if not any(name.startswith("s3://") for name in settings.STORAGE_SHELVES):
        return (OSError,)
    from teams.services.storage.s3 import AWAY

    return AWAY
