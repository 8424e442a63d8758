"""Has the sandbox read a file that someone sent, and proves what came out of it. Nothing here runs inside a transaction.

What a page waits for is read at once, in few children at a time; all else is the files worker's, with higher limits.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from datasets import formats
from datasets.intake import broken_rows, child
from datasets.intake.checked import NotRows, checked_blocks
from datasets.intake.problems import (
    MOST_KEPT,
    NotProblems,
    ProblemLog,
    Tally,
    checked_problems,
    storable,
)
from datasets.models import DatasetVersion, Import
from datasets.services import import_files
from datasets.services.blocks import BrokenFrames, Totals, write_frame
from datasets.services.reading import newest, places
from teams import sandbox

log = logging.getLogger(__name__)

CHILD = "datasets.intake.child"
AT_ONCE_SECONDS = 1.0
"""A page waits no longer than this for a file to be read."""
AT_ONCE_KNOWN_ROWS = 5_000
"""With more rows in the version before, comparing takes longer than that."""
AT_ONCE_MB = 384
AT_ONCE_PLACES = 2
"""Children that read for pages at the same time, in one web process."""
WORKER_MB = 1536
WORKER_SECONDS = 120
"""Of the processor's time, for the biggest file that is accepted. A text of 200 MB takes about 10."""
MOST_PROBLEM_BYTES = 64 * 1024**2
HEARTBEAT_SECONDS = 5.0

_at_once = threading.BoundedSemaphore(AT_ONCE_PLACES)

Progress = Callable[[int, int, int], None]
"""(bytes read, bytes in all, rows so far); may raise to end the reading."""


class TakesLonger(Exception):
    """The file can't be read while a page waits: the worker has to."""


@dataclass
class Outcome:
    """What a file turned out to be. Rows and problems lie in the files that were asked for."""

    totals: Totals = field(default_factory=Totals)
    tally: Tally = field(default_factory=Tally)
    recognition: formats.Recognition = field(default_factory=formats.Recognition)
    readable: bool = False


def limits() -> formats.Limits:
    """What the platform accepts; the upload page states the same figures."""
    return formats.Limits(
        max_bytes=settings.DATASET_MAX_BYTES, max_rows=settings.DATASET_MAX_ROWS
    )


def sandbox_folder() -> Path:
    return Path(settings.VAR_DIR) / "sandbox"


def _limits_of_the_child(at_once: bool) -> sandbox.Limits:
    file_mb = 2 * limits().max_bytes // sandbox.MEGABYTE + 64
    if at_once:
        return sandbox.Limits(
            seconds=AT_ONCE_SECONDS, memory_mb=AT_ONCE_MB, file_mb=file_mb, nice=0
        )
    return sandbox.Limits(
        seconds=4 * WORKER_SECONDS,
        cpu_seconds=WORKER_SECONDS + 30,
        memory_mb=WORKER_MB,
        file_mb=file_mb,
    )


def read(
    import_: Import,
    *,
    rows: Path,
    problems: Path,
    broken: Path,
    at_once: bool,
    on_progress: Progress,
) -> Outcome:
    """Read the import's file. Good rows go to `rows` as blocks, problems to `problems`, what can be saved of the others to
    `broken`. Whatever the file holds, it is a
    problem in the report at worst. Raises TakesLonger where it is read `at_once`, and what `on_progress` raises.
    """
    parent = newest(import_.dataset) if import_.dataset else None
    with ExitStack() as stack:
        if at_once:
            stack.enter_context(_place_at_once(parent))
        files = {"upload": import_files.upload(import_)}
        if parent is not None:
            files["known"] = stack.enter_context(
                _known_rows(parent, rows.with_name(f"{rows.name}.known"))
            )
        box = stack.enter_context(
            sandbox.opened(
                CHILD, limits=_limits_of_the_child(at_once), files=files, folder=sandbox_folder()
            )
        )
        return _Reading(import_, box, at_once, on_progress).outcome(rows, problems, broken)


@contextmanager
def _place_at_once(parent: DatasetVersion | None) -> Iterator[None]:
    if parent is not None and parent.row_count > AT_ONCE_KNOWN_ROWS:
        raise TakesLonger
    if not _at_once.acquire(blocking=False):
        raise TakesLonger
    try:
        yield
    finally:
        _at_once.release()


@contextmanager
def _known_rows(version: DatasetVersion, path: Path) -> Iterator[Path]:
    """A file with the blocks of a version."""
    from datasets.services.blocks import Block

    try:
        with path.open("wb") as file:
            for place in places(version).iterator(chunk_size=8):
                stored = place.block
                write_frame(
                    file, Block(stored.content_hash, stored.row_count, bytes(stored.rows))
                )
        yield path
    finally:
        path.unlink(missing_ok=True)


