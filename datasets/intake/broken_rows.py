"""Rows that were left out, with what could be saved of them: written by the child, proven and kept by the platform."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from datasets import formats
from datasets.formats.salvage import LONGEST_RAW, LONGEST_TURN, MOST_TURNS
from datasets.intake.problems import clean

MOST_KEPT = 500
"""So many rows of one file can be repaired on the page; a file with more is better repaired as a whole."""
MOST_CHARACTERS = 8 * 1024**2
"""Of all of them together."""
MOST_BYTES = 64 * 1024**2
_LONGEST_LINE = 2 * 1024**2
_ROLES = frozenset({"system", "user", "assistant"})

_decode = msgspec.json.Decoder(formats.BrokenRow).decode
_encode = msgspec.json.Encoder().encode


class NotBroken(Exception):
    """What should be a list of broken rows is none."""


def write(file: BinaryIO, row: formats.BrokenRow) -> None:
    file.write(_encode(row) + b"\n")


def checked(file: BinaryIO) -> Iterator[formats.BrokenRow]:
    """The rows that a child wrote, each proven to be one; an unfinished last line is left out. Raises NotBroken."""
    for _ in range(MOST_KEPT):
        line = file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            if len(line) == _LONGEST_LINE:
                raise NotBroken("a line without an end")
            return
        try:
            row = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NotBroken("a line that is no row") from None
        if (
            len(row.turns) > MOST_TURNS
            or not 0 <= row.line <= 2**53
            or not 0 <= row.item <= 2**53
        ):
            raise NotBroken("a row of no known size")
        yield _storable(row)


def _storable(row: formats.BrokenRow) -> formats.BrokenRow:
    turns = [
        (role if role in _ROLES else "user", clean(said[:LONGEST_TURN]))
        for role, said in row.turns
    ]
    return msgspec.structs.replace(row, raw=clean(row.raw[:LONGEST_RAW]), turns=turns)


def keep(path: Path, rows: Iterator[formats.BrokenRow]) -> None:
    with gzip.open(path, "wb", compresslevel=3) as file:
        for row in rows:
            file.write(_encode(row) + b"\n")


def kept(path: Path) -> Iterator[formats.BrokenRow]:
    """What `keep` wrote; nothing where the file is gone."""
    if path.exists():
        with gzip.open(path, "rb") as file:
            for line in file:
                yield _decode(line)


def key_of(row: formats.BrokenRow) -> str:
    """Names the row in its file, and changes with its text: a repair of another text does not fit."""
    digest = hashlib.sha256(row.raw.encode()).hexdigest()[:16]
    return f"{row.line}-{row.item}-{digest}"
