"""Tables (CSV and TSV; `sheets` has Excel) and written-out conversations, as objects with their lines."""

import csv
import re
from collections.abc import Iterator
from typing import Any

from datasets.formats.containers import lines_of, too_long
from datasets.formats.names import PAIRS, TURN_LISTS, plain_key, standard_role
from datasets.formats.rows import Limits, Problem, UnreadableFile, excerpt_of
from datasets.formats.sheets import Cells, TableLine, too_wide
from datasets.formats.strictjson import JsonFault, decode_utf8
from datasets.formats.transcripts import turn_table

_SPEAKER = re.compile(r"^\s*(?:[-*>]\s*)?\[?\**([A-Za-z][A-Za-z\- ]{0,24}?\s?\d{0,2})\**\]?\s*[:：]\**\s*(.*)$")


def delimiter_of(first_line: str, suffix: str) -> str:
    """The separator of a header line: the known ones, by how often they stand in it outside quotes."""
    bare = re.sub(r'"[^"]*"', "", first_line)
    counts = {mark: bare.count(mark) for mark in "\t,;|"}
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best]:
        return best
    return "\t" if suffix in (".tsv", ".tab") else ","


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

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
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
    message = "There is a NUL character (U+0000) in this record; databases and tokenizers refuse it."
    return JsonFault("null_character", line.index(b"\x00"), message, "Remove it, or save the file again as UTF-8.")


def csv_lines(chunks: Iterator[bytes], delimiter: str, limits: Limits) -> Iterator[TableLine]:
    """The records of a CSV file, each with its line; broken ones carry their problem. Raises `UnreadableFile`."""
    csv.field_size_limit(limits.max_row_bytes)
    lines = _Lines(chunks, limits)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.number + 1
        lines.record_bytes = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield TableLine(start, [], _csv_problem(start, str(error), limits))
            continue
        except _RecordTooLong:
            yield TableLine(start, [], _csv_problem(start, "field larger", limits))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)  # the old one is still inside that record
            continue
        if len(cells) > limits.max_columns:
            lines.fault = None
            yield TableLine(start, [], too_wide(start, len(cells), limits))
        elif lines.fault:
            number, fault = lines.fault
            lines.fault = None
            problem = _problem(number, fault.code, fault.message, fault.mend, column=fault.at + 1)
            yield TableLine(start, cells, problem)
        elif cells:
            yield TableLine(start, cells)


def _csv_problem(line: int, error: str, limits: Limits) -> Problem:
    if "unexpected end" in error:
        message = "A quote is opened here and never closed, so the rest of the file hangs on it."
        return _problem(
            line, "csv_open_quote", message, 'Close the quote ("); a quote inside a text is written twice ("").'
        )
    if "field larger" in error:
        message = f"One record holds more than {limits.max_row_bytes / 1024:,.0f} KB; a quote may be missing."
        return _problem(line, "row_too_long", message, 'Close the quote ("), or shorten the text.')
    message = "Quotes are misplaced in this record."
    return _problem(
        line, "csv_quotes", message, 'Put the whole text in quotes, and write a quote inside it twice ("").'
    )


def table_objects(lines: Iterator[TableLine]) -> Iterator[tuple[int, dict[str, str] | Problem]]:
    """(line, object) for each record under the header, or its problem. Cells of columns without a name are left out."""
    header: list[str] = []
    for record in lines:
        if record.problem and (header or record.problem.code != "too_many_columns"):
            yield record.line, record.problem
        elif not header:
            header = _header_of(record)
            if (
                sum(map(bool, header)) < 2
                and len(header) > 1
                and not known_columns({plain_key(name) for name in header})
            ):
                yield record.line, _title_line(record)
                header = []
        elif len(record.cells) > len(header) and any(str(cell).strip() for cell in record.cells[len(header) :]):
            message = f"The record has {len(record.cells)} cells, the header names {len(header)}."
            mend = "Put texts that hold the separator in quotes."
            yield (
                record.line,
                _problem(record.line, "csv_cells", message, mend, text=" | ".join(map(str, record.cells))),
            )
        elif any(str(cell).strip() for cell in record.cells):
            yield record.line, {name: cell for name, cell in zip(header, record.cells, strict=False) if name}


def _header_of(record: TableLine) -> list[str]:
    if record.problem and record.problem.code == "too_many_columns":
        raise UnreadableFile(record.problem.code, record.problem.message, record.problem.mend)
    return _header(record.cells)


def _title_line(record: TableLine) -> Problem:
    return Problem(
        line=record.line,
        column=None,
        field="",
        code="title_line",
        severity="info",
        message="This line above the column names was passed over.",
        mend="Nothing to do; delete it to silence this.",
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


def looks_like_transcript(head: str) -> bool:
    """Whether the first lines are a conversation written out: `Teacher: …`, `Student: …`."""
    lines = [line for line in head[:4000].splitlines() if line.strip()][:12]
    spoken = [found[1] for line in lines if (found := _SPEAKER.match(line)) and standard_role(found[1])]
    return len(spoken) >= 2 and len({standard_role(name) for name in spoken}) >= 2


def transcript_objects(chunks: Iterator[bytes], limits: Limits) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    """One dialogue for each block of lines; a blank line or a line of dashes ends it; lines without a speaker go on."""
    talk = _Talk(limits)
    for number, raw in lines_of(chunks, limits.max_row_bytes):
        try:
            line = decode_utf8(raw) if raw is not None else ""
        except JsonFault as fault:
            yield number, _problem(number, fault.code, fault.message, fault.mend, column=fault.at + 1)
            continue
        if raw is None:
            long = too_long(limits.max_row_bytes)
            yield number, _problem(number, long.code, long.message, long.mend)
            continue
        found = _SPEAKER.match(line)
        if not line.strip(" \t-=_*#"):
            yield from talk.ended()
        elif found and standard_role(found[1]):
            talk.speak(number, found[1].strip().lower(), found[2].strip())
        elif talk.turns:
            talk.go_on(line.strip())
        else:
            message = "Nobody is named as speaking this line."
            yield number, _problem(number, "no_speaker", message, "Begin it with “Teacher:” or “Student:”.", text=line)
    yield from talk.ended()


class _Talk:
    """A dialogue that is being written out, line by line; one that grows too long is given up, not held."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.start = self.size = 0
        self.turns: list[tuple[str, list[str]]] = []

    def speak(self, number: int, role: str, said: str) -> None:
        self.start = self.start if self.turns else number
        self._add(said)
        if not self._too_long:
            self.turns.append((role, [said]))

    def go_on(self, said: str) -> None:
        self._add(said)
        if not self._too_long:
            self.turns[-1][1].append(said)

    def _add(self, said: str) -> None:
        self.size += len(said) + 1

    @property
    def _too_long(self) -> bool:
        return self.size > self.limits.max_row_bytes

    def ended(self) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
        if self._too_long:
            long = too_long(self.limits.max_row_bytes)
            mend = "Put a blank line between two conversations."
            yield self.start, _problem(self.start, long.code, long.message, mend)
        elif self.turns:
            turns = [{"role": role, "content": "\n".join(said).strip()} for role, said in self.turns]
            yield self.start, {"dialogue": turns}
        self.turns, self.size = [], 0


def _problem(line: int, code: str, message: str, mend: str, *, column: int | None = None, text: str = "") -> Problem:
    return Problem(
        line=line,
        column=column if column and column > 0 else None,
        field="",
        code=code,
        severity="error",
        message=message,
        mend=mend,
        excerpt=excerpt_of(text),
    )
