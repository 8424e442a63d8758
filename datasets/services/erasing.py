"""One row taken out of everything that a team keeps: all versions of all its datasets, drafts, remarks, reports and uploads.

Versions never change, with this one exception: a child's data has to go when somebody asks for that. A version then says how many
rows were erased from it, and its hash is that of what is left, so that exports and imports still agree with their rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import zstandard
from django.db import transaction
from django.db.models import F, Max, Sum

from datasets import formats
from datasets.models import (
    Dataset,
    DatasetVersion,
    DraftChange,
    FindingJustification,
    FrozenSplit,
    Import,
    RowApproval,
    RowBlock,
    RowComment,
    VersionBlock,
)
from datasets.services import import_files, machine_rows, measure, retention, versions
from datasets.services.blocks import (
    Block,
    NamedRows,
    StoredRow,
    Totals,
    pack,
    read_frames,
    unpack,
)
from datasets.services.reading import plain
from teams.models import Team
from teams.services.storage.shelves import FileLost

ATTEMPTS = 3
STAND_IN = "(erased)"


class TryAgain(Exception):
    """Versions were made again and again while the rows were read; nothing was erased."""


@dataclass
class Erased:
    """What was found. `texts`: everything the row ever said, in each of its wordings, for whoever has to look elsewhere."""

    row_id: str
    versions: list[DatasetVersion] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    uploads: int = 0
    places: int = 0


@dataclass
class _Search:
    """The rows to erase: those with that id, or that say the same as one of them."""

    row_id: str
    digests: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    by_machine: set[str] = field(default_factory=set)
    """Digests under which `machine_rows` may remember a wording."""

    def holds(self, row: StoredRow) -> bool:
        return row.id == self.row_id or formats.fingerprint(plain(row)) in self.digests

    def note(self, row: StoredRow) -> None:
        """A wording of the row."""
        self.digests.add(formats.fingerprint(plain(row)))
        self.by_machine.add(machine_rows.digest_of(row))
        self.texts |= {
            message["content"] for message in row.messages if message["role"] != "system"
        }


def erase_row(*, team: Team, row_id: str) -> Erased:
    """Take the row with this id, in every wording it had, out of all that the team keeps. Raises TryAgain.

    Rows of other ids that say exactly the same go too. Reading is done before the transaction, which only writes.
    """
    for _ in range(ATTEMPTS):
        newest = _newest_version(team)
        search = _search(team, row_id)
        plans = list(_plans(team, search))
        with transaction.atomic():
            Team.objects.select_for_update().get(pk=team.pk)
            if _newest_version(team) != newest:
                continue
            found = _write(team, row_id, plans, search)
        found.uploads = _forget_uploads(team, plans, search)
        versions.count_rows(team)
        return found
    raise TryAgain(
        "New versions were made while the rows were read. Nothing was erased; try again in a moment."
    )


def wordings(team: Team, row_id: str) -> Erased:
    """What the row says in each of its wordings; nothing is erased yet."""
    return Erased(row_id, texts=_search(team, row_id).texts)


def is_quick(team: Team) -> bool:
    """Whether a request may erase a row: all that the team keeps is read for it."""
    rows = RowBlock.objects.filter(team=team).aggregate(rows=Sum("row_count"))["rows"] or 0
    files = (
        Import.objects.filter(team=team, files_kept=True).aggregate(bytes=Sum("size"))["bytes"]
        or 0
    )
    if rows > measure.INLINE_ROWS or files > measure.INLINE_BYTES:
        return False
    try:
        blocks = RowBlock.objects.filter(team=team).values_list("rows", flat=True)
        sizes = [zstandard.frame_content_size(bytes(rows)) for rows in blocks]
    except zstandard.ZstdError:  # a block of before November 2026 says no size
        return False
    return sum(sizes) <= measure.INLINE_BYTES


def _newest_version(team: Team) -> int | None:
    newest: int | None = DatasetVersion.objects.filter(dataset__team=team).aggregate(
        newest=Max("pk")
    )["newest"]
    return newest


def _blocks(team: Team) -> Iterator[tuple[int, list[StoredRow]]]:
    for pk, data in (
        RowBlock.objects.filter(team=team).values_list("pk", "rows").iterator(chunk_size=8)
    ):
        yield pk, unpack(bytes(data))


def _search(team: Team, row_id: str) -> _Search:
    """Every wording of the row: in versions, and in edits that wait."""
    search = _Search(row_id, ids={row_id})
    for _, rows in _blocks(team):
        for row in rows:
            if row.id == row_id:
                search.note(row)
    for change in DraftChange.objects.filter(
        draft__dataset__team=team, row_id=row_id, row__isnull=False
    ):
        search.texts |= {
            message["content"] for message in (change.row or {}).get("messages", [])
        }
    return search


@dataclass
class _Place:
    """A block's place in a version, and the rows that are to stand there."""

    stored: VersionBlock
    rows: list[StoredRow]
    changed: bool


@dataclass
class _Plan:
    """What one version becomes."""

    version: DatasetVersion
    places: list[_Place]
    totals: Totals
    erased: int


