"""One file read and checked whole: what `check_dataset` prints and the upload page shows."""

from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from datasets.checks.reporting import report
from datasets.checks.tokens import CountTokens
from datasets.formats import Limits, Problem, Reader, Row, UnreadableFile, read

MOST_PROBLEMS = 10_000
"""So many problems of one file are listed; all are counted."""


class FileReport(msgspec.Struct, kw_only=True):
    """A file's report. `shape` is None where the file could not be read at all; `rows` counts good and refused rows."""

    file: str
    shape: str | None
    recognised: str
    rows: int
    good_rows: int
    problems: list[Problem]
    quality: dict[str, Any]
    privacy: list[dict[str, Any]]
    readable: bool

    def exit_code(self) -> int:
        """0 clean (warnings allowed), 1 with errors, 2 unreadable."""
        if not self.readable:
            return 2
        return 1 if any(problem.severity == "error" for problem in self.problems) else 0

    def as_json(self) -> dict[str, Any]:
        """The object that `check_dataset --json` prints."""
        return {
            "file": self.file,
            "shape": self.shape,
            "rows": self.rows,
            "good_rows": self.good_rows,
            "problems": [_told(problem) for problem in self.problems],
            "quality": self.quality,
            "privacy": [
                {key: finding[key] for key in ("line", "field", "kind", "excerpt")}
                for finding in self.privacy
            ],
        }


def check_file(
    source: BinaryIO | Path,
    *,
    filename: str,
    limits: Limits | None = None,
    shape: str = "auto",
    count_tokens: CountTokens | None = None,
) -> FileReport:
    """Reads and checks a file; never raises for what is in it. Refusals come as one problem with line 0."""
    contents = _Contents()
    try:
        reader = read(source, filename=filename, limits=limits or Limits(), shape=shape)
        contents.read(reader)
    except UnreadableFile as refusal:
        contents.refuse(refusal)
    checked = report(contents.rows, count_tokens=count_tokens)
    return FileReport(
        file=filename,
        shape=_main_shape(contents.rows, shape) if contents.readable else None,
        recognised=contents.recognised,
        rows=len(contents.rows) + len(contents.refused),
        good_rows=len(contents.rows),
        problems=[*contents.problems, *checked.problems],
        quality={"recognised": contents.recognised, **checked.quality}
        if contents.readable
        else {},
        privacy=[finding.as_dict() for finding in checked.privacy],
        readable=contents.readable,
    )


class _Contents:
    """What came out of one file."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.problems: list[Problem] = []
        self.refused: set[int] = set()
        self.readable, self.recognised = True, ""

    def read(self, reader: Reader) -> None:
        for item in reader:
            if isinstance(item, Row):
                self.rows.append(item)
                continue
            if item.severity == "error":
                self.refused.add(item.line)
            if len(self.problems) < (2 if item.severity == "error" else 1) * MOST_PROBLEMS:
                self.problems.append(item)
        self.recognised = reader.recognition.sentence()
        if not self.rows and not self.refused:
            self.problems.append(_no_rows())

    def refuse(self, refusal: UnreadableFile) -> None:
        """A file that broke off half-way still has the rows before the break, as on the page."""
        self.problems.insert(0, refusal.as_problem())
        self.readable = bool(self.rows)


def _told(problem: Problem) -> dict[str, Any]:
    """A problem as the command prints it; where no field is at fault, `field` gives the column of the line."""
    place = problem.field or (f"column {problem.column}" if problem.column else "")
    return {
        "line": problem.line,
        "field": place,
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "fix": problem.fix,
    }


def _main_shape(rows: list[Row], asked: str) -> str:
    """The shape of most rows; the one asked for, or unknown, where there are none."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.shape] = counts.get(row.shape, 0) + 1
    return (
        max(counts, key=lambda shape: counts[shape])
        if counts
        else (asked if asked != "auto" else "unknown")
    )


def _no_rows() -> Problem:
    return Problem(
        line=0,
        column=None,
        field="",
        code="no_rows",
        severity="error",
        message="The file can be read, but there are no rows in it.",
        fix="Add rows, or choose another file.",
    )
