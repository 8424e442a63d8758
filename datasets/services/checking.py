"""A file checked whole, without keeping it: what `manage.py check_dataset` prints. It is read in the sandbox like an upload."""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from datasets import checks, formats
from datasets.intake import check_child
from datasets.intake.child import stopped
from datasets.intake.problems import storable
from datasets.services.intake import BROKE_DOWN, limits
from teams import sandbox

CHILD = "datasets.intake.check_child"
LIMITS = sandbox.Limits(seconds=1800, cpu_seconds=900, memory_mb=4096, nice=0)
"""Generous: it is somebody's own machine, who can stop it; the file may still be a stranger's."""
MOST_REPORT_BYTES = 64 * 1024**2


def check_file(path: Path, *, filename: str, shape: str) -> checks.FileReport:
    """The report of a file. Never raises for what is in it."""
    try:
        path.open("rb").close()
    except OSError:
        return checks.check_file(
            path, filename=filename, shape=shape
        )  # says why it can't be opened
    # A name may hold bytes that are no text; the child needs it for its ending alone.
    named = filename.encode("utf-8", "replace").decode()
    request = {"filename": named, "shape": shape, "limits": msgspec.to_builtins(limits())}
    try:
        with sandbox.opened(CHILD, limits=LIMITS, files={"file": path}) as box:
            box.run(request)
            with box.open(check_child.REPORT, most_bytes=MOST_REPORT_BYTES) as report:
                told = msgspec.json.decode(
                    report.read(MOST_REPORT_BYTES), type=checks.FileReport
                )
            return replace(told, file=filename)
    except sandbox.TooBig as too_big:
        return _unreadable(filename, stopped(too_big.limit))
    except (sandbox.SandboxError, msgspec.MsgspecError, UnicodeDecodeError):
        return _unreadable(filename, BROKE_DOWN)


def _unreadable(filename: str, why: formats.Problem) -> checks.FileReport:
    return checks.FileReport(
        file=filename,
        shape=None,
        recognised="",
        rows=0,
        good_rows=0,
        problems=[storable(why)],
        quality={},
        privacy=[],
        readable=False,
    )
