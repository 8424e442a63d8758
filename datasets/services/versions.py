"""Datasets and their versions: made, read, exported, restored, deleted."""

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, RestrictedError, Sum
from django.db.models.functions import Length

from datasets import formats
from datasets.models import Dataset, DatasetVersion, RowBlock, Shape, SourceRecord, VersionBlock
from datasets.services import measure
from datasets.services.blocks import (
    Block,
    KnownRows,
    RowIds,
    StoredRow,
    Totals,
    packed,
    row_from,
    with_ids,
)
from datasets.services.reading import (
    for_engine,
    newest,
    next_number,
    places,
    plain,
    row_at,
    rows,
    stored_rows,
)
from teams.models import DiskKind, Team, User
from teams.services import archive_exports, audit, disk
from teams.services.storage import files

STORE_AT_ONCE = 64
__all__ = [
    "ConversionRefused",
    "NoRows",
    "NothingChanged",
    "VersionInUse",
    "copy",
    "create_dataset",
    "create_version",
    "delete_dataset",
    "delete_version",
    "export",
    "for_engine",
    "fork",
    "free_name",
    "newest",
    "next_number",
    "restore",
    "row_at",
    "rows",
    "store",
    "stored_rows",
    "write_jsonl",
]

ConversionRefused = formats.ConversionRefused


class NothingChanged(Exception):
    """The rows equal those of the newest version; `version` is that one."""

    def __init__(self, version: DatasetVersion) -> None:
        super().__init__(f"The rows are the same as in version {version.number}.")
        self.version = version


class NoRows(ValueError):
    """A version needs at least one row."""


class VersionInUse(Exception):
    """It can't be deleted; the message says why and what to do."""


def create_dataset(*, team: Team, name: str, person: User | None) -> Dataset:
    """A new, empty dataset. A name that the team has already gets a number."""
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        return Dataset.objects.create(team=team, name=free_name(team, name), created_by=person)


def free_name(team: Team, name: str) -> str:
    """`name`, or `name 2`, … where the team has that already."""
    name = name.strip()[:80] or "Dataset"
    taken = set(Dataset.objects.for_team(team).values_list("name", flat=True))
    candidate, serial = name, 1
    while candidate in taken:
        serial += 1
        candidate = f"{name[:75]} {serial}"
    return candidate


def create_version(
    *,
    dataset: Dataset,
    rows: Iterable[formats.Row | dict[str, Any]],
    shape: str,
    person: User | None,
    note: str,
    source_name: str,
    skipped_rows: int = 0,
    parent: DatasetVersion | None = None,
) -> DatasetVersion:
    """Store rows as the next version and measure it (in the background where it is big).

    Rows are `formats.Row`s or canonical dicts; ids are kept where given, and taken over from `parent` (default: the
    newest version) where a row or its question is the same. Raises NothingChanged, NoRows, and msgspec.ValidationError
    for a dict that is no row.
    """
    parent = parent or newest(dataset)
    totals = Totals()
    known = KnownRows.of(stored_rows(parent)) if parent else None
    typed = (row if isinstance(row, formats.Row) else row_from(row) for row in rows)
    return store(
        dataset=dataset,
        blocks=list(packed(with_ids(typed, RowIds(known)), totals)),
        row_count=totals.rows,
        turn_count=totals.turns,
        token_estimate=totals.token_estimate,
        content_hash=totals.content_hash,
        shape=shape or totals.shape,
        person=person,
        note=note,
        source_name=source_name,
        skipped_rows=skipped_rows,
        parent=parent,
    )


