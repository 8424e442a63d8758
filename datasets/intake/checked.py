"""What the platform proves of rows that came out of the sandbox, before it keeps one.

A parser that was taken over by a hostile file may write anything. So each block is unpacked within limits, its hash is
computed anew, its rows are decoded by their exact types and put to the row rules, and everything that a version says
about its rows (numbers, hash, shape) is counted here.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import zstandard

from datasets import formats
from datasets.formats.plainchat import speaks_in_turn
from datasets.formats.rows import ROLES
from datasets.services.blocks import (
    BLOCK_ROWS,
    Block,
    NamedRows,
    PlainStoredRow,
    StoredRow,
    Totals,
    plain_digests_of,
    read_blocks,
)

LONGEST_ID = 40  # of the columns that name a row
MOST_DEPTH = 40  # of what a row carries beside its turns; a file's rows may be 32 deep
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_messages, _shape, _id = attrgetter("messages"), attrgetter("shape"), attrgetter("id")
_content, _role = attrgetter("content"), attrgetter("role")
_decode_any = msgspec.json.Decoder(StoredRow).decode_lines


class NotRows(Exception):
    """What should be blocks of good rows is none; the text says what is wrong with it, for the log."""


def checked_blocks(
    file: BinaryIO, limits: formats.Limits, totals: Totals, *, whole: bool = True
) -> Iterator[Block]:
    """The blocks that a child left, each proven. `totals` is complete when the last is out.

    `whole`: False for what a child left that was ended while it wrote: an unfinished last block is then passed over.
    """
    ids: set[str] = set()
    most = min(2 * limits.max_bytes, 2 * BLOCK_ROWS * limits.max_row_bytes)
    for block in read_blocks(file, most_bytes=most, whole=whole):
        text = _unpacked(block, most)
        named = _plain(text, block.row_count, limits) or _any(text, block.row_count, limits)
        _take_ids(named, ids)
        for rows in named:
            totals.add(rows)
        if totals.rows > limits.max_rows:
            raise NotRows("more rows than are allowed")
        yield block


def _unpacked(block: Block, most: int) -> bytes:
    try:
        size = zstandard.get_frame_parameters(block.data).content_size
        if not 0 < size <= most:
            raise NotRows(f"a block that says it has {size} bytes")
        text = zstandard.ZstdDecompressor().decompress(block.data, max_output_size=size)
    except (zstandard.ZstdError, MemoryError):
        raise NotRows("a block that can't be unpacked") from None
    if hashlib.sha256(text).hexdigest() != block.content_hash:
        raise NotRows("a block whose hash is another one's")
    if b"\x00" in text or (b"\\u0000" in text and _NUL.search(text)):
        raise NotRows("a NUL character")
    return text


@lru_cache(maxsize=8)
def _plain_decoder(limits: formats.Limits) -> Callable[[bytes], list[PlainStoredRow]]:
    class Turn(formats.PlainTurn, forbid_unknown_fields=True, gc=False):
        content: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.max_turn_chars)]

    class Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
        line: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
        messages: Annotated[list[Turn], msgspec.Meta(min_length=2, max_length=limits.max_turns)]
        id: str
        shape: Literal["dialogue", "messages", "instruction"] = "messages"

    return msgspec.json.Decoder(Plain).decode_lines  # type: ignore[return-value]  # of the same fields


def _plain(text: bytes, count: int, limits: formats.Limits) -> list[NamedRows] | None:
    """The rows of a block where all are plain chats without fault and of one shape: the quick way."""
    try:
        rows = _plain_decoder(limits)(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    shapes = set(map(_shape, rows))
    if len(rows) != count or len(shapes) != 1:
        return None
    chats = list(map(_messages, rows))
    turns = [turn for chat in chats for turn in chat]
    said = list(map(_content, turns))
    if list(map(str.strip, said)) != said:
        return None
    if not all(speaks_in_turn(tuple(map(_role, chat))) for chat in chats):
        return None
    answers = list(map(_role, turns)).count("assistant")
    return [NamedRows(rows, plain_digests_of(rows), shapes.pop(), answers, len("".join(said)))]


def _any(text: bytes, count: int, limits: formats.Limits) -> list[NamedRows]:
    try:
        rows = _decode_any(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotRows("a block that is no rows") from None
    if len(rows) != count:
        raise NotRows("a block with another number of rows than it says")
    named = []
    for row in rows:
        if not _is_good(row, limits):
            raise NotRows("a row that breaks the row rules")
        try:
            named.append(NamedRows.of(row, formats.fingerprint(row)))
        except (OverflowError, ValueError, RecursionError):
            raise NotRows("a value that can't be kept") from None
    return named


def _is_good(row: StoredRow, limits: formats.Limits) -> bool:
    answers = [*(row.preferred_output or []), *(row.non_preferred_output or [])]
    roles = Counter(message["role"] for message in [*row.messages, *answers])
    if not roles.keys() <= set(ROLES) or not 0 <= row.line <= 2**53:
        return False
    if not row.labels.keys() <= set(formats.LABELS) or not all(row.labels.values()):
        return False
    if _is_deeper(row.extra, MOST_DEPTH):
        return False
    return not any(problem.severity == "error" for problem in formats.check_row(row, limits))


def _is_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return depth <= 0 or any(_is_deeper(item, depth - 1) for item in inside)


def _take_ids(named: list[NamedRows], ids: set[str]) -> None:
    for rows in named:
        given = list(map(_id, rows.rows))
        own = set(given)
        if len(own) < len(given) or not ids.isdisjoint(own):
            raise NotRows("an id that is another row's")
        if not all(0 < len(row_id) <= LONGEST_ID and row_id.isprintable() for row_id in given):
            raise NotRows("an id that is none")
        ids |= own
