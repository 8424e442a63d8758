"""Rows as they are stored: JSON lines in compressed blocks, each named by the hash of what it holds.

Consecutive versions share their equal blocks, so editing one row of 100,000 writes one block of 256.
"""

import hashlib
import struct
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from datasets import formats

BLOCK_ROWS = 256
COMPRESSION = 1  # of zstd; measured on chat rows: 2.5 times as fast as zlib's 1 and smaller; 3 costs half more for 2 % less
CHARACTERS_PER_TOKEN = 4
_FRAME = struct.Struct(">32sHI")


class StoredRow(formats.Row, kw_only=True, omit_defaults=True):
    """A canonical row with the id that it keeps through versions."""

    id: str

    @classmethod
    def of(cls, row: formats.Row, row_id: str) -> "StoredRow":
        return cls(
            id=row_id,
            line=row.line,
            messages=row.messages,
            shape=row.shape,
            labels=row.labels,
            extra=row.extra,
            input_suffix=row.input_suffix,
            preferred_output=row.preferred_output,
            non_preferred_output=row.non_preferred_output,
        )


class PlainStoredRow(msgspec.Struct, kw_only=True, gc=False):
    """Written exactly as a `StoredRow` of a plain chat would be, without making one."""

    line: int
    messages: list[formats.PlainTurn]
    id: str


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder(StoredRow).decode_lines


@dataclass(frozen=True)
class Block:
    content_hash: str
    row_count: int
    data: bytes


@dataclass(frozen=True)
class NamedRows:
    """Rows of one shape that have their ids, with all that a version counts about them. `digests`: fingerprints, joined."""

    rows: Sequence[StoredRow | PlainStoredRow]
    digests: bytes
    shape: str
    turns: int
    characters: int

    @classmethod
    def of(cls, row: StoredRow, fingerprint: str) -> "NamedRows":
        turns = sum(message["role"] == "assistant" for message in row.messages)
        characters = sum(len(message["content"]) for message in row.messages)
        return cls([row], bytes.fromhex(fingerprint), row.shape, turns, characters)


@dataclass
class Totals:
    """What a version says about its rows as a whole."""

    rows: int = 0
    turns: int = 0
    characters: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    hashed: formats.VersionHash = field(default_factory=formats.VersionHash)

    def add(self, named: NamedRows) -> None:
        self.rows += len(named.rows)
        self.shapes[named.shape] += len(named.rows)
        self.turns += named.turns
        self.characters += named.characters
        self.hashed.add(named.digests)

    @property
    def shape(self) -> str:
        """The shape of most rows."""
        return self.shapes.most_common(1)[0][0] if self.shapes else "messages"

    @property
    def token_estimate(self) -> int:
        return -(-self.characters // CHARACTERS_PER_TOKEN)

    @property
    def content_hash(self) -> str:
        return self.hashed.hexdigest()


@dataclass
class KnownRows:
    """The rows of the version before: where content or question is the same, a row keeps its id."""

    by_content: dict[bytes, deque[str]] = field(default_factory=dict)
    by_prompt: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[StoredRow]) -> "KnownRows":
        known, prompts = cls(), Counter[str]()
        for row in rows:
            known.by_content.setdefault(_key(formats.fingerprint(row)), deque()).append(row.id)
            prompt = row.prompt()
            prompts[prompt] += 1
            known.by_prompt[prompt] = row.id
        known.by_prompt = {
            prompt: row_id for prompt, row_id in known.by_prompt.items() if prompts[prompt] == 1
        }
        return known


def _key(fingerprint: str) -> bytes:
    return bytes.fromhex(fingerprint[:32])


class RowIds:
    """Gives ids. An equal row of the version before keeps its own, and so does one with the same question.

    A new row's id comes from its content, so that the same row has the same id wherever it is uploaded.
    """

    def __init__(self, known: KnownRows | None = None) -> None:
        self.known = known or KnownRows()
        self.given: set[str] = set()
        self.serials: Counter[str] = Counter()

    def give(self, row: formats.Row, fingerprint: str) -> str:
        row_id = self._known_id(row, fingerprint) or self._fresh_id(fingerprint)
        self.given.add(row_id)
        return row_id

    def give_fresh(self, fingerprints: Sequence[bytes]) -> list[str] | None:
        """Ids for many rows at once; None, and nothing given, where one of them may have to be another one's or its own."""
        fresh = [fingerprint[:6].hex() for fingerprint in fingerprints]
        if (
            self.known.by_content
            or len(set(fresh)) < len(fresh)
            or not self.given.isdisjoint(fresh)
        ):
            return None
        self.given.update(fresh)
        return fresh

    def _known_id(self, row: formats.Row, fingerprint: str) -> str | None:
        if not self.known.by_content:
            return None
        candidates = self.known.by_content.get(_key(fingerprint))
        while candidates:  # each is looked at once: there may be thousands of equal rows
            row_id = candidates.popleft()
            if row_id not in self.given:
                return row_id
        row_id = self.known.by_prompt.get(row.prompt(), "")
        return row_id if row_id and row_id not in self.given else None

    def _fresh_id(self, fingerprint: str) -> str:
        base = row_id = fingerprint[:12]
        while row_id in self.given:
            # Counting goes on where it stopped: from 1 for each of many equal rows would be quadratic.
            self.serials[base] = max(2, self.serials[base] + 1)
            row_id = f"{base}-{self.serials[base]}"
        return row_id


