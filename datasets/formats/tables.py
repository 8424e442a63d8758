"""Tables (CSV and TSV; `sheets` has Excel) as objects with their lines."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from datasets.formats.columns import looks_like_record, numbered
from datasets.formats.containers import lines_of, too_long
from datasets.formats.names import PAIRS, TURN_LISTS, plain_key
from datasets.formats.rows import Limits, Problem, UnreadableFile, excerpt_of
from datasets.formats.sheets import Cells, TableLine, too_wide
from datasets.formats.strictjson import JsonFault, decode_utf8
from datasets.formats.transcripts import turn_table


def delimiter_of(first_line: str, suffix: str) -> str:
    """The separator of a header line: the known ones, by how often they stand in it outside quotes."""
    bare = re.sub(r'"[^"]*"', "", first_line)
    counts = {mark: bare.count(mark) for mark in "\t,;|"}
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best]:
        return best
    return "\t" if suffix in (".tsv", ".tab") else ","


def looks_like_table(head: str) -> bool:
    """Whether the first lines of a text all have the same number of tabs or semicolons: a table pasted without names."""
    lines = [line for line in head[:4000].splitlines() if line.strip()][:8]
    if head[:4000] != head and lines:
        lines.pop()  # may be cut through
    for mark in "\t;":
        counts = {line.count(mark) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            return True
    return False


def looks_like_header(first_line: str) -> bool:
    """Whether a first line names columns we know (for files whose name does not say what they are)."""
    try:
        cells = next(csv.reader([first_line], delimiter=delimiter_of(first_line, "")), [])
    except csv.Error:
        return False
    names = {plain_key(cell) for cell in cells}
    return len(names) > 1 and (bool(known_columns(names)) or {"role", "content"} <= names)


def known_columns(names: set[str]) -> bool:
    """Whether the columns are enough to know who says what."""
    pair = any(names & set(teacher) and names & set(student) for teacher, student, _ in PAIRS)
    return pair or bool(names & set(TURN_LISTS)) or turn_table(list(names)) is not None


_MOST_TAKEN_BACK = 20
"""Open quotes of one file behind which records are read once more: each costs a record of the longest kind."""


class _RecordTooLong(Exception):
    pass


class _Lines:
    """Text lines for csv.reader that remembers the line it is at and the first undecodable place of a record."""

    def __init__(self, chunks: Iterator[bytes], limits: Limits) -> None:
        self.lines = lines_of(chunks, limits.max_row_bytes)
        self.most = limits.max_row_bytes
        self.number = 0
        self.record_bytes = 0
        self.fault: tuple[int, JsonFault] | None = None
        self.record: list[tuple[int, str]] = []
        """The lines of the record that is being read, with their numbers."""
        self.again: deque[tuple[int, str]] = deque()
        self.taken_back = 0

    def begin_record(self) -> None:
        self.record_bytes = 0
        self.record = []

    def take_back(self) -> str:
        """Read all lines of the record but its first once more; gives that first one."""
        self.taken_back += 1
        self.again.extendleft(reversed(self.record[1:]))
        first = self.record[0][1]
        self.number = self.record[0][0]
        self.begin_record()
        return first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.again:
            number, text = self.again.popleft()
            self.number = number
            self.record_bytes += len(text)
        else:
            text = self._next_line()
        self.record.append((self.number, text))
        return text

    def _next_line(self) -> str:
        number, line = next(self.lines)
        self.number = number
        if line is None:
            self.fault = self.fault or (number, too_long(self.most))
            return "\n"
        self.record_bytes += len(line)
        if self.record_bytes > self.most:
            raise _RecordTooLong
        try:
            if b"\x00" in line:
                raise _nul_in_table(line)
            return decode_utf8(line) + "\n"
        except JsonFault as fault:
            self.fault = self.fault or (number, fault)
            return line.decode("utf-8", "replace").replace("\x00", "") + "\n"


def _nul_in_table(line: bytes) -> JsonFault:
    message = (
        "There is a NUL character (U+0000) in this record; databases and tokenizers refuse it."
    )
    return JsonFault(
        "null_character",
        line.index(b"\x00"),
        message,
        "Remove it, or save the file again as UTF-8.",
    )


def csv_lines(chunks: Iterator[bytes], delimiter: str, limits: Limits) -> Iterator[TableLine]:
    """The records of a CSV file, each with its line; broken ones carry their problem. Raises `UnreadableFile`."""
    csv.field_size_limit(limits.max_row_bytes)
    lines = _Lines(chunks, limits)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.again[0][0] if lines.again else lines.number + 1
        lines.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RecordTooLong) as error:
            reason = "field larger" if isinstance(error, _RecordTooLong) else str(error)
            problem = _csv_problem(start, reason, limits)
            broken: list[str] = []
            if "unexpected end" in reason and lines.taken_back < _MOST_TAKEN_BACK:
                # The records that the open quote swallowed are good ones: only the first line is broken.
                broken = lines.take_back().rstrip("\n").split(delimiter)
            elif lines.record:
                broken = (
                    "".join(text for _, text in lines.record)[:20_000]
                    .rstrip("\n")
                    .split(delimiter)
                )
            yield TableLine(start, [cell.strip('"') for cell in broken], problem)
            reader = csv.reader(
                lines, delimiter=delimiter, strict=True
            )  # the old one is still inside that record
            continue
        if len(cells) > limits.max_columns:
            lines.fault = None
            yield TableLine(start, [], too_wide(start, len(cells), limits))
        elif lines.fault:
            number, fault = lines.fault
            lines.fault = None
            problem = _problem(number, fault.code, fault.message, fault.fix, column=fault.at + 1)
            yield TableLine(start, cells, problem)
        elif cells:
            yield TableLine(start, cells)


def _csv_problem(line: int, error: str, limits: Limits) -> Problem:
    if "unexpected end" in error:
        message = "A quote is opened here and never closed, so the rest of the file hangs on it."
        return _problem(
            line,
            "csv_open_quote",
            message,
            'Close the quote ("); a quote inside a text is written twice ("").',
        )
    if "field larger" in error:
        message = f"One record holds more than {limits.max_row_bytes / 1024:,.0f} KB; a quote may be missing."
        return _problem(
            line, "row_too_long", message, 'Close the quote ("), or shorten the text.'
        )
    message = "Quotes are misplaced in this record."
    return _problem(
        line,
        "csv_quotes",
        message,
        'Put the whole text in quotes, and write a quote inside it twice ("").',
    )


@dataclass
class Header:
    """The names of a table's columns. `given`: whether its first line holds them; None: found out by that line."""

    given: bool | None = None
    names: list[str] = field(default_factory=list)
    titles: int = 0
    cells: Cells = field(default_factory=list)
    """Of the record that was read last."""


