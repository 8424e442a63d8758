"""The reader: a file in, rows and problems out, in the order of the file."""

import re
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from msgspec import structs

from datasets.formats.captions import habits_of_captions, is_captions, spoken_lines
from datasets.formats.containers import (
    BlankLines,
    Piece,
    Splitter,
    container_of,
    is_wrapped,
    line_batches,
    lines_of,
    pieces_of,
    unfenced,
)
from datasets.formats.encodings import ENCODING_NAMES
from datasets.formats.fixes import fix
from datasets.formats.names import plain_key
from datasets.formats.noticing import Noticed, with_speakers
from datasets.formats.one_row import parsed, repaired, row_of
from datasets.formats.plainchat import PlainRun, plain_chat_reader
from datasets.formats.rows import (
    BrokenRow,
    ColumnMapping,
    Limits,
    Problem,
    Recognition,
    Row,
    UnreadableFile,
)
from datasets.formats.shapes import expanded
from datasets.formats.sheets import TableLine, sheet_lines
from datasets.formats.source import Progress, Source, suffix_of
from datasets.formats.strictjson import JsonFault, parse
from datasets.formats.tables import (
    Header,
    csv_lines,
    delimiter_of,
    known_columns,
    looks_like_header,
    looks_like_table,
    table_objects,
)
from datasets.formats.talk import Habits, assumed, habits_of, talk_objects
from datasets.formats.telling import (
    blank_line,
    empty_table,
    encoding_guessed,
    json_problem,
    fixed_by,
    no_rows_recognised,
    other_shape,
    too_many_problems,
    undecodable,
)
from datasets.formats.transcripts import grouped_turns, turn_table

_DEFAULT_LIMITS = Limits()
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".jl")
_TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
_MOST_FIXES_A_ROW = 6


def read(
    source: BinaryIO | Path,
    *,
    filename: str,
    limits: Limits = _DEFAULT_LIMITS,
    shape: str = "auto",
    mapping: ColumnMapping | None = None,
    fixes: Collection[str] = frozenset(),
    encoding: str = "",
    on_progress: Progress | None = None,
    on_broken: Callable[[BrokenRow], None] | None = None,
) -> "Reader":
    """See the package: an iterator of `Row | Problem` with `.recognition`. Raises `UnreadableFile`, here or on the
    way.
    """
    file = Source(source, limits, on_progress, encoding)
    return Reader(file, filename, limits, shape, mapping, frozenset(fixes), on_broken)