def fresh_id(row: formats.Row, taken: set[str]) -> str:
    """An id for one row added by hand, different from all `taken`."""
    ids = RowIds()
    ids.given = set(taken)
    return ids.give(row, formats.fingerprint(row))


def pack(rows: Sequence[StoredRow | PlainStoredRow]) -> Block:
    """One block of at most `BLOCK_ROWS` rows."""
    assert 0 < len(rows) <= BLOCK_ROWS
    text = _encode_lines(rows)[
        :-1
    ]  # without the last line's end, as blocks have always been named
    data = zstandard.ZstdCompressor(level=COMPRESSION).compress(text)
    return Block(hashlib.sha256(text).hexdigest(), len(rows), data)


def unpack(data: bytes) -> list[StoredRow]:
    # Blocks were zlib's before November 2026; they keep their bytes, because nothing in them is wrong.
    text = (
        zstandard.decompress(data)
        if data.startswith(zstandard.FRAME_HEADER)
        else zlib.decompress(data)
    )
    return _decode_lines(text)


def packed(named_rows: Iterable[NamedRows], totals: Totals) -> Iterator[Block]:
    """Rows in blocks; `totals` is complete when the last block is out."""
    waiting: list[StoredRow | PlainStoredRow] = []
    for named in named_rows:
        totals.add(named)
        waiting += named.rows
        while len(waiting) >= BLOCK_ROWS:
            yield pack(waiting[:BLOCK_ROWS])
            del waiting[:BLOCK_ROWS]
    if waiting:
        yield pack(waiting)


def with_ids(
    items: Iterable[formats.Row | formats.PlainRun], ids: RowIds
) -> Iterator[NamedRows]:
    """Rows that have an id keep it, the others get one."""
    for item in items:
        if isinstance(item, formats.PlainRun):
            yield from _run_with_ids(item, ids)
        else:
            yield _row_with_id(item, ids)


def _run_with_ids(run: formats.PlainRun, ids: RowIds) -> Iterator[NamedRows]:
    digests = formats.plain_digests(run)
    fresh = ids.give_fresh(digests)
    if fresh is None:
        yield from (_row_with_id(row, ids) for row in run.rows())
        return
    numbered = enumerate(zip(run.chats, fresh, strict=True), run.first_line)
    rows = [
        PlainStoredRow(line=line, messages=chat, id=row_id) for line, (chat, row_id) in numbered
    ]
    yield NamedRows(rows, b"".join(digests), "messages", run.turns, run.characters)


def _row_with_id(row: formats.Row, ids: RowIds) -> NamedRows:
    fingerprint = formats.fingerprint(row)
    if isinstance(row, StoredRow) and row.id not in ids.given:
        ids.given.add(row.id)
        return NamedRows.of(row, fingerprint)
    return NamedRows.of(StoredRow.of(row, ids.give(row, fingerprint)), fingerprint)


def plain_digests_of(rows: Sequence[PlainStoredRow]) -> bytes:
    """The fingerprints of plain rows, joined: what `formats.fingerprint` gives for each."""
    chats = [row.messages for row in rows]
    return b"".join(formats.plain_digests(formats.PlainRun(0, chats, 0, 0)))


def write_frame(file: BinaryIO, block: Block) -> None:
    file.write(_FRAME.pack(bytes.fromhex(block.content_hash), block.row_count, len(block.data)))
    file.write(block.data)


def read_frames(path: Path) -> Iterator[Block]:
    """The blocks of a file that `write_frame` made."""
    with path.open("rb") as file:
        yield from read_blocks(file)


class BrokenFrames(ValueError):
    """The file is no row of blocks."""


def read_blocks(
    file: BinaryIO, *, most_bytes: int = 2**40, whole: bool = True
) -> Iterator[Block]:
    """The blocks that `write_frame` wrote. Raises BrokenFrames for one of more than `most_bytes`, and for one that
    breaks off, unless `whole` is False: then that one is passed over.
    """
    while head := file.read(_FRAME.size):
        if len(head) == _FRAME.size:
            digest, row_count, length = _FRAME.unpack(head)
            if length > most_bytes or not 0 < row_count <= BLOCK_ROWS:
                raise BrokenFrames(f"a block of {row_count} rows and {length} bytes")
            data = file.read(length)
            if len(data) == length:
                yield Block(digest.hex(), row_count, data)
                continue
        if whole:
            raise BrokenFrames("a block that breaks off")
        return


def row_from(data: dict[str, Any]) -> formats.Row:
    """A canonical row from plain data; with an `id` it keeps it."""
    return msgspec.convert({"line": 0, **data}, StoredRow if data.get("id") else formats.Row)