class _Reading:
    """One file in one box."""

    def __init__(
        self, import_: Import, box: sandbox.Box, at_once: bool, on_progress: Progress
    ) -> None:
        self.import_, self.box, self.at_once, self.on_progress = (
            import_,
            box,
            at_once,
            on_progress,
        )
        self.last = (0, 0, 0)
        self.heard_at = time.monotonic()
        self.failure: formats.Problem | None = None

    def outcome(self, rows: Path, problems: Path, broken: Path) -> Outcome:
        answer = self._answer()
        outcome = Outcome()
        if answer is not None:
            outcome.readable = answer.readable
            outcome.recognition = child.shown(answer.recognition)
        self._take_rows(rows, outcome, whole=answer is not None)
        with ProblemLog(problems) as kept:
            self._take_problems(kept, outcome, answer)
        self._take_broken(broken)
        return outcome

    def _answer(self) -> child.Read | None:
        """What the child says of the file; None where it did not come to its end, and `failure` says why."""
        try:
            told = self.box.run(self._request(), on_message=self._hear, on_tick=self._tick)
            return msgspec.convert(told, child.Read)
        except sandbox.TooBig as too_big:
            if self.at_once:
                raise TakesLonger from None
            log.warning("import %s: %s", self.import_.pk, too_big)
            self.failure = child.stopped(too_big.limit)
        except (sandbox.Crashed, sandbox.Refused, msgspec.ValidationError) as broken:
            log.error("import %s broke the reader down: %r", self.import_.pk, broken)
            self.failure = BROKE_DOWN
        return None

    def _request(self) -> dict[str, Any]:
        asked = child.Asked(
            filename=self.import_.filename,
            limits=limits(),
            mapping=formats.ColumnMapping(**self.import_.mapping)
            if self.import_.mapping
            else None,
            fixes=list(self.import_.rule_fixes),
            encoding=self.import_.encoding,
            has_known="known" in self.box.inputs,
            stop_after_seconds=None if self.at_once else WORKER_SECONDS,
        )
        return msgspec.to_builtins(asked)  # type: ignore[no-any-return]

    def _hear(self, message: dict[str, Any]) -> None:
        done, total, rows = (_number(message.get(name)) for name in ("done", "total", "rows"))
        self.last = done, total, min(rows, limits().max_rows)
        self.heard_at = time.monotonic()
        self.on_progress(*self.last)

    def _tick(self) -> None:
        """Show that somebody is at work, also on a file of which nothing can be told until it is read."""
        if time.monotonic() - self.heard_at > HEARTBEAT_SECONDS:
            self.heard_at = time.monotonic()
            self.on_progress(*self.last)

    def _take_rows(self, path: Path, outcome: Outcome, *, whole: bool) -> None:
        most = self.box.limits.file_mb * sandbox.MEGABYTE
        try:
            with self.box.open(child.ROWS, most_bytes=most) as left, path.open("wb") as kept:
                for block in checked_blocks(left, limits(), outcome.totals, whole=whole):
                    write_frame(kept, block)
        except (sandbox.BadOutput, NotRows, BrokenFrames) as bad:
            if whole:
                log.error(
                    "import %s: what the reader left was not kept: %s", self.import_.pk, bad
                )
            path.write_bytes(b"")
            outcome.totals, outcome.readable = Totals(), False
            self.failure = self.failure or BROKE_DOWN

    def _take_problems(
        self, kept: ProblemLog, outcome: Outcome, answer: child.Read | None
    ) -> None:
        for problem in self._told_problems():
            outcome.tally.add(problem)
            kept.add(problem)
        listed = outcome.tally.total
        if answer is not None:
            outcome.tally.raise_counts(*_plausible(answer))
        more = [self.failure] if self.failure else []
        if outcome.tally.total > listed:
            more.append(_not_all_listed(listed, outcome.tally.total))
        for problem in map(storable, more):
            outcome.tally.add(problem)
            kept.add(problem)

    def _take_broken(self, path: Path) -> None:
        try:
            with self.box.open(child.BROKEN, most_bytes=broken_rows.MOST_BYTES) as left:
                broken_rows.keep(path, broken_rows.checked(left))
        except (sandbox.BadOutput, broken_rows.NotBroken) as bad:
            log.error(
                "import %s: broken rows that the reader left are not kept: %s",
                self.import_.pk,
                bad,
            )
            broken_rows.keep(path, iter(()))

    def _told_problems(self) -> Iterator[formats.Problem]:
        try:
            with self.box.open(child.PROBLEMS, most_bytes=MOST_PROBLEM_BYTES) as left:
                yield from checked_problems(left)
        except (sandbox.BadOutput, NotProblems) as bad:
            log.error(
                "import %s: problems that the reader left are not kept: %s", self.import_.pk, bad
            )
            self.failure = self.failure or BROKE_DOWN


def _number(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**40 else 0


def _plausible(answer: child.Read) -> tuple[dict[str, int], int]:
    most = 2 * limits().max_bytes  # a problem stands at a byte of its own, or with a row
    counts = {code: min(max(0, count), most) for code, count in answer.counts.items()}
    return counts, min(max(0, answer.bad_rows), most, 2**31 - 1)


def _not_all_listed(listed: int, total: int) -> formats.Problem:
    return formats.Problem(
        line=0,
        column=None,
        field="",
        code="problems_not_listed",
        severity="info",
        message=f"There are {total:,} problems; all are counted, and the first {min(listed, MOST_KEPT):,} are listed.",
        fix="Correct the commonest first and check the file again.",
    )


BROKE_DOWN = formats.Problem(
    line=0,
    column=None,
    field="",
    code="reader_broke_down",
    severity="error",
    message="The file can't be read: the reader broke down on it.",
    fix="Save it again with another program, as JSON lines or CSV for example, or send it in parts to see which one it is.",
)