class Reader:
    """Iterates once. A context manager; a path it opened is closed at the end of the file or of the `with`."""

    def __init__(
        self,
        source: Source,
        filename: str,
        limits: Limits,
        shape: str,
        mapping: ColumnMapping | None,
        fixes: frozenset[str],
        on_broken: Callable[[BrokenRow], None] | None,
    ) -> None:
        self.limits, self.shape, self.mapping, self.fixes = limits, shape, mapping, fixes
        self.suffix = suffix_of(filename)
        self.source = source
        self.recognition = Recognition(encoding=source.encoding, compressed=source.compressed)
        self.recognition.encoding_sure = source.guess.sure
        self.recognition.encoding_samples = dict(source.guess.samples)
        self.noticed = Noticed(self.recognition, mapping, on_broken)
        self.by_columns = mapping if mapping is not None and mapping.teacher else None
        self.speakers = mapping.speakers if mapping is not None else {}
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
            yield from self._told_encoding()
            for item in self._by_container():
                yield item
                problems += isinstance(item, Problem)
                if problems > self.limits.max_problems:
                    raise too_many_problems(self.limits)
            if self.source.replaced:
                yield undecodable(self.source.replaced, ENCODING_NAMES[self.source.encoding])
        finally:
            self.source.close()
        if self.source.on_progress:
            self.source.on_progress(self.source.total, self.source.total, self.rows)

    def _told_encoding(self) -> Iterator[Problem]:
        if self.source.guess.sure != "certain":
            name = ENCODING_NAMES[self.source.encoding]
            yield encoding_guessed(name, sure=self.source.guess.sure == "likely")

    def _by_container(self) -> Iterator[Row | Problem | PlainRun]:
        if self.source.is_sheet:
            self.recognition.container = "xlsx"
            yield from self._table(sheet_lines(self.source.file, self.limits))
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
            yield from self._delimited(first_line)
        elif is_captions(start):
            yield from self._talk(habits_of_captions(start, self.limits.max_row_bytes), captions=True)
        elif (habits := habits_of(start)).speakers or self.speakers:
            yield from self._talk(habits)
        elif looks_like_table(start):
            yield from self._delimited(first_line)
        else:
            raise no_rows_recognised()

    def _delimited(self, first_line: str) -> Iterator[Row | Problem]:
        delimiter = delimiter_of(first_line, self.suffix)
        self.recognition.container = "tsv" if delimiter == "\t" else "csv"
        yield from self._table(csv_lines(self._chunks(), delimiter, self.limits))

    def _talk(self, habits: Habits, *, captions: bool = False) -> Iterator[Row | Problem]:
        self.recognition.container = "transcript"
        self.recognition.sure = "likely"
        if any(name not in self.speakers for name in habits.unknown):
            self.noticed.habits(habits)
        doubt = assumed(habits, self.speakers)
        if doubt is not None:
            yield doubt
        lines = lines_of(self._chunks(), self.limits.max_row_bytes)
        lines = spoken_lines(lines, self.limits.max_row_bytes) if captions else lines
        yield from self._values(talk_objects(lines, self.limits, habits, self.speakers))

    def _is_json(self, start: str, first_line: str) -> bool:
        if self.suffix in _JSON_SUFFIXES:
            return not (start[:1].isalpha() and (looks_like_header(first_line) or habits_of(start).speakers))
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
        value = parsed(first, self.limits)
        turns = turn_table(list(value), self.mapping) if isinstance(value, dict) and len(value) > 1 else None
        if turns is None or not (turns.speaker in value and isinstance(value.get(turns.text), str)):
            for piece in everything:
                yield from self._piece(piece)
            return
        self._by_turns = True
        self.recognition.columns = list(value)
        values = ((piece.line, parsed(piece, self.limits)) for piece in everything)
        objects = ((line, item) for line, item in values if isinstance(item, dict))
        yield from self._values(grouped_turns(self.noticed.turn_table(turns, objects), turns))

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
        repaired_by: list[str] = []
        while fault is None or fault.code in self.fixes:
            if fault is not None:
                before = text if text is not None else piece.raw.decode("utf-8", "replace")
                fixed = fix(before, fault.code)
                if fixed is None or len(repaired_by) >= _MOST_FIXES_A_ROW:
                    break
                repaired_by.append(fault.code)
                self.noticed.text_example(fault.code, before, piece.line, piece.item)
                text = fixed
            raw = piece.raw if text is None else text.encode("utf-8", "replace")
            try:
                value = parse(raw, max_depth=self.limits.max_depth)
            except JsonFault as found:
                fault = found
                continue
            for single in expanded(value, self.limits.max_depth):
                yield from self._value(single, piece.line, repaired_by, piece.item)
            return
        yield self._broken(piece, fault)

    def _broken(self, piece: Piece, fault: JsonFault) -> Problem:
        raw = piece.raw.decode("utf-8", "replace")
        if fault.fixable:
            self.noticed.text_example(fault.code, raw, piece.line, piece.item)
        if raw.strip():
            self.noticed.broken_text(raw, piece.line, piece.item)
        return json_problem(piece, fault)

    # tables and transcripts ------------------------------------------------------------------------------------------

    def _table(self, lines: Iterator[TableLine]) -> Iterator[Row | Problem]:
        header = Header(given=self.mapping.header if self.mapping is not None else None)
        objects = self._refused_noted(table_objects(lines, header), header)
        first, told = next(objects, None), False
        while first is not None and isinstance(first[1], Problem):
            yield first[1]
            first, told = next(objects, None), True
        if first is None and told:
            return
        if first is None:
            raise empty_table()
        columns = [name for name in header.names if name]
        self.recognition.columns = columns
        self.recognition.header = bool(header.given)
        everything = self.noticed.table(columns, chain([first], objects))
        turns = turn_table(columns, self.mapping)
        if turns is not None:
            self._by_turns = True
            yield from self._values(grouped_turns(self.noticed.turn_table(turns, everything), turns))
            return
        if self.by_columns is None and not known_columns({plain_key(name) for name in columns}):
            yield self.noticed.unknown_columns(columns, line=1)
        yield from self._values(everything)

    def _refused_noted(self, objects: Iterator[tuple[int, Any]], header: Header) -> Iterator[tuple[int, Any]]:
        """The same; records that were refused are kept for repair."""
        for line, item in objects:
            if isinstance(item, Problem) and item.severity == "error" and header.cells:
                self.noticed.broken_cells(header.cells, header.names, line)
            yield line, item

    def _values(self, objects: Iterator[tuple[int, Any]]) -> Iterator[Row | Problem]:
        for line, item in objects:
            if isinstance(item, Problem):
                yield item
            else:
                yield from self._value(item, line, [])

    # one value -------------------------------------------------------------------------------------------------------

    def _value(self, value: Any, line: int, repaired_by: list[str], item: int = 0) -> Iterator[Row | Problem]:
        mapping = None if self._by_turns else self.by_columns
        value = with_speakers(value, self.speakers)
        row, problems, name = row_of(value, line, self.limits, mapping)
        done = list(repaired_by)
        if problems:
            self.noticed.value_examples(value, problems, line, item)
        while problems and self.fixes and len(done) < _MOST_FIXES_A_ROW:
            changed, code = repaired(value, problems, self.fixes - set(done))
            if code is None:
                break
            value = changed
            done.append(code)
            row, problems, name = row_of(value, line, self.limits, mapping)
        if row is not None and self.shape not in ("auto", row.shape):
            problems, row = [*problems, other_shape(row, self.shape)], None
        if row is not None and self.rows >= self.limits.max_rows:
            message = f"The file has more than {self.limits.max_rows:,} rows, the limit here."
            raise UnreadableFile("too_many_rows", message, "Split it, or ask your instructor to raise the limit.")
        self._recognise(value, row, name)
        for code in done:
            yield fixed_by(line, code)
        if row is None:
            self.noticed.unknown_speakers(problems)
            self.noticed.broken_value(value, line, item)
        yield from problems if not item else (structs.replace(problem, item=item) for problem in problems)
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
