"""Rows of a version, read by place: the same few queries wherever in the version one looks and however big it is."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Max, QuerySet

from datasets import formats
from datasets.models import Dataset, DatasetVersion, Shape, VersionBlock
from datasets.services.blocks import BLOCK_ROWS, StoredRow, unpack

ENGINE_ROLES = frozenset({"system", "user", "assistant"})


def newest(dataset: Dataset) -> DatasetVersion | None:
    return DatasetVersion.objects.filter(dataset=dataset).order_by("-number").first()


def next_number(dataset: Dataset) -> int:
    highest: int | None = DatasetVersion.objects.filter(dataset=dataset).aggregate(
        highest=Max("number")
    )["highest"]
    return (highest or 0) + 1


def places(
    version: DatasetVersion, start: int = 0, stop: int | None = None
) -> QuerySet[VersionBlock]:
    """The blocks that hold rows `start` up to `stop`: found by place, the same work wherever in the version."""
    found = VersionBlock.objects.filter(
        version=version, first_row__gt=start - BLOCK_ROWS
    ).select_related("block")
    return found.filter(first_row__lt=stop) if stop is not None else found


def stored_rows(
    version: DatasetVersion, start: int = 0, stop: int | None = None
) -> Iterator[StoredRow]:
    """Rows in order, from position `start` (0-based) up to, not including, `stop`."""
    for place in places(version, start, stop).iterator(chunk_size=8):
        rows = unpack(bytes(place.block.rows))
        low = max(0, start - place.first_row)
        high = len(rows) if stop is None else max(0, stop - place.first_row)
        yield from rows[low:high]


def rows(
    version: DatasetVersion, start: int = 0, stop: int | None = None
) -> Iterator[dict[str, Any]]:
    """Canonical rows as plain data, in order: every field of `formats.Row` and `id`."""
    for row in stored_rows(version, start, stop):
        yield {"id": row.id, **formats.Row.as_dict(plain(row))}


def plain(row: StoredRow) -> formats.Row:
    """The row without its id, as `datasets.formats` and `datasets.checks` take it."""
    return formats.Row(**{name: getattr(row, name) for name in formats.Row.__struct_fields__})


def row_at(version: DatasetVersion, position: int) -> StoredRow | None:
    return next(stored_rows(version, position, position + 1), None) if position >= 0 else None


def for_engine(row: StoredRow, shape: str = "messages") -> dict[str, Any]:
    """One row as an engine reads it."""
    if shape != Shape.MESSAGES:
        return formats.to_shape(plain(row), shape, labels=False)
    messages = [
        {key: message[key] for key in ("role", "content", "weight") if key in message}
        for message in row.messages
        if message["role"] in ENGINE_ROLES and message["content"]
    ]
    return {"id": row.id, "messages": messages}