def store(
    *,
    dataset: Dataset,
    blocks: Iterable[Block],
    content_hash: str,
    person: User | None,
    note: str,
    source_name: str,
    **fields: Any,
) -> DatasetVersion:
    """Store packed blocks as the next version and have it measured. `fields` are those of `DatasetVersion`.

    Raises NoRows, NothingChanged, and disk.DiskFull where the team's rows would take more than it may keep.
    """
    if not fields["row_count"]:
        raise NoRows("There are no rows to keep.")
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=dataset.team_id)
        latest = newest(dataset)
        if latest and latest.content_hash == content_hash:
            raise NothingChanged(latest)
        version = DatasetVersion.objects.create(
            dataset=dataset,
            number=next_number(dataset),
            content_hash=content_hash,
            created_by=person,
            note=note[:300],
            source_name=source_name[:200],
            **fields,
        )
        _place(version, dataset.team, blocks)
        _record(version, person)
        measure.start(version)
    return version


def _record(version: DatasetVersion, person: User | None) -> None:
    team = version.dataset.team
    after = {
        "rows": version.row_count,
        "hash": version.content_hash,
        "skipped": version.skipped_rows,
    }
    audit.record(
        course=team.course,
        team=team,
        person=person,
        action="dataset version made",
        what=str(version),
        after=after,
    )


def _place(version: DatasetVersion, team: Team, blocks: Iterable[Block]) -> None:
    first_row = 0
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        if len(waiting) == STORE_AT_ONCE:
            first_row = _place_some(version, team, waiting, first_row)
            waiting = []
    _place_some(version, team, waiting, first_row)


def _place_some(version: DatasetVersion, team: Team, blocks: list[Block], first_row: int) -> int:
    hashes = [block.content_hash for block in blocks]
    known = set(
        RowBlock.objects.filter(team=team, content_hash__in=hashes).values_list(
            "content_hash", flat=True
        )
    )
    new = sum(len(block.data) for block in blocks if block.content_hash not in known)
    if new:
        disk.grow(team=team, key=rows_key(team), kind=DiskKind.ROWS, by=new)
    RowBlock.objects.bulk_create(
        [
            RowBlock(team=team, content_hash=b.content_hash, row_count=b.row_count, rows=b.data)
            for b in blocks
        ],
        ignore_conflicts=True,
    )
    stored = dict(
        RowBlock.objects.filter(team=team, content_hash__in=hashes).values_list(
            "content_hash", "pk"
        )
    )
    places = []
    for block in blocks:
        places.append(
            VersionBlock(
                version=version, block_id=stored[block.content_hash], first_row=first_row
            )
        )
        first_row += block.row_count
    VersionBlock.objects.bulk_create(places)
    return first_row


def write_jsonl(
    version: DatasetVersion,
    path: Path,
    shape: str = "messages",
    rows: Collection[str] | None = None,
) -> int:
    """Write the rows (or those whose ids are in `rows`) for an engine, atomically; gives their number.

    "messages" is the engine contract: `{"id", "messages"}` with role, content and weight only; tool turns have no place
    there and are left out. Other shapes as `formats.to_shape` writes them; raises `formats.ConversionRefused`.
    """
    wanted = None if rows is None else frozenset(rows)
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("w", encoding="utf-8") as file:
        for row in stored_rows(version):
            if wanted is None or row.id in wanted:
                file.write(json.dumps(for_engine(row, shape), ensure_ascii=False) + "\n")
                count += 1
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return count


def export(version: DatasetVersion, shape: str) -> Iterator[bytes]:
    """The version as a file of one shape, a line a row, without the rows that can't be written in it."""
    for row in stored_rows(version):
        try:
            yield from formats.write([plain(row)], shape)
        except formats.ConversionRefused:
            continue


def restore(*, version: DatasetVersion, person: User) -> DatasetVersion:
    """The rows of an older version as the newest one. Raises NothingChanged where they are the same."""
    latest = newest(version.dataset)
    return copy(
        version=version,
        dataset=version.dataset,
        person=person,
        note=f"Version {version.number} brought back.",
        parent=latest,
    )