_MOST_TITLES = 5


def table_objects(
    lines: Iterator[TableLine], into: Header
) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """(line, object) for each record under the header, or its problem. Cells of columns without a name are left out."""
    header: list[str] = []
    for record in lines:
        into.cells = record.cells
        if record.problem and (header or record.problem.code != "too_many_columns"):
            yield record.line, record.problem
        elif not header:
            if not record.problem and not any(str(cell).strip() for cell in record.cells):
                continue
            header = _header_of(record)
            if _is_title(header, into):
                into.titles += 1
                yield record.line, _title_line(record)
                header = []
            elif _is_record(record, header, into):
                into.given = False
                into.names = header = numbered(len(record.cells))
                yield record.line, dict(zip(header, record.cells, strict=True))
            else:
                into.given = True
                into.names = header
        elif len(record.cells) > len(header) and any(
            str(cell).strip() for cell in record.cells[len(header) :]
        ):
            message = (
                f"The record has {len(record.cells)} cells, the header names {len(header)}."
            )
            fix = "Put texts that hold the separator in quotes."
            yield (
                record.line,
                _problem(
                    record.line,
                    "csv_cells",
                    message,
                    fix,
                    text=" | ".join(map(str, record.cells)),
                ),
            )
        elif any(str(cell).strip() for cell in record.cells):
            yield (
                record.line,
                {name: cell for name, cell in zip(header, record.cells, strict=False) if name},
            )


def _is_title(header: list[str], into: Header) -> bool:
    """One text alone above the names of the columns."""
    if sum(map(bool, header)) > 1 or into.titles >= _MOST_TITLES or into.given is False:
        return False
    return not known_columns({plain_key(name) for name in header})


def _is_record(record: TableLine, header: list[str], into: Header) -> bool:
    """Whether the line that should name the columns is the first record."""
    if into.given is not None:
        return not into.given
    return not known_columns({plain_key(name) for name in header}) and looks_like_record(
        record.cells
    )


def _header_of(record: TableLine) -> list[str]:
    if record.problem and record.problem.code == "too_many_columns":
        raise UnreadableFile(record.problem.code, record.problem.message, record.problem.fix)
    return _header(record.cells)


def _title_line(record: TableLine) -> Problem:
    return Problem(
        line=record.line,
        column=None,
        field="",
        code="title_line",
        severity="info",
        message="This line above the column names was passed over.",
        fix="Nothing to do; delete it to silence this.",
        excerpt=excerpt_of(" ".join(map(str, record.cells))),
    )


def _header(cells: Cells) -> list[str]:
    seen: set[str] = set()
    names = []
    for cell in cells:
        name = str(cell).strip().strip("\ufeff")
        while name in seen and name:
            name += "_2"
        seen.add(name)
        names.append(name)
    return names


def _problem(
    line: int, code: str, message: str, fix: str, *, column: int | None = None, text: str = ""
) -> Problem:
    return Problem(
        line=line,
        column=column if column and column > 0 else None,
        field="",
        code=code,
        severity="error",
        message=message,
        fix=fix,
        excerpt=excerpt_of(text),
    )
