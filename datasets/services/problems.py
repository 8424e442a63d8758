"""The problems of an import, kept beside its file: written once, read by the page that shows them."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from datasets import formats
from datasets.models import Import

ORDER = {"error": 0, "warning": 1, "info": 2}
SHOWN_LINES = 8
COLUMNS = ("line", "column", "field", "severity", "code", "message", "mend", "excerpt")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_decode = msgspec.json.Decoder(formats.Problem).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class Tally:
    """Problems grouped by rule while the file is read, and how many rows were bad."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad_rows: int = 0
    last_bad_line: int = -1

    def add(self, problem: formats.Problem) -> None:
        """Count one problem; the first of its rule gives the group its words."""
        group = self.groups.setdefault(
            problem.code,
            {
                "code": problem.code,
                "severity": problem.severity,
                "message": problem.message,
                "mend": problem.mend,
                "fixable": problem.fixable,
                "count": 0,
                "lines": [],
            },
        )
        group["count"] += 1
        if len(group["lines"]) < SHOWN_LINES:
            group["lines"].append(problem.line)
        if problem.severity == "error" and problem.line != self.last_bad_line and problem.line > 0:
            self.bad_rows += 1
            self.last_bad_line = problem.line

    def sorted(self) -> list[dict[str, Any]]:
        """The groups, worst and commonest first."""
        return sorted(self.groups.values(), key=lambda group: (ORDER[group["severity"]], -group["count"]))

    @property
    def needs_a_person(self) -> bool:
        return any(group["severity"] != "info" for group in self.groups.values())


def storable(problem: formats.Problem) -> formats.Problem:
    """The problem in characters that a file and every database can hold: what is quoted may be anything at all."""
    texts = {name: clean(getattr(problem, name)) for name in ("field", "message", "mend", "excerpt")}
    return msgspec.structs.replace(problem, **texts)


def clean(text: str) -> str:
    """The text without NUL and half characters."""
    return text.replace("\x00", "␀").encode("utf-8", "replace").decode("utf-8")


class ProblemLog:
    """Writes problems to a compressed file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.file = gzip.open(path, "wb", compresslevel=3)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> "ProblemLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def add(self, problem: formats.Problem) -> None:
        self.file.write(_encode(problem) + b"\n")


def problems_of(import_: Import, *, severity: str = "", code: str = "") -> Iterator[formats.Problem]:
    """The problems in the order of the file, all or those of one severity or rule."""
    if not import_.problems_path.exists():
        return
    with gzip.open(import_.problems_path, "rb") as file:
        for line in file:
            problem = _decode(line)
            if severity in ("", problem.severity) and code in ("", problem.code):
                yield problem


def as_csv(import_: Import) -> Iterator[str]:
    """The problems as CSV lines, a heading first; cells that a spreadsheet would run as a formula are made text."""
    yield _csv_line(COLUMNS)
    for problem in problems_of(import_):
        yield _csv_line([_cell(getattr(problem, name)) for name in COLUMNS])


def _csv_line(cells: Any) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
