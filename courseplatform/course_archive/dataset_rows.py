"""The rows of datasets in a course archive: each block unpacked, each row read as an upload's, and packed again."""

import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import IO, Any, cast

import msgspec
import zstandard

from courseplatform.course_archive.tables import BLOCK, PLACE, VERSION
from datasets import formats
from datasets.services.blocks import BLOCK_ROWS, NamedRows, StoredRow, Totals, pack, write_frame
from teams.sandbox_child import Refusal
from training.archives.contents import trouble_with

MOST_BLOCK_BYTES = 64_000_000
MOST_ROWS = 500_000
Row = dict[str, Any]


@dataclass(frozen=True)
class BlockRows:
    """What a version needs to know of a block's rows: by row its shape, digest, number of turns and of characters."""

    team: int
    ids: tuple[str, ...]
    counted: tuple[tuple[str, bytes, int, int], ...]


class Datasets:
    """Blocks, and the versions that are made of them. A version is what its rows are, not what the archive says."""

    def __init__(self) -> None:
        self.blocks: dict[int, BlockRows] = {}
        self.places: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self.rows = 0

    def add_place(self, number: int, row: Row) -> None:
        first, version, block = row.get("first_row"), row.get("version_id"), row.get("block_id")
        if (
            isinstance(first, bool)
            or not isinstance(first, int)
            or version is None
            or block is None
        ):
            raise Refusal(
                f"{PLACE}.jsonl", f"line {number}", "It does not say which block stands where."
            )
        self.places[version].append((first, block))

    def block(self, number: int, row: Row, out: IO[bytes]) -> Row:
        """The row without its bytes: they are the next frame of `out`."""
        member, place = f"{BLOCK}.jsonl", f"line {number}"
        stored = _unpacked(row.pop("rows", b""), member, place)
        for position, one in enumerate(stored, start=1):
            if trouble := trouble_with(one):
                raise Refusal(member, f"{place}, row {position}", trouble)
        self.rows += len(stored)
        if not 0 < len(stored) <= BLOCK_ROWS or self.rows > MOST_ROWS:
            raise Refusal(
                member,
                place,
                f"A block has 1 to {BLOCK_ROWS} rows, and an archive at most {MOST_ROWS:,}.",
            )
        if row.get("team_id") is None:
            raise Refusal(member, f"{place}, team_id", "It does not say whose rows these are.")
        packed = pack(stored)
        write_frame(cast(Any, out), packed)
        self.blocks[row["id"]] = BlockRows(
            row["team_id"], tuple(one.id for one in stored), tuple(map(_counted, stored))
        )
        return {**row, "content_hash": packed.content_hash, "row_count": packed.row_count}

    def version(self, number: int, row: Row) -> Row:
        """The row with the figures of its rows. Raises Refusal where its hash is another."""
        member, place = f"{VERSION}.jsonl", f"line {number}"
        totals, ids, expected = Totals(), set[str](), 0
        for first, block_id in sorted(self.places[row["id"]]):
            block = self.blocks.get(block_id)
            if block is None or first != expected:
                raise Refusal(
                    member,
                    place,
                    "A block of its rows is missing, or stands where it does not belong.",
                )
            expected += len(block.ids)
            ids.update(block.ids)
            for shape, digest, turns, characters in block.counted:
                totals.add(NamedRows([cast(StoredRow, None)], digest, shape, turns, characters))
        if not expected or len(ids) < expected:
            raise Refusal(member, place, "It has no rows, or two of them have the same id.")
        if totals.content_hash != row.get("content_hash"):
            raise Refusal(
                member,
                f"{place}, content_hash",
                "Its rows are not those that it names: the hash differs.",
            )
        figures = {
            "row_count": totals.rows,
            "turn_count": totals.turns,
            "token_estimate": totals.token_estimate,
        }
        return {**row, **figures}


def _counted(row: StoredRow) -> tuple[str, bytes, int, int]:
    named = NamedRows.of(
        row, formats.fingerprint(formats.Row(**{name: getattr(row, name) for name in _FIELDS}))
    )
    return named.shape, named.digests, named.turns, named.characters


_FIELDS = formats.Row.__struct_fields__


def _unpacked(data: bytes, member: str, place: str) -> list[StoredRow]:
    try:
        text = _decompressed(data)
        return msgspec.json.Decoder(StoredRow).decode_lines(text)
    except (
        zstandard.ZstdError,
        zlib.error,
        msgspec.MsgspecError,
        UnicodeDecodeError,
        ValueError,
        RecursionError,
    ) as wrong:
        raise Refusal(
            member, f"{place}, rows", f"These are not rows of a dataset: {wrong}."
        ) from wrong


def _decompressed(data: bytes) -> bytes:
    """At most `MOST_BLOCK_BYTES`. Raises ValueError for more."""
    if data.startswith(zstandard.FRAME_HEADER):
        if not 0 <= zstandard.frame_content_size(data) <= MOST_BLOCK_BYTES:
            raise ValueError("a block unpacks to more than a block can hold")
        return zstandard.decompress(data)
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, MOST_BLOCK_BYTES)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("a block unpacks to more than a block can hold, or is cut off")
    return text