def copy(
    *,
    version: DatasetVersion,
    dataset: Dataset,
    person: User,
    note: str,
    parent: DatasetVersion | None,
) -> DatasetVersion:
    """The same blocks as a version of `dataset`, which is of the same team: no row is read or written again."""
    assert dataset.team_id == version.dataset.team_id
    return store(
        dataset=dataset,
        blocks=_blocks(version),
        content_hash=version.content_hash,
        row_count=version.row_count,
        turn_count=version.turn_count,
        token_estimate=version.token_estimate,
        shape=version.shape,
        person=person,
        note=note,
        source_name=version.source_name,
        skipped_rows=version.skipped_rows,
        parent=parent,
    )


def _blocks(version: DatasetVersion) -> Iterator[Block]:
    for place in places(version).iterator(chunk_size=8):
        yield Block(place.block.content_hash, place.block.row_count, bytes(place.block.rows))


def fork(*, version: DatasetVersion, shape: str, name: str, person: User) -> DatasetVersion:
    """A new dataset with the rows in another shape. Raises `formats.ConversionRefused` for a row that can't be."""
    made = [_converted(row, shape) for row in stored_rows(version)]
    dataset = create_dataset(team=version.dataset.team, name=name, person=person)
    _take_source_along(version.dataset, dataset)
    return create_version(
        dataset=dataset,
        rows=made,
        shape=shape,
        person=person,
        note=f"From {version}, as {Shape(shape).label}.",
        source_name=version.source_name,
    )


def _take_source_along(source: Dataset, made: Dataset) -> None:
    """Another shape makes children's words nobody else's."""
    record = SourceRecord.objects.filter(dataset=source).first()
    if record is not None:
        record.pk, record.dataset = None, made
        record._state.adding = True
        record.save()


def _converted(row: StoredRow, shape: str) -> StoredRow:
    if row.shape == shape:
        return row
    read, problems = formats.from_object(formats.to_shape(plain(row), shape), line=row.line)
    if read is None:
        raise formats.ConversionRefused(
            f"Row {row.id} makes no {shape} row: {problems[0].message}"
        )
    return StoredRow.of(read, row.id)


def delete_version(*, version: DatasetVersion, person: User) -> None:
    """Raises VersionInUse where a run was trained on it or edits wait on top of it."""
    _delete(version, version.dataset.team, str(version), person)


def delete_dataset(*, dataset: Dataset, person: User) -> None:
    """All versions and the files they came from. Raises VersionInUse where a run was trained on one."""
    kept = [(import_.place, import_.disk_key) for import_ in dataset.imports.all()]
    _delete(dataset, dataset.team, dataset.name, person)
    for place, key in kept:
        files.forget(place)
        disk.release(key)


def rows_key(team: Team) -> str:
    """Under which the team's stored rows are counted (`teams.services.disk`)."""
    return f"rows-{team.pk}"


def count_rows(team: Team) -> None:
    """Count the team's stored rows anew."""
    size = RowBlock.objects.filter(team=team).aggregate(size=Sum(Length("rows")))["size"] or 0
    disk.settle(team=team, key=rows_key(team), kind=DiskKind.ROWS, size=size)


def _delete(target: Dataset | DatasetVersion, team: Team, what: str, person: User) -> None:
    try:
        with transaction.atomic():
            Team.objects.select_for_update().get(pk=team.pk)
            target.delete()
            RowBlock.objects.filter(team=team, places=None).delete()
            archive_exports.forget_course(team.course)
            audit.record(
                course=team.course, team=team, person=person, action="dataset deleted", what=what
            )
        count_rows(team)
    except ProtectedError as error:
        raise VersionInUse(_why_in_use(what, error.protected_objects)) from error
    except RestrictedError as error:
        raise VersionInUse(
            f"{what} can't be deleted while edits wait on top of it. Save or drop the edits first."
        ) from error


def _why_in_use(what: str, using: Collection[Any]) -> str:
    named = ", ".join(sorted({str(thing) for thing in using})[:5])
    return (
        f"{what} can't be deleted: {named} was made from it, and a run must always be able to show its data. "
        "Nothing was changed."
    )
