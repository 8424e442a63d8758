"""JSON files cut into the text of one row at a time: lines, an array, or objects one after another. Bounded memory."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from datasets.formats.names import WRAPPERS
from datasets.formats.strictjson import JsonFault

JsonContainer = Literal["jsonl", "json_array", "json_objects"]


class Piece(NamedTuple):
    """The text of one row: where it starts, its bytes, and the fault that already stands (then `raw` is for the
    excerpt).
    """

    line: int
    column: int
    raw: bytes
    fault: JsonFault | None = None
    item: int = 0
    """Which item of a list it is, 1-based; 0 where the file is no list."""
    more: int = 0
    """Further blank lines right after this one that have no piece of their own."""


_WRAPPED = re.compile(r'\s*\{\s*"(?:' + "|".join(WRAPPERS) + r')"\s*:\s*\[\s*[\[{]', re.IGNORECASE)


def is_wrapped(head: str, suffix: str) -> bool:
    """Whether the file is one object that holds the rows under a key such as `data`, before anything else."""
    return bool(_WRAPPED.match(head)) and (suffix == ".json" or not _is_json(head.lstrip().split("\n", 1)[0]))


def container_of(head: str, suffix: str) -> JsonContainer:
    """How the rows of a JSON file follow one another, by its first lines."""
    lines = [line.strip() for line in head[:200_000].splitlines() if line.strip()]
    first = lines[0].lstrip("\ufeff") if lines else ""
    second = lines[1] if len(lines) > 1 else ""
    if first.startswith("["):
        one_line_rows = _is_json(first) and second[:1] in ("[", "{")
        return "jsonl" if one_line_rows and suffix != ".json" else "json_array"
    if not first.startswith("{") or first.endswith(("}", "},")) or second == "":
        return "jsonl"
    opened, in_string = _balance(first)
    row_follows = second.startswith("{") and second.endswith("}") and _is_json(second) and first[:8] == second[:8]
    return "jsonl" if in_string or opened <= 0 or row_follows else "json_objects"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _balance(line: str) -> tuple[int, bool]:
    """Brackets still open at the end of a line, and whether a string is."""
    without = re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"', "", line)
    opened = sum(without.count(c) for c in "{[") - sum(without.count(c) for c in "}]")
    return opened, '"' in without


def line_batches(chunks: Iterator[bytes], max_bytes: int) -> Iterator[tuple[int, list[bytes | None]]]:
    """(number of the first line, lines without their line breaks), about a chunk at a time; None in place of a line that
    is too long. \\n, \\r\\n and lone \\r.
    """
    number, rest, skipping, old_mac = 1, b"", False, None
    for chunk in chunks:
        if old_mac is None:
            old_mac = b"\n" not in chunk and b"\r" in chunk[:-1]
        if old_mac:
            chunk = chunk.replace(b"\r", b"\n")
        parts = chunk.split(b"\n")
        parts[0] = rest + parts[0]
        rest = parts.pop()
        if skipping and parts:
            skipping = False
            number += 1
            del parts[0]
        if parts:
            returns = b"\r" in chunk or parts[0].endswith(b"\r")
            yield number, _bare(parts, max_bytes) if returns or len(max(parts, key=len)) > max_bytes else [*parts]
            number += len(parts)
        if len(rest) > max_bytes and not skipping:
            yield number, [None]
            skipping = True
        if skipping:
            rest = b""
    if rest and not skipping:
        yield number, [rest.removesuffix(b"\r")]


def _bare(lines: list[bytes], max_bytes: int) -> list[bytes | None]:
    return [None if len(line) > max_bytes else line.removesuffix(b"\r") for line in lines]


def lines_of(chunks: Iterator[bytes], max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """(line number, line) one by one; see `line_batches`."""
    for first, lines in line_batches(chunks, max_bytes):
        yield from enumerate(lines, first)


_FENCE_END = re.compile(rb"\n```[ \t]*\s*\Z")


def unfenced(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a text pasted with its ``` lines, without those lines' marks; all lines keep their numbers."""
    kept, first = b"", True
    for chunk in chunks:
        kept += chunk
        if first:
            start = kept.index(b"```")
            kept = kept[:start] + kept[start:].partition(b"\n")[1] + kept[start:].partition(b"\n")[2]
            first = False
        yield kept[:-64]
        kept = kept[-64:]
    yield _FENCE_END.sub(b"\n", kept)


def too_long(max_bytes: int) -> JsonFault:
    message = f"The row is longer than {max_bytes / 1024:,.0f} KB, the limit for one row."
    return JsonFault(
        "row_too_long", -1, message, "Cut it into several rows, or check for a missing line break or bracket."
    )


