"""What the reader tells of a line that no row rule is about: blank, fixed, no JSON, another shape, unknown columns."""

import json

from datasets.formats.containers import Piece
from datasets.formats.fixes import FIXES
from datasets.formats.rows import Limits, Problem, Row, UnreadableFile, excerpt_of
from datasets.formats.strictjson import JsonFault


def blank_line(line: int, more: int = 0) -> Problem:
    """`more`: blank lines after it that are not told one by one."""
    message = "The line is blank and was passed over."
    if more:
        message = (
            f"The line is blank and was passed over, and so were {more:,} blank lines after it."
        )
    return Problem(
        line=line,
        column=None,
        field="",
        code="blank_line",
        severity="info",
        message=message,
        fix="Nothing to do.",
        fixable=True,
    )


def unknown_columns(columns: list[str], *, named: bool = True, line: int = 1) -> Problem:
    """`named`: whether the table's first line names its columns at all."""
    message = "The first line is a row already, so nothing says which column is whose."
    if named:
        told = ", ".join(f"“{name[:30]}”" for name in columns[:6])
        message = f"The first line should name the columns; nobody knows {told}."
    return Problem(
        line=line,
        column=None,
        field="",
        code="unknown_columns",
        severity="warning",
        message=message,
        fix="Say which column is the teacher's and which the student's, or add a first line such as: question,answer.",
    )


def encoding_guessed(name: str, *, sure: bool) -> Problem:
    """The file's bytes are no UTF-8, and nothing in it says what they are."""
    how = (
        "Nothing to do."
        if sure
        else "Compare the samples on the report, and choose the encoding that reads right."
    )
    message = f"The file does not say its encoding; it was read as {name}."
    if not sure:
        message = f"Nobody can be sure of the file's encoding; it was read as {name}."
    return Problem(
        line=0,
        column=None,
        field="",
        code="encoding_guessed",
        severity="info" if sure else "warning",
        message=message,
        fix=how,
    )


def undecodable(count: int, name: str) -> Problem:
    marks = "1 byte means" if count == 1 else f"{count:,} bytes mean"
    return Problem(
        line=0,
        column=None,
        field="",
        code="undecodable",
        severity="warning",
        message=f"{marks} nothing in {name}; � stands in the text there.",
        fix="Choose another encoding on the report, or look for � in the rows.",
    )


def fixed_by(line: int, code: str) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="",
        code=f"fixed_{code}",
        severity="info",
        message=f"Fixed on the way in: {FIXES[code]}.",
        fix="Nothing to do.",
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
        fix=fault.fix,
        excerpt=excerpt_of(text, max(0, fault.at)),
        fixable=fault.fixable,
        item=piece.item,
    )


def other_shape(row: Row, wanted: str) -> Problem:
    return Problem(
        line=row.line,
        column=None,
        field="",
        code="other_shape",
        severity="error",
        message=f"The row is of the shape “{row.shape}”, not “{wanted}”.",
        fix="Choose “auto”, or convert the row after the import.",
        excerpt=json.dumps(row.messages, ensure_ascii=False)[:60],
    )


def too_many_problems(limits: Limits) -> UnreadableFile:
    message = f"The file has more than {limits.max_problems:,} problems, so it was not read to its end."
    how = "Correct the commonest one first, or check that it is the file you meant."
    return UnreadableFile("too_many_problems", message, how)


def no_rows_recognised() -> UnreadableFile:
    message = "No rows can be recognised in this text."
    how = "Write “Teacher: …” and “Student: …” lines, JSON, or a table whose first line names its columns."
    return UnreadableFile("plain_text", message, how)


def nobody_named() -> UnreadableFile:
    message = "This transcript does not say who speaks."
    how = "Save it with the speakers' names, or write “Teacher: …” and “Student: …” lines."
    return UnreadableFile("plain_text", message, how)


def empty_table() -> UnreadableFile:
    message = "The table has a header at most, but no records."
    return UnreadableFile(
        "empty_table", message, "Put a header in the first line and a record in each line below."
    )