def _plans(team: Team, search: _Search) -> Iterator[_Plan]:
    touched = {pk for pk, rows in _blocks(team) if any(search.holds(row) for row in rows)}
    found = DatasetVersion.objects.filter(
        dataset__team=team, blocks__block__in=touched
    ).distinct()
    for version in found.select_related("dataset"):
        yield _plan(version, search)


def _plan(version: DatasetVersion, search: _Search) -> _Plan:
    plan = _Plan(version, [], Totals(), 0)
    for stored in (
        VersionBlock.objects.filter(version=version)
        .select_related("block")
        .iterator(chunk_size=8)
    ):
        rows = unpack(bytes(stored.block.rows))
        left = [row for row in rows if not search.holds(row)]
        search.ids |= {row.id for row in rows if search.holds(row)}
        plan.erased += len(rows) - len(left)
        plan.places.append(_Place(stored, left, len(left) < len(rows)))
    if not any(place.rows for place in plan.places):
        plan.places[0].rows = [_stand_in()]  # a version needs a row
    for place in plan.places:
        for row in place.rows:
            plan.totals.add(NamedRows.of(row, formats.fingerprint(row)))
    return plan


def _stand_in() -> StoredRow:
    said: list[formats.Message] = [
        {"role": "user", "content": STAND_IN},
        {"role": "assistant", "content": STAND_IN},
    ]
    return StoredRow(id="erased", line=1, messages=said)


def _write(team: Team, row_id: str, plans: list[_Plan], search: _Search) -> Erased:
    found = Erased(row_id, texts=search.texts)
    for plan in plans:
        _write_version(team, plan)
        found.versions.append(plan.version)
        found.places += plan.erased
        measure.start(plan.version)
    RowBlock.objects.filter(team=team, places=None).delete()
    machine_rows.forget(team, search.by_machine)
    datasets = Dataset.objects.filter(team=team)
    DraftChange.objects.filter(draft__dataset__in=datasets, row_id__in=search.ids).delete()
    for model in (RowComment, RowApproval, FindingJustification):
        model._default_manager.filter(dataset__in=datasets, row_id__in=search.ids).delete()
    for split in FrozenSplit.objects.filter(version__in=[plan.version for plan in plans]):
        split.validation_ids = [one for one in split.validation_ids if one not in search.ids]
        split.save(update_fields=["validation_ids"])
    return found


def _write_version(team: Team, plan: _Plan) -> None:
    version, first_row = plan.version, 0
    for place in plan.places:
        if not place.rows:
            place.stored.delete()
            continue
        fields: dict[str, object] = {"first_row": first_row}
        if place.changed:
            fields["block"] = _stored(team, pack(place.rows))
        VersionBlock.objects.filter(pk=place.stored.pk).update(**fields)
        first_row += len(place.rows)
    _move_drafts(version)
    DatasetVersion.objects.filter(pk=version.pk).update(
        row_count=plan.totals.rows,
        turn_count=plan.totals.turns,
        token_estimate=plan.totals.token_estimate,
        content_hash=plan.totals.content_hash,
        erased_rows=F("erased_rows") + plan.erased,
        report={},
        measured_at=None,
    )
    version.refresh_from_db()


def _stored(team: Team, block: Block) -> RowBlock:
    held = {"row_count": block.row_count, "rows": block.data}
    return RowBlock.objects.get_or_create(
        team=team, content_hash=block.content_hash, defaults=held
    )[0]


def _move_drafts(version: DatasetVersion) -> None:
    """Edits name a row's place; the rows behind an erased one move up."""
    changes = list(DraftChange.objects.filter(draft__base=version, position__isnull=False))
    if not changes:
        return
    places = {row.id: position for position, row in enumerate(_rows_of(version))}
    for change in changes:
        if change.row_id in places and places[change.row_id] != change.position:
            change.position = places[change.row_id]
            change.save(update_fields=["position"])


def _rows_of(version: DatasetVersion) -> Iterator[StoredRow]:
    for place in (
        VersionBlock.objects.filter(version=version)
        .select_related("block")
        .iterator(chunk_size=8)
    ):
        yield from unpack(bytes(place.block.rows))


def _forget_uploads(team: Team, plans: list[_Plan], search: _Search) -> int:
    """The files of imports that the row may have come in: of the datasets it stood in, and open ones that hold it."""
    concerned = {plan.version.dataset_id for plan in plans}
    gone = 0
    for import_ in Import.objects.filter(team=team, files_kept=True):
        if import_.is_open and not _is_in(import_, search):
            continue
        if (
            not import_.is_open
            and import_.dataset_id not in concerned
            and not _is_in(import_, search)
        ):
            continue
        retention.forget(import_)
        gone += 1
    return gone


def _is_in(import_: Import, search: _Search) -> bool:
    try:
        path = import_files.rows(import_)
    except FileLost:
        return True  # nobody can say any more what is in it, so it goes
    if not path.exists():
        return False
    return any(search.holds(row) for block in read_frames(path) for row in unpack(block.data))
