"""Rows as lines of JSON and back, the same from SQLite and from PostgreSQL."""

import base64
import datetime
import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard
from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models

BATCH = 2_000
INSERTED = 500
LEFT_OUT = (
    "sessions.session",
    "axes.accessattempt",
    "axes.accesslog",
    "axes.accessfailurelog",
    "axes.accessattemptexpiration",
)
"""Who is signed in, and who tried to: everybody signs in anew after a restore."""

Model = type[models.Model]


def all_models() -> list[Model]:
    """Every table, those between two others included, in a steady order."""
    found = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and model._meta.label_lower not in LEFT_OUT
    ]
    return sorted(found, key=lambda model: model._meta.label_lower)


def write(model: Model, path: Path, using: str) -> tuple[int, str]:
    """(rows, hash of the file)."""
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model._base_manager.using(using).order_by("pk").values_list(*names)
    count = 0
    with path.open("wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as out:
        for row in rows.iterator(BATCH):
            line = json.dumps(
                dict(zip(names, row, strict=True)),
                default=_plain,
                ensure_ascii=False,
                sort_keys=True,
            )
            out.write(line.encode("utf-8", "surrogatepass") + b"\n")
            count += 1
    return count, _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    """What JSON has no form for, as the field's `to_python` reads it."""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview | bytearray):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, datetime.timedelta):
        return str(value)
    raise TypeError(f"No form for {type(value).__name__}.")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as packed:
        for line in io.TextIOWrapper(
            packed, encoding="utf-8", errors="surrogatepass", newline="\n"
        ):
            yield json.loads(line)


def read(model: Model, path: Path) -> int:
    """Insert the rows as they were: no default, no `auto_now`, no `save` changes them. How many."""
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    count = 0
    left = lines(path)
    while batch := list(islice(left, INSERTED)):
        found = [_row(model, fields, line) for line in batch]
        rows: Any = model._base_manager.all()  # its stubs leave the private method out
        rows._insert(found, fields=fields, raw=True, using="default")
        count += len(found)
    return count


def _row(model: Model, fields: list[Any], line: dict[str, Any]) -> models.Model:
    values = []
    for field in fields:
        value = line[field.attname]
        target = field.target_field if field.is_relation else field
        values.append(None if value is None else target.to_python(value))
    return model.from_db("default", [field.attname for field in fields], values)


def delete_all(found: list[Model]) -> None:
    """Inside one transaction, whose end looks at the references."""
    with connection.cursor() as cursor:
        for model in found:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  (the name of a table of ours)


def set_sequences(found: list[Model]) -> None:
    """So that the next row gets a number of its own."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), found):
            cursor.execute(statement)
