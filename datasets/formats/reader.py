"""The reader: a file in, rows and problems out, in the order of the file."""

import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, BinaryIO

from datasets.formats.containers import (
    BlankLines,
    Piece,
    Splitter,
    container_of,
    is_wrapped,
    line_batches,
    pieces_of,
    unfenced,
)
from datasets.formats.mends import VALUE_MENDS, mend
from datasets.formats.names import plain_key
from datasets.formats.plainchat import PlainRun, plain_chat_reader
from datasets.formats.rows import (
    ColumnMapping,
    Limits,
    Problem,
    Recognition,
    Row,
    RowFault,
    UnreadableFile,
)
from datasets.formats.rules import check_row
from datasets.formats.shapes import expanded, shaped
from datasets.formats.sheets import sheet_lines
from datasets.formats.source import Progress, Source
from datasets.formats.strictjson import JsonFault, parse
from datasets.formats.tables import (
    csv_lines,
    delimiter_of,
    known_columns,
    looks_like_header,
    looks_like_transcript,
    table_objects,
    transcript_objects,
)
from datasets.formats.telling import blank_line, json_problem, mended_by, other_shape, unknown_columns
from datasets.formats.transcripts import grouped_turns, turn_table

_DEFAULT_LIMITS = Limits()
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".jl")
_TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
_MOST_MENDS_A_ROW = 6


def read(
    source: BinaryIO | Path,
    *,
    filename: str,
    limits: Limits = _DEFAULT_LIMITS,
    shape: str = "auto",
    mapping: ColumnMapping | None = None,
    mends: Collection[str] = frozenset(),
    on_progress: Progress | None = None,
) -> "Reader":
    """See the package: an iterator of `Row | Problem` with `.recognition`. Raises `UnreadableFile`, here or on the
    way.
    """
    return Reader(source, filename, limits, shape, mapping, frozenset(mends), on_progress)


