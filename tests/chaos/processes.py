"""What runs on this machine, read from /proc (Linux)."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 180.0  # seconds; a busy machine is no failure


class Stuck(Exception):
    """What should have happened has not, in all that time."""


def wait_for(what: Callable[[], T | None], why: str, seconds: float = PATIENCE) -> T:
    """The first true answer of `what`. Raises Stuck with `why`."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise Stuck(f"{why} (waited {seconds:.0f} s)")
        time.sleep(0.1)
    return found


def pids() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        yield int(entry.name)


def command_of(pid: int) -> str:
    """Its arguments joined by spaces; empty for one that is gone."""
    return _read(pid, "cmdline").replace("\0", " ").strip()


def environment_of(pid: int) -> dict[str, str]:
    pairs = (line.partition("=") for line in _read(pid, "environ").split("\0") if "=" in line)
    return {name: value for name, _, value in pairs}


def folder_of(pid: int) -> str:
    """Its working directory."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    return (status := _stat(pid)) != [] and status[0] not in "ZX"


def parent_of(pid: int) -> int:
    """0 for one that is gone."""
    return int(status[1]) if (status := _stat(pid)) else 0


def children_of(pid: int) -> list[int]:
    return [other for other in pids() if parent_of(other) == pid and is_alive(other)]


def ancestors_of(pid: int) -> list[int]:
    found = []
    while (pid := parent_of(pid)) > 0:
        found.append(pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """A process that is gone already gets nothing."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """State, parent and all that follows the name."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
