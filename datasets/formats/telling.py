"""What the reader tells of a line that no row rule is about: blank, mended, no JSON, another shape, unknown columns."""

import json

from datasets.formats.containers import Piece
from datasets.formats.mends import MENDS
from datasets.formats.rows import Problem, Row, excerpt_of
from datasets.formats.strictjson import JsonFault


def blank_line(line: int, more: int = 0) -> Problem:
    """`more`: blank lines after it that are not told one by one."""
    message = "The line is blank and was passed over."
    if more:
        message = f"The line is blank and was passed over, and so were {more:,} blank lines after it."
    return Problem(
        line=line,
        column=None,
        field="",
        code="blank_line",
        severity="info",
        message=message,
        mend="Nothing to do.",
        fixable=True,
    )


def unknown_columns(columns: list[str]) -> Problem:
    return Problem(
        line=1,
        column=None,
        field="",
        code="unknown_columns",
        severity="warning",
        message=f"The first line should name the columns; nobody knows {', '.join(f'“{name[:30]}”' for name in columns[:6])}.",
        mend="Say which column is the teacher's and which the student's, or add a first line such as: question,answer.",
    )


def mended_by(line: int, code: str) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="",
        code=f"mended_{code}",
        severity="info",
        message=f"Mended on the way in: {MENDS[code]}.",
        mend="Nothing to do.",
    )


def json_problem(piece: Piece, fault: JsonFault) -> Problem:
    text = piece.raw.decode("utf-8", "replace")
    before = text[: max(0, fault.at)]
    breaks = before.count("\n")
    column = len(before) - before.rfind("\n") if breaks else piece.column + len(before)
    return Problem(
        line=piece.line + breaks,
        column=column if fault.at >= 0 else None,
        field="",
        code=fault.code,
        severity="error",
        message=fault.message,
        mend=fault.mend,
        excerpt=excerpt_of(text, max(0, fault.at)),
        fixable=fault.fixable,
    )


def other_shape(row: Row, wanted: str) -> Problem:
    return Problem(
        line=row.line,
        column=None,
        field="",
        code="other_shape",
        severity="error",
        message=f"The row is of the shape “{row.shape}”, not “{wanted}”.",
        mend="Choose “auto”, or convert the row after the import.",
        excerpt=json.dumps(row.messages, ensure_ascii=False)[:60],
    )
