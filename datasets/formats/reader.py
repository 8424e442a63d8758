"""The reader: a file in, rows and problems out, in the order of the file."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, BinaryIO

from datasets.formats.containers import Piece, Splitter, container_of, is_wrapped, jsonl, unfenced
from datasets.formats.mends import MENDS, VALUE_MENDS, mend
from datasets.formats.names import plain_key
from datasets.formats.plainchat import plain_chat_reader
from datasets.formats.rows import (
    ColumnMapping,
    Limits,
    Problem,
    Recognition,
    Row,
    RowFault,
    UnreadableFile,
    excerpt_of,
)
from datasets.formats.rules import check_row
from datasets.formats.shapes import expanded, shaped
from datasets.formats.source import Progress, Source
from datasets.formats.strictjson import JsonFault, parse
from datasets.formats.tables import (
    csv_lines,
    delimiter_of,
    grouped_turns,
    is_turn_table,
    known_columns,
    looks_like_header,
    looks_like_transcript,
    sheet_lines,
    table_objects,
    transcript_objects,
)

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
        self._items = self._read()

    def __iter__(self) -> Iterator[Row | Problem]:
        return self._items

    def __next__(self) -> Row | Problem:
        return next(self._items)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()

    def _read(self) -> Iterator[Row | Problem]:
        try:
            yield from self._by_container()
        finally:
            self.source.close()
        if self.source.on_progress:
            self.source.on_progress(self.source.total, self.source.total, self.rows)

    def _by_container(self) -> Iterator[Row | Problem]:
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

    def _json(self, head: str) -> Iterator[Row | Problem]:
        longest = self.limits.max_row_bytes
        container = "json_array" if is_wrapped(head, self.suffix) else container_of(head, self.suffix)
        self.recognition.container = container
        if container == "jsonl":
            yield from self._lines(jsonl(self._chunks(), longest))
            return
        wrapped = head.lstrip().startswith("{") and container == "json_array"
        pieces = Splitter(self._chunks(), longest, array=container == "json_array", wrapped=wrapped).pieces()
        for piece in pieces:
            yield from self._piece(piece)

    def _lines(self, pieces: Iterator[Piece]) -> Iterator[Row | Problem]:
        """JSON lines, plain chat rows on the fast path."""
        plain = plain_chat_reader(self.limits)
        wanted = self.mapping is None and self.shape in ("auto", "messages")
        shapes, source = self.recognition.shapes, self.source
        for piece in pieces:
            row = plain(piece[0], piece[2]) if wanted else None
            if row is None or self.rows >= self.limits.max_rows:
                yield from self._piece(piece)
                continue
            self.rows = source.rows_so_far = self.rows + 1
            shapes["messages"] = shapes.get("messages", 0) + 1
            yield row

    def _piece(self, piece: Piece) -> Iterator[Row | Problem]:
        fault = piece.fault
        if fault is None and not piece.raw:
            if not (self.fenced and piece.line == 1):
                yield _blank_line(piece.line)
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
        yield _json_problem(piece, fault)

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
        if self.mapping is None and is_turn_table(columns):
            yield from self._values(grouped_turns(everything))
            return
        if self.mapping is None and not known_columns({plain_key(name) for name in columns}):
            self.recognition.sure = "unsure"
            yield _unknown_columns(columns)
        yield from self._values(everything)

    def _values(self, objects: Iterator[tuple[int, Any]]) -> Iterator[Row | Problem]:
        for line, item in objects:
            if isinstance(item, Problem):
                yield item
            else:
                yield from self._value(item, line, [])

    # one value -------------------------------------------------------------------------------------------------------

    def _value(self, value: Any, line: int, mended: list[str]) -> Iterator[Row | Problem]:
        row, problems, name = _row_of(value, line, self.limits, self.mapping)
        done = list(mended)
        while problems and self.mends and len(done) < _MOST_MENDS_A_ROW:
            repaired, code = _repaired(value, problems, self.mends - set(done))
            if code is None:
                break
            value = repaired
            done.append(code)
            row, problems, name = _row_of(value, line, self.limits, self.mapping)
        if row is not None and self.shape not in ("auto", row.shape):
            problems, row = [*problems, _other_shape(row, self.shape)], None
        if row is not None and self.rows >= self.limits.max_rows:
            message = f"The file has more than {self.limits.max_rows:,} rows, the limit here."
            raise UnreadableFile("too_many_rows", message, "Split it, or ask your instructor to raise the limit.")
        self._recognise(value, row, name)
        for code in done:
            yield _mended(line, code)
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


def _blank_line(line: int) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="",
        code="blank_line",
        severity="info",
        message="The line is blank and was passed over.",
        mend="Nothing to do.",
        fixable=True,
    )


def _unknown_columns(columns: list[str]) -> Problem:
    return Problem(
        line=1,
        column=None,
        field="",
        code="unknown_columns",
        severity="warning",
        message=f"The first line should name the columns; nobody knows {', '.join(f'“{name[:30]}”' for name in columns[:6])}.",
        mend="Say which column is the teacher's and which the student's, or add a first line such as: question,answer.",
    )


def _mended(line: int, code: str) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="",
        code=f"mended_{code}",
        severity="info",
        message=f"Mended on the way in: {MENDS[code]}.",
        mend="Nothing to do.",
    )


def _json_problem(piece: Piece, fault: JsonFault) -> Problem:
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


def _other_shape(row: Row, wanted: str) -> Problem:
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
