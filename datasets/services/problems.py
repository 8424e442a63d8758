"""The problems of an import, kept beside its file: written once (`datasets.intake`), read by the page that shows them."""

import csv
import gzip
from collections.abc import Iterator
from io import StringIO
from typing import Any

import msgspec

from datasets import formats
from datasets.models import Import
from datasets.services import import_files

COLUMNS = ("line", "column", "field", "severity", "code", "message", "fix", "excerpt")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_decode = msgspec.json.Decoder(formats.Problem).decode


def problems_of(
    import_: Import, *, severity: str = "", code: str = ""
) -> Iterator[formats.Problem]:
    """The problems in the order of the file, all or those of one severity or rule."""
    path = import_files.problems(import_)
    if not path.exists():
        return
    with gzip.open(path, "rb") as file:
        for line in file:
            problem = _decoded(line)
            if severity in ("", problem.severity) and code in ("", problem.code):
                yield problem


def _decoded(line: bytes) -> formats.Problem:
    """Also of an import that was read before `fix` was called so."""
    try:
        return _decode(line)
    except msgspec.ValidationError:
        found = msgspec.json.decode(line, type=dict[str, Any])
        found["fix"] = found.pop("mend", "")  # an earlier name
        return msgspec.convert(found, formats.Problem)


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