class Reader:
    """Iterates once. A context manager; a path it opened is closed at the end of the file or of the `with`."""

    def __init__(
        self,
        source: BinaryIO | Path,
        filename: str,
        limits: Limits,
        shape: str,
        mapping: ColumnMapping | None,
        mends: frozenset[str],
        on_progress: Progress | None,
    ) -> None:
        self.limits, self.shape, self.mapping, self.mends = limits, shape, mapping, mends
        self.suffix = _suffix(filename)
        self.source = Source(source, limits, on_progress)
        self.recognition = Recognition(encoding=self.source.encoding, compressed=self.source.compressed)
        self.rows = 0
        self.fenced = False
        self._plain = plain_chat_reader(limits)
        self._by_turns = False
        """The records are turns, put together already: a person's mapping has been followed."""
        self._runs = self._read()
        self._items = self._one_by_one()

    def __iter__(self) -> Iterator[Row | Problem]:
        return self._items

    def __next__(self) -> Row | Problem:
        return next(self._items)

    def runs(self) -> Iterator[Row | Problem | PlainRun]:
        """The same as iterating, but plain chat rows that follow one another come in one piece, several times as fast."""
        return self._runs

    def _one_by_one(self) -> Iterator[Row | Problem]:
        for item in self._runs:
            if isinstance(item, PlainRun):
                yield from item.rows()
            else:
                yield item

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()

    def _read(self) -> Iterator[Row | Problem | PlainRun]:
        problems = 0
        try:
            for item in self._by_container():
                yield item
                problems += isinstance(item, Problem)
                if problems > self.limits.max_problems:
                    raise self._too_many_problems()
        finally:
            self.source.close()
        if self.source.on_progress:
            self.source.on_progress(self.source.total, self.source.total, self.rows)

    def _too_many_problems(self) -> UnreadableFile:
        message = f"The file has more than {self.limits.max_problems:,} problems, so it was not read to its end."
        return UnreadableFile(
            "too_many_problems", message, "Correct the commonest one first, or check that it is the file you meant."
        )

    def _by_container(self) -> Iterator[Row | Problem | PlainRun]:
        if self.source.is_sheet:
            self.recognition.container = "xlsx"
            yield from self._table(table_objects(sheet_lines(self.source.file, self.limits)))
            return
        head = self.source.head.decode("utf-8", "replace")
        start = head.lstrip(" \t\r\n\ufeff")
        if start.startswith("```"):
            self.fenced = True
            head = start = start.partition("\n")[2].lstrip()
        first_line = re.split(r"[\r\n]", start, maxsplit=1)[0].strip()
        if self._is_json(start, first_line):
            yield from self._json(head)
        elif self.suffix in _TABLE_SUFFIXES or looks_like_header(first_line):
            delimiter = delimiter_of(first_line, self.suffix)
            self.recognition.container = "tsv" if delimiter == "\t" else "csv"
            yield from self._table(table_objects(csv_lines(self._chunks(), delimiter, self.limits)))
        elif looks_like_transcript(start):
            self.recognition.container = "transcript"
            self.recognition.sure = "likely"
            yield from self._values(transcript_objects(self._chunks(), self.limits))
        else:
            message = "No rows can be recognised in this text."
            how = "Write “Teacher: …” and “Student: …” lines, JSON, or a table whose first line names its columns."
            raise UnreadableFile("plain_text", message, how)

    def _is_json(self, start: str, first_line: str) -> bool:
        if self.suffix in _JSON_SUFFIXES:
            return not (start[:1].isalpha() and (looks_like_header(first_line) or looks_like_transcript(start)))
        if start[:1] == "{":
            return True
        if start[:1] == "[":
            return bool(re.match(r"\[\s*[\[{\"\]\d]", start))
        return False

    def _chunks(self) -> Iterator[bytes]:
        chunks = self.source.chunks()
        return unfenced(chunks) if self.fenced else chunks

    # JSON ------------------------------------------------------------------------------------------------------------

    def _json(self, head: str) -> Iterator[Row | Problem | PlainRun]:
        container = "json_array" if is_wrapped(head, self.suffix) else container_of(head, self.suffix)
        self.recognition.container = container
        if container == "jsonl":
            yield from self._lines()
            return
        wrapped = head.lstrip().startswith("{") and container == "json_array"
        pieces = Splitter(
            self._chunks(), self.limits.max_row_bytes, array=container == "json_array", wrapped=wrapped
        ).pieces()
        yield from self._pieces(pieces)

    def _pieces(self, pieces: Iterator[Piece]) -> Iterator[Row | Problem | PlainRun]:
        """Values one by one; or, where the first is a turn of a transcript, all of them as the turns of a lesson."""
        first = next(pieces, None)
        if first is None:
            return
        everything = chain([first], pieces)
        value = _parsed(first, self.limits)
        turns = turn_table(list(value), self.mapping) if isinstance(value, dict) and len(value) > 1 else None
        if turns is None or not (turns.speaker in value and isinstance(value.get(turns.text), str)):
            for piece in everything:
                yield from self._piece(piece)
            return
        self._by_turns = True
        self.recognition.columns = list(value)
        objects = ((piece.line, _parsed(piece, self.limits)) for piece in everything)
        yield from self._values(
            grouped_turns(((line, item) for line, item in objects if isinstance(item, dict)), turns)
        )

    def _lines(self) -> Iterator[Row | Problem | PlainRun]:
        """JSON lines: those of a chunk together where all are plain chat rows, else line by line."""
        longest, blank = self.limits.max_row_bytes, BlankLines()
        for first, lines in line_batches(self._chunks(), longest):
            if run := self._plain_run(first, lines):
                for piece in blank.pieces():
                    yield from self._piece(piece)
                yield run
                continue
            for piece in pieces_of(first, lines, blank, longest):
                single = self._plain_run(piece.line, [piece.raw]) if piece.fault is None else None
                if single:
                    yield single
                else:
                    yield from self._piece(piece)

    def _plain_run(self, first: int, lines: list[bytes | None]) -> PlainRun | None:
        if self.mapping is not None or self.shape not in ("auto", "messages"):
            return None
        if self.rows + len(lines) > self.limits.max_rows:
            return None
        run = self._plain(first, lines)
        if run is not None:
            self.rows = self.source.rows_so_far = self.rows + len(run)
            self.recognition.shapes["messages"] = self.recognition.shapes.get("messages", 0) + len(run)
        return run

    def _piece(self, piece: Piece) -> Iterator[Row | Problem]:
        fault = piece.fault
        if fault is None and not piece.raw:
            if not (self.fenced and piece.line == 1):
                yield blank_line(piece.line, piece.more)
            return
        text: str | None = None
        mended: list[str] = []
        while fault is None or fault.code in self.mends:
            if fault is not None:
                repaired = mend(text if text is not None else piece.raw.decode("utf-8", "replace"), fault.code)
                if repaired is None or len(mended) >= _MOST_MENDS_A_ROW:
                    break
                mended.append(fault.code)
                text = repaired
            raw = piece.raw if text is None else text.encode("utf-8", "replace")
            try:
                value = parse(raw, max_depth=self.limits.max_depth)
            except JsonFault as found:
                fault = found
                continue
            for single in expanded(value, self.limits.max_depth):
                yield from self._value(single, piece.line, mended)
            return
        yield json_problem(piece, fault)

    # tables and transcripts ------------------------------------------------------------------------------------------

    def _table(self, objects: Iterator[tuple[int, dict[str, str] | Problem]]) -> Iterator[Row | Problem]:
        first, told = next(objects, None), False
        while first is not None and isinstance(first[1], Problem):
            yield first[1]
            first, told = next(objects, None), True
        if first is None and told:
            return
        if first is None:
            message = "The table has a header at most, but no records."
            raise UnreadableFile(
                "empty_table", message, "Put a header in the first line and a record in each line below."
            )
        assert isinstance(first[1], dict)
        columns = list(first[1])
        self.recognition.columns = columns
        everything = _chained(first, objects)
        turns = turn_table(columns, self.mapping)
        if turns is not None:
            self._by_turns = True
            yield from self._values(grouped_turns(everything, turns))
            return
        if self.mapping is None and not known_columns({plain_key(name) for name in columns}):
            self.recognition.sure = "unsure"
            yield unknown_columns(columns)
        yield from self._values(everything)

    def _values(self, objects: Iterator[tuple[int, Any]]) -> Iterator[Row | Problem]:
        for line, item in objects:
            if isinstance(item, Problem):
                yield item
            else:
                yield from self._value(item, line, [])

    # one value -------------------------------------------------------------------------------------------------------

    def _value(self, value: Any, line: int, mended: list[str]) -> Iterator[Row | Problem]:
        mapping = None if self._by_turns else self.mapping
        row, problems, name = _row_of(value, line, self.limits, mapping)
        done = list(mended)
        while problems and self.mends and len(done) < _MOST_MENDS_A_ROW:
            repaired, code = _repaired(value, problems, self.mends - set(done))
            if code is None:
                break
            value = repaired
            done.append(code)
            row, problems, name = _row_of(value, line, self.limits, mapping)
        if row is not None and self.shape not in ("auto", row.shape):
            problems, row = [*problems, other_shape(row, self.shape)], None
        if row is not None and self.rows >= self.limits.max_rows:
            message = f"The file has more than {self.limits.max_rows:,} rows, the limit here."
            raise UnreadableFile("too_many_rows", message, "Split it, or ask your instructor to raise the limit.")
        self._recognise(value, row, name)
        for code in done:
            yield mended_by(line, code)
        yield from problems
        if row is not None:
            self.rows += 1
            self.source.rows_so_far = self.rows
            yield row

    def _recognise(self, value: Any, row: Row | None, name: str) -> None:
        if row is not None:
            self.recognition.shapes[name] = self.recognition.shapes.get(name, 0) + 1
            if (
                name not in ("messages", "dialogue", "instruction/output", "preference")
                and self.recognition.sure == "certain"
            ):
                self.recognition.sure = "likely"
        elif name == "unknown" and isinstance(value, dict):
            self.recognition.sure = "unsure"
            known = set(self.recognition.columns)
            self.recognition.columns.extend(key for key in list(value)[:40] if key not in known and len(known) < 200)


def from_object(value: Any, *, line: int = 1, limits: Limits = _DEFAULT_LIMITS) -> tuple[Row | None, list[Problem]]:
    """The row in one JSON value and its problems; None in place of the row where any of them is an error."""
    row, problems, _ = _row_of(value, line, limits, None)
    return row, problems


def _row_of(
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


def _parsed(piece: Piece, limits: Limits) -> Any:
    """The value in a piece; None where it is broken."""
    if piece.fault is not None or not piece.raw:
        return None
    try:
        return parse(piece.raw, max_depth=limits.max_depth)
    except JsonFault:
        return None


def _repaired(value: Any, problems: list[Problem], allowed: Collection[str]) -> tuple[Any, str | None]:
    for problem in problems:
        code = problem.code
        if code in allowed and code in VALUE_MENDS:
            repaired = VALUE_MENDS[code](value)
            if repaired != value:
                return repaired, code
    return value, None


def _chained(first: tuple[int, Any], rest: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    yield first
    yield from rest


def _suffix(filename: str) -> str:
    path = PurePath(filename.strip().lower())
    return PurePath(path.stem).suffix if path.suffix in (".gz", ".gzip") else path.suffix
