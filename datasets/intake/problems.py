"""Problems of a file, counted and kept: in the child while it reads, and by the platform from what the child left."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from datasets import formats

ORDER = {"error": 0, "warning": 1, "info": 2}
SHOWN_LINES = 8
MOST_KEPT = 20_000
"""So many problems of one file are listed; all are counted."""
MOST_GROUPS = 200
LONGEST = {"field": 200, "message": 500, "fix": 500, "excerpt": 100}
LONGEST_LINE = 16 * 1024
_CODE = re.compile(r"[a-z0-9_]{1,60}")

_decode = msgspec.json.Decoder(formats.Problem).decode
_encode = msgspec.json.Encoder().encode


class NotProblems(Exception):
    """What should be a list of problems is none."""


@dataclass
class Tally:
    """Problems grouped by rule while the file is read, and how many rows were bad."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad_rows: int = 0
    last_bad_place: tuple[int, int] = (-1, -1)
    total: int = 0

    def add(self, problem: formats.Problem) -> None:
        """Count one problem; the first of its rule gives the group its words."""
        self.total += 1
        group = self.groups.setdefault(
            problem.code,
            {
                "code": problem.code,
                "severity": problem.severity,
                "message": problem.message,
                "fix": problem.fix,
                "fixable": problem.fixable,
                "count": 0,
                "lines": [],
            },
        )
        group["count"] += 1
        if len(group["lines"]) < SHOWN_LINES:
            group["lines"].append(problem.line)
        place = (problem.line, problem.item)
        if problem.severity == "error" and place != self.last_bad_place and problem.line > 0:
            self.bad_rows += 1
            self.last_bad_place = place

    def raise_counts(self, counts: dict[str, int], bad_rows: int) -> None:
        """Count what was too much to be listed: the highest that anybody counted is true."""
        for code, count in counts.items():
            if code in self.groups:
                more = max(0, count - self.groups[code]["count"])
                self.groups[code]["count"] += more
                self.total += more
        self.bad_rows = max(self.bad_rows, bad_rows)

    @property
    def counts(self) -> dict[str, int]:
        return {code: group["count"] for code, group in self.groups.items()}

    def sorted(self) -> list[dict[str, Any]]:
        """The groups, worst and commonest first."""
        return sorted(
            self.groups.values(), key=lambda group: (ORDER[group["severity"]], -group["count"])
        )

    @property
    def needs_a_person(self) -> bool:
        return any(group["severity"] != "info" for group in self.groups.values())


def storable(problem: formats.Problem) -> formats.Problem:
    """The problem in characters and lengths that a file and every database can hold: what is quoted may be anything."""
    texts = {name: shortened(getattr(problem, name), most) for name, most in LONGEST.items()}
    return msgspec.structs.replace(problem, **texts)


def shortened(text: str, most: int) -> str:
    return clean(text if len(text) <= most else f"{text[: most - 1]}…")


def clean(text: str) -> str:
    """The text without NUL and half characters."""
    return text.replace("\x00", "␀").encode("utf-8", "replace").decode("utf-8")


def write_problem(file: BinaryIO, problem: formats.Problem) -> None:
    file.write(_encode(problem) + b"\n")


def checked_problems(file: BinaryIO) -> Iterator[formats.Problem]:
    """The problems that a child wrote, each proven to be one; an unfinished last line is left out. Raises NotProblems."""
    codes: set[str] = set()
    for _ in range(MOST_KEPT + MOST_GROUPS):
        line = file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            if len(line) == LONGEST_LINE:
                raise NotProblems("a line without an end")
            return
        try:
            problem = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NotProblems("a line that is no problem") from None
        codes.add(problem.code)
        if (
            not _CODE.fullmatch(problem.code)
            or len(codes) > MOST_GROUPS
            or abs(problem.line) > 2**53
        ):
            raise NotProblems("a problem of no known kind")
        yield storable(problem)


class ProblemLog:
    """Writes problems to a compressed file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.file = gzip.open(path, "wb", compresslevel=3)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> "ProblemLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def add(self, problem: formats.Problem) -> None:
        self.file.write(_encode(problem) + b"\n")
