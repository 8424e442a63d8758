"""Keeps the logs that `manage.py start` writes from filling the disk.

Under systemd or in a container processes write to standard error, and whoever collects that keeps it in bounds.
"""

import itertools
import os
import shutil
from pathlib import Path

MOST_BYTES = 10_000_000  # of one log, before what it says is moved aside
KEPT = 3  # older ones, as NAME.log.1 to NAME.log.3


def rotate(log: Path, most: int = MOST_BYTES, kept: int = KEPT) -> bool:
    """Move what the log says to `NAME.log.1` where it has grown past `most` bytes. False where nothing was to do.

    The process goes on writing to the file that it has open, always at its end. So the text is copied and the file made
    empty: a line that is written between the two is lost. With a disk too full for the copy, the older ones go first.
    """
    try:
        if log.stat().st_size <= most:
            return False
    except OSError:
        return False
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, kept + 1)]
    for newer, older_one in reversed(list(itertools.pairwise(older))):
        if newer.exists():
            newer.replace(older_one)
    try:
        _copy(log, older[0])
    except OSError:
        older[0].unlink(missing_ok=True)
    os.truncate(log, 0)
    return True


def _copy(log: Path, to: Path) -> None:
    handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with log.open("rb") as old, os.fdopen(handle, "wb") as new:
        shutil.copyfileobj(old, new)
