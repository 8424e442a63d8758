"""One JSON value to one row: recognised, checked, repaired. The reader and the platform use the same."""

from collections.abc import Collection
from typing import Any

from datasets.formats.containers import Piece
from datasets.formats.fixes import VALUE_FIXES
from datasets.formats.rows import ColumnMapping, Limits, Problem, Row, RowFault
from datasets.formats.rules import check_row
from datasets.formats.shapes import shaped
from datasets.formats.strictjson import JsonFault, parse

_DEFAULT_LIMITS = Limits()


def from_object(
    value: Any, *, line: int = 1, limits: Limits = _DEFAULT_LIMITS
) -> tuple[Row | None, list[Problem]]:
    """The row in one JSON value and its problems; None in place of the row where any of them is an error."""
    row, problems, _ = row_of(value, line, limits, None)
    return row, problems


def row_of(
    value: Any, line: int, limits: Limits, mapping: ColumnMapping | None
) -> tuple[Row | None, list[Problem], str]:
    try:
        row, noticed, name = shaped(value, line=line, mapping=mapping)
    except RowFault as fault:
        unknown = any(problem.code == "unknown_shape" for problem in fault.problems)
        return None, fault.problems, "unknown" if unknown else "broken"
    problems = check_row(row, limits)
    if problems:
        noticed = noticed + problems
        if any(problem.severity == "error" for problem in problems):
            return None, noticed, "broken"
    return row, noticed, name


def parsed(piece: Piece, limits: Limits) -> Any:
    """The value in a piece; None where it is broken."""
    if piece.fault is not None or not piece.raw:
        return None
    try:
        return parse(piece.raw, max_depth=limits.max_depth)
    except JsonFault:
        return None


def repaired(
    value: Any, problems: list[Problem], allowed: Collection[str]
) -> tuple[Any, str | None]:
    for problem in problems:
        code = problem.code
        if code in allowed and code in VALUE_FIXES:
            changed = VALUE_FIXES[code](value)
            if changed != value:
                return changed, code
    return value, None
