"""The one way to a file in a folder of a run or an upload. Whoever opens, reads or writes one there asks here first.

A path is text that may have come from outside (a table, an archive, a URL). It is joined to a folder only after it is proven
to lie in it, reached through no link.
"""

import os
from io import BufferedReader
from pathlib import Path, PurePosixPath


class OutsideFolder(ValueError):
    """This name does not lead to a place inside the folder."""


def file_in(folder: Path, name: str) -> Path:
    """`folder / name`, proven to lie inside `folder`; it need not exist.

    Raises OutsideFolder for an absolute name, one with "..", a backslash or NUL in it, and for any link on the way.
    """
    parts = PurePosixPath(name).parts
    strange = "\\" in name or "\x00" in name or name.startswith("/")
    if not parts or strange or ".." in parts:
        raise OutsideFolder(f"“{name[:80]}” is not the name of a file in this folder.")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise OutsideFolder(f"“{name[:80]}” is reached through a link.")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise OutsideFolder(f"“{name[:80]}” is outside the folder.")
    return path


def open_in(folder: Path, name: str) -> BufferedReader:
    """A plain file there, to read. Raises FileNotFoundError where there is none, or something that is no plain file."""
    path = _plain(folder, name)
    # O_NOFOLLOW: also when the file was exchanged for a link since it was looked at.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def is_file_in(folder: Path, name: str) -> bool:
    """Whether a plain file of this name is there, inside and reached through no link."""
    try:
        _plain(folder, name)
    except FileNotFoundError:
        return False
    return True


def files_in(folder: Path, name: str) -> list[str]:
    """The plain file `name`, or those anywhere in the folder of that name; links and what they lead to are left out."""
    start = folder / PurePosixPath(name).name
    found = [start]
    for inside, _, files in os.walk(start):  # which follows no link
        found += [Path(inside) / file for file in files]
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [one for one in names if is_file_in(folder, one)]


def _plain(folder: Path, name: str) -> Path:
    try:
        path = file_in(folder, name)
    except OutsideFolder as outside:
        raise FileNotFoundError(str(outside)) from outside
    if not path.is_file():  # nor a FIFO, which would keep its reader waiting for ever
        raise FileNotFoundError(f"There is no file {name[:80]}.")
    return path
