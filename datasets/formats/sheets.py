"""Excel sheets (.xlsx) as records with their lines. The file is hostile until proven otherwise: XML packed in a zip.

Nothing in it is believed: not its dimensions, not the number of a row, not the names of its members. No member may
declare entities (a text of 3 KB then grows to 3 GB), nothing is fetched, links to other files are not followed.
"""

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from datasets.formats.rows import Limits, Problem, UnreadableFile

Cells = list[Any]
LAST_ROW = 1_048_576  # Excel's own
_PROLOG_BYTES = 256 * 1024
_PIECE = 64 * 1024
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, NotImplementedError),
    *(
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        AssertionError,
        OverflowError,
        RuntimeError,
    ),
)
"""What openpyxl raises on files that are not what they say: it checks little, so that its own slips mean the same."""


class TableLine:
    """One record of a table with the line it starts on, or what is wrong with it."""

    __slots__ = ("cells", "line", "problem")

    def __init__(self, line: int, cells: Cells, problem: Problem | None = None) -> None:
        self.line, self.cells, self.problem = line, cells, problem


def sheet_lines(file: BinaryIO, limits: Limits) -> Iterator[TableLine]:
    """The records of the first sheet of an .xlsx file that has any. Raises `UnreadableFile`."""
    try:
        _refuse_hostile_members(file, limits)
        yield from _first_filled_sheet(file, limits)
    except _DAMAGED as error:
        message = f"The Excel file is damaged ({type(error).__name__})."
        how = "Open it in Excel and save it again, or save it as CSV."
        raise UnreadableFile("xlsx_damaged", message, how) from None


def _refuse_hostile_members(file: BinaryIO, limits: Limits) -> None:
    """Too many members, or one that declares a document type, which no spreadsheet program writes."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > limits.max_members:
            message = f"The Excel file holds {len(entries):,} members; {limits.max_members:,} is the limit here."
            raise UnreadableFile(
                "too_many_members", message, "Save the one sheet with the rows as CSV."
            )
        for entry in entries:
            with archive.open(entry) as member:
                if _declares_a_type(member):
                    message = f"{entry.filename[:80]} in the Excel file declares XML entities, which can fill up memory."
                    how = "Open it in Excel or LibreOffice and save it again; they write none."
                    raise UnreadableFile("xlsx_entities", message, how)
    file.seek(0)


def _declares_a_type(member: Any) -> bool:
    """Whether something of the kind stands before an XML member's first tag, the only place where it may."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    parser = DefusedXMLParser(target=_UntilFirstTag(), forbid_dtd=True)
    left = _PROLOG_BYTES
    try:
        while left > 0 and (piece := member.read(_PIECE)):
            parser.feed(piece)
            left -= len(piece)
    except DefusedXmlException:
        return True
    except (_FirstTag, ParseError, ValueError, LookupError):
        return False  # a picture, say, or XML that its reader will refuse
    return left <= 0


class _FirstTag(Exception):
    pass


class _UntilFirstTag:
    def start(self, tag: str, attributes: dict[str, str]) -> None:
        raise _FirstTag

    def close(self) -> None:
        return


def _first_filled_sheet(file: BinaryIO, limits: Limits) -> Iterator[TableLine]:
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    for sheet in book.worksheets:
        found = False
        for number, cells in _rows_of(sheet):
            if not 1 <= number <= LAST_ROW:
                raise ValueError(number)
            values, problem = _values(number, cells, limits)
            if problem or any(values):
                found = True
                yield TableLine(number, values, problem)
        if found:
            break
    book.close()


def _rows_of(sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(row number, cells) as they stand in the file. openpyxl's own rows fill every gap: one cell in row 1,048,576 would
    be a million rows, and one stated width of 16,384 columns would hold for each of them.
    """
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):
        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            formula = element.find(FORMULA_TAG) if cell["value"] is None else None
            if formula is not None:
                cell["formula"] = (
                    f"{element.get('r') or ''} holds a formula ({('=' + (formula.text or ''))[:40]})"
                )
            return cell

    book = sheet.parent
    with sheet._get_source() as source:
        yield from Parser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        ).parse()


def _values(
    number: int, cells: list[dict[str, Any]], limits: Limits
) -> tuple[Cells, Problem | None]:
    """The cells as texts, each at its column, and what is wrong with the record."""
    filled = [cell for cell in cells if cell["value"] is not None]
    width = max((cell["column"] for cell in filled), default=0)
    if width > limits.max_columns:
        return [], too_wide(number, width, limits)
    values: Cells = [""] * width
    for cell in filled:
        if cell["column"] < 1:
            raise ValueError(cell["column"])
        values[cell["column"] - 1] = _cell_text(cell["value"])
    return values, _formula_problem(number, cells)


def too_wide(line: int, columns: int, limits: Limits) -> Problem:
    """A record that reaches into more columns than a table may have."""
    return Problem(
        line=line,
        column=None,
        field="",
        code="too_many_columns",
        severity="error",
        message=f"Line {line:,} has a cell in column {columns:,}; {limits.max_columns:,} is the limit here.",
        fix="Delete what stands far to the right; in CSV, put texts that hold the separator in quotes.",
    )


def _formula_problem(number: int, cells: list[dict[str, Any]]) -> Problem | None:
    """A formula without its result: a program wrote the file, and no spreadsheet has computed it yet."""
    formula = next((cell["formula"] for cell in cells if "formula" in cell), None)
    if formula is None:
        return None
    return Problem(
        line=number,
        column=None,
        field="",
        code="formula_without_value",
        severity="error",
        message=f"Cell {formula} whose result is not in the file.",
        fix="Open the file in Excel or LibreOffice and save it, or paste the column as values; then upload it again.",
    )


def _cell_text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