def pieces_of(first: int, lines: Iterable[bytes | None], blank: "BlankLines", max_bytes: int) -> Iterator[Piece]:
    """A piece for each line; blank lines come as pieces with empty text when a row follows, so those at the end of the
    file not at all. `blank` keeps the numbers of those that wait for one.
    """
    for number, line in enumerate(lines, first):
        if line is None:
            yield Piece(number, 1, b"", too_long(max_bytes))
            continue
        if not line or (line[0] <= 32 and not line.strip()):
            blank.add(number)
            continue
        yield from blank.pieces()
        yield Piece(number, 1, line)


class BlankLines:
    """Blank lines that wait for a row to follow. Few are told one by one: a file may be nothing but line ends."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.more = 0

    def add(self, number: int) -> None:
        if len(self.numbers) < _MOST_BLANK_LINES:
            self.numbers.append(number)
        else:
            self.more += 1

    def pieces(self) -> Iterator[Piece]:
        """A piece without text for each; none waits afterwards."""
        for number in self.numbers[:-1]:
            yield Piece(number, 1, b"")
        for number in self.numbers[-1:]:
            yield Piece(number, 1, b"", more=self.more)
        self.numbers, self.more = [], 0


_MOST_BLANK_LINES = 100


_TOKEN = re.compile(rb'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"|[{}\[\],\n"]', re.DOTALL)


_NEXT_LIST = re.compile(
    rb'\s*(?:,\s*"[^"\\\n]*"\s*:\s*(?:"[^"\\\n]*"|[\w.+-]+)\s*)*,\s*"[^"\\\n]*"\s*:\s*\[(?=\s*[\[{\]])'
)
_MOST_BETWEEN = 64 * 1024


class Splitter:
    """Cuts values out of a stream of JSON text by counting brackets outside strings; never holds more than one value.

    `array`: values are the elements of one array, else they follow one another at the top. `wrapped`: the array lies
    in an object, so that an object's end may follow. A value that never closes is cut where its lines begin like the
    first value did, so that one broken row does not take the rest with it.
    """

    def __init__(self, chunks: Iterator[bytes], max_bytes: int, *, array: bool, wrapped: bool = False) -> None:
        self.chunks, self.max_bytes, self.wrapped = chunks, max_bytes, wrapped
        self.base = 1 if array else 0
        self.buffer = b""
        self.start = self.scanned = 0  # where the value being read begins, and how far brackets were counted
        self.depth = 0
        self.line, self.column = 1, 1
        self.ended = self.after_comma = False
        self.items = 0
        self.indent: bytes | None = None

    def pieces(self) -> Iterator[Piece]:
        if self.wrapped:
            self._skip_to_array()
        for chunk in self.chunks:
            if self.ended and not self.buffer[self.start :].strip():
                self._move(len(self.buffer))
            if self.ended and len(self.buffer) - self.start > _MOST_BETWEEN:
                continue  # what follows will be told; it need not be held
            self.buffer = self.buffer[self.start :] + chunk
            self.scanned -= self.start
            self.start = 0
            yield from self._scan(final=False)
            while self._next_list():
                yield from self._scan(final=False)
            if len(self.buffer) - self.start > self.max_bytes and not self.ended:
                yield from self._salvage(final=False)
        yield from self._scan(final=True)
        while self._next_list():
            yield from self._scan(final=True)
        yield from self._end()

    def _skip_to_array(self) -> None:
        self.buffer = next(self.chunks, b"")
        self._move(self.buffer.index(b"["))
        self.scanned = self.start

    def _next_list(self) -> bool:
        """Goes on with the next list of a wrapping object, if one follows the list that has just ended."""
        found = _NEXT_LIST.match(self.buffer, self.start) if self.ended and self.wrapped else None
        if found is None:
            return False
        self._move(found.end() - 1)
        self.ended, self.depth, self.scanned = False, 0, self.start
        return True

    def _scan(self, *, final: bool) -> Iterator[Piece]:
        while not self.ended and (found := _TOKEN.search(self.buffer, self.scanned)):
            token = found.group()
            if token == b'"':
                line_end = self.buffer.find(b"\n", found.end())
                if line_end < 0 and not final:
                    self.scanned = found.start()
                    return
                self.scanned = line_end if line_end >= 0 else len(self.buffer)
                continue
            self.scanned = found.end()
            if token in (b"{", b"["):
                self._open(found.start())
            elif token in (b"}", b"]"):
                yield from self._close(token, found.start(), found.end())
            elif token == b"," and self.depth == self.base:
                yield from self._separate(found.start(), found.end())
        if not self.ended:
            self.scanned = len(self.buffer)

    def _open(self, at: int) -> None:
        if self.depth < self.base:  # the array itself
            self._move(at + 1)
        elif self.depth == self.base and self.indent is None:
            line_break = self.buffer.rfind(b"\n", self.start, at)
            blanks = at - line_break - 1 if line_break >= 0 else self.column - 1 + at - self.start
            self.indent = b"\n" + b" " * blanks + self.buffer[at : at + 1]
        self.depth += 1

    def _close(self, token: bytes, start: int, end: int) -> Iterator[Piece]:
        self.depth -= 1
        if self.base == 0 and self.depth <= 0:
            self.depth = 0
            yield self._take(end)
        elif self.base == 1 and self.depth < 1:
            if token == b"}":  # one bracket too many in a row: the row's own fault
                self.depth = 1
                return
            if self.buffer[self.start : start].strip():
                yield self._take(start)
            elif self.after_comma:
                message, fix = "There is a comma after the last row.", "Delete the comma; the one-click fix does."
                yield Piece(
                    self.line, self.column, b"", JsonFault("json_trailing_comma", 0, message, fix, fixable=True)
                )
            self._move(end)
            self.ended = True

    def _separate(self, start: int, end: int) -> Iterator[Piece]:
        nothing = not self.buffer[self.start : start].strip()
        if nothing and self.base == 1:
            fault = JsonFault("json_syntax", 0, "There is a comma but no row before it.", "Delete the comma.")
            yield Piece(self.line, self.column, b"", fault)
        elif self.base == 1:
            yield self._take(start)
        if nothing or self.base == 1:
            self._move(end)
            self.after_comma = True

    def _take(self, end: int) -> Piece:
        """The value up to `end`, without blanks around it; reading goes on behind it."""
        text = self.buffer[self.start : end]
        self._move(self.start + len(text) - len(text.lstrip()))
        value = text.strip()
        fault = too_long(self.max_bytes) if len(value) > self.max_bytes else None
        self.items += 1
        piece = Piece(self.line, self.column, value, fault, item=self.items if self.base else 0)
        self._move(end)
        self.after_comma = False
        return piece

    def _move(self, to: int) -> None:
        breaks = self.buffer.count(b"\n", self.start, to)
        self.line += breaks
        self.column = to - self.buffer.rfind(b"\n", self.start, to) if breaks else self.column + to - self.start
        self.start = to

    def _salvage(self, *, final: bool) -> Iterator[Piece]:
        """The value grew too big or never closed: cut it where a line begins like the first value."""
        while self.indent and (cut := self.buffer.find(self.indent, self.start + 1)) >= 0:
            piece = self._take(cut)
            if piece.raw:
                yield piece._replace(raw=piece.raw.removesuffix(b",") if self.base else piece.raw)
        if len(self.buffer) - self.start > self.max_bytes:
            yield Piece(self.line, self.column, self.buffer[self.start : self.start + 200], too_long(self.max_bytes))
            self._move(len(self.buffer))
        self.depth, self.scanned = self.base, self.start
        yield from self._scan(final=final)

    def _end(self) -> Iterator[Piece]:
        if self.buffer[self.start :].strip() and not self.ended and self.depth != self.base:
            yield from self._salvage(final=True)
        rest = self.buffer[self.start :]
        self._move(self.start + len(rest) - len(rest.lstrip()))
        left = rest.strip()
        if self.ended:
            yield from self._after_array(left)
            return
        if left:
            yield self._take(len(self.buffer))
        if self.base == 1:
            message, fix = "The list is never closed: its last ] is missing.", "Add ] at the end of the file."
            yield Piece(self.line, self.column, b"", JsonFault("json_truncated", 0, message, fix))

    def _after_array(self, left: bytes) -> Iterator[Piece]:
        closed = left == b"}" or (
            left.startswith(b",") and left.endswith(b"}") and b"[" not in left and b"{" not in left
        )
        if self.wrapped and not left:
            message, fix = "The object around the rows is never closed.", "Add } at the end of the file."
            yield Piece(self.line, self.column, b"", JsonFault("json_truncated", 0, message, fix))
        elif left and not (self.wrapped and closed):
            message, fix = "Something follows after the list has ended.", "Delete what follows the last ]."
            yield Piece(self.line, self.column, left[:200], JsonFault("json_extra_data", 0, message, fix))
