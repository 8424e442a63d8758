"""Edits in the browser: they gather in the dataset's draft until somebody saves them as the next version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import transaction

from datasets import checks, formats
from datasets.models import ChangeKind, Dataset, DatasetVersion, Draft, DraftChange, VersionBlock
from datasets.services import machine_rows, versions
from datasets.services.blocks import Block, NamedRows, StoredRow, Totals, fresh_id, pack, packed, row_from, unpack
from datasets.services.comparing import as_text, word_changes
from datasets.services.reading import newest, places, plain, row_at, stored_rows
from teams.models import User


class EditRefused(Exception):
    """The edit can't be made; the message says why and what to do."""


class ChangedMeanwhile(EditRefused):
    """Somebody else changed the same row first; `row` is what it says now."""

    def __init__(self, row: StoredRow, who: str) -> None:
        super().__init__(f"{who} changed this row meanwhile. Look at both, then save yours again to keep it.")
        self.row = row


@dataclass(frozen=True)
class ShownRow:
    """A row as the team sees it now: with the draft's edit, if there is one."""

    position: int | None
    row: StoredRow
    change: DraftChange | None

    @property
    def fingerprint(self) -> str:
        """What an edit must name to prove that it was made while looking at this."""
        return formats.fingerprint(plain(self.row))


def shown(version: DatasetVersion, start: int, stop: int) -> list[ShownRow]:
    """Rows `start` to `stop` of a version with the open edits on top of it."""
    changes = {
        change.row_id: change
        for change in DraftChange.objects.filter(
            draft__base=version, position__gte=start, position__lt=stop
        ).select_related("changed_by")
    }
    return [
        with_change(changes.get(row.id), position, row)
        for position, row in enumerate(stored_rows(version, start, stop), start)
    ]


def with_change(change: DraftChange | None, position: int, row: StoredRow) -> ShownRow:
    if change is not None and change.kind == ChangeKind.EDIT:
        return ShownRow(position, _stored(change), change)
    return ShownRow(position, row, change)


def _stored(change: DraftChange) -> StoredRow:
    row = row_from(change.row or {})
    assert isinstance(row, StoredRow)
    return row


def draft_of(dataset: Dataset) -> Draft | None:
    return Draft.objects.filter(dataset=dataset).select_related("base").first()


def added(draft: Draft) -> list[ShownRow]:
    changes = draft.changes.filter(kind=ChangeKind.ADD).select_related("changed_by")
    return [ShownRow(None, _stored(change), change) for change in changes]


def draft_on(version: DatasetVersion) -> Draft:
    """The draft for edits of this version. Raises EditRefused where edits wait on top of another one."""
    draft, _ = Draft.objects.select_for_update().get_or_create(dataset=version.dataset, defaults={"base": version})
    if draft.base_id != version.pk:
        raise EditRefused(
            f"Edits wait on top of version {draft.base.number}. Save or drop them first, or edit version "
            f"{draft.base.number}."
        )
    return draft


def check(row: formats.Row) -> None:
    """Raises EditRefused where the row breaks a rule, naming all of them."""
    errors = [problem for problem in formats.check_row(row, formats.Limits()) if problem.severity == "error"]
    if errors:
        raise EditRefused(" ".join(f"{problem.message} {problem.fix}" for problem in errors))


@transaction.atomic
def edit_row(*, version: DatasetVersion, position: int, row: formats.Row, seen: str, person: User) -> ShownRow:
    """Change the row at `position`. `seen` is the fingerprint of what the person was looking at.

    Raises EditRefused, and ChangedMeanwhile where the row is not what they saw.
    """
    check(row)
    before = row_at(version, position)
    if before is None:
        raise EditRefused("There is no such row in this version.")
    if before.preferred_output is not None:
        raise EditRefused(
            "A preference pair holds two answers; change it in your file and upload that as the next version."
        )
    row = machine_rows.carried(before, row)
    draft = draft_on(version)
    change = draft.changes.filter(row_id=before.id).select_related("changed_by").first()
    now = with_change(change, position, before)
    if now.fingerprint != seen:
        who = change.changed_by.name if change and change.changed_by else "Somebody"
        raise ChangedMeanwhile(now.row, who)
    stored = StoredRow.of(row, before.id)
    if formats.fingerprint(row) == formats.fingerprint(plain(before)):
        draft.changes.filter(row_id=before.id).delete()
        return ShownRow(position, before, None)
    made, _ = DraftChange.objects.update_or_create(
        draft=draft,
        row_id=before.id,
        defaults={"position": position, "kind": ChangeKind.EDIT, "row": as_json(stored), "changed_by": person},
    )
    return ShownRow(position, stored, made)


def as_json(row: StoredRow) -> dict[str, object]:
    return {"id": row.id, **plain(row).as_dict()}


@transaction.atomic
def remove_row(*, version: DatasetVersion, position: int, person: User) -> ShownRow:
    """The row will not be in the next version; it can be taken back until then."""
    before = row_at(version, position)
    if before is None:
        raise EditRefused("There is no such row in this version.")
    made, _ = DraftChange.objects.update_or_create(
        draft=draft_on(version),
        row_id=before.id,
        defaults={"position": position, "kind": ChangeKind.DELETE, "row": None, "changed_by": person},
    )
    return ShownRow(position, before, made)


def add_row(*, dataset: Dataset, row: formats.Row, person: User) -> DraftChange:
    """A new row at the end of the next version, on top of the newest one or of the version already being edited.

    Raises EditRefused for a row that breaks a rule, or a dataset without any version.
    """
    return put_row(dataset=dataset, row=row, person=person)


@dataclass(frozen=True)
class KnownRow:
    """A row that was put before: its id, and what the student said in it when the person looked."""

    row_id: str
    said: str


def put_row(
    *,
    dataset: Dataset,
    row: formats.Row,
    person: User,
    known: KnownRow | None = None,
    then: Callable[[DraftChange], None] | None = None,
) -> DraftChange:
    """`row` into the next version: in place of the `known` one, or at the end where there is none (any more).

    `then` runs in the same transaction, so that who remembers the row and the row itself are saved together or not at all.
    Raises EditRefused for a row that breaks a rule, that waits already, or for a dataset without any version, and
    ChangedMeanwhile where the known row says something else by now.
    """
    check(row)
    base = newest(dataset)
    if base is None:
        raise EditRefused("Upload some rows first; then single ones can be added.")
    draft = Draft.objects.filter(dataset=dataset).select_related("base").first()
    edited = draft.base if draft else base
    taken = {kept.id: place for place, kept in enumerate(stored_rows(edited))}  # long: not while others wait to write
    with transaction.atomic():
        draft, _ = Draft.objects.select_for_update().get_or_create(dataset=dataset, defaults={"base": edited})
        if draft.base_id != edited.pk:
            raise EditRefused("Somebody saved the edits while yours was being added. Add the row once more.")
        made = _put(draft, row, person, known, taken)
        if then is not None:
            then(made)
        return made


def _put(draft: Draft, row: formats.Row, person: User, known: KnownRow | None, taken: dict[str, int]) -> DraftChange:
    changes = {change.row_id: change for change in draft.changes.select_related("changed_by")}
    _refuse_twice(row, changes, known)
    change = changes.get(known.row_id) if known is not None else None
    place = taken.get(known.row_id) if known is not None else None
    if known is None or (change is None and place is None) or (change is not None and change.row is None):
        stored = StoredRow.of(row, fresh_id(row, {*taken, *changes}))
        return DraftChange.objects.create(
            draft=draft, row_id=stored.id, kind=ChangeKind.ADD, row=as_json(stored), changed_by=person
        )
    before = _stored(change) if change is not None else row_at(draft.base, place or 0)
    if before is None:
        raise EditRefused("The row was removed while yours was being saved. Save it once more.")
    if last_said(before) != known.said:
        raise ChangedMeanwhile(before, change.changed_by.name if change and change.changed_by else "Somebody")
    row.labels = before.labels
    row = machine_rows.carried(before, row)
    kind = ChangeKind.EDIT if place is not None else ChangeKind.ADD
    made, _ = DraftChange.objects.update_or_create(
        draft=draft,
        row_id=known.row_id,
        defaults={
            "position": place,
            "kind": kind,
            "row": as_json(StoredRow.of(row, known.row_id)),
            "changed_by": person,
        },
    )
    return made


def last_said(row: StoredRow) -> str:
    """The last thing that the student says in a row."""
    return row.messages[-1]["content"] if row.messages else ""


def current_rows(dataset: Dataset, row_ids: set[str]) -> dict[str, tuple[StoredRow, DraftChange | None]]:
    """Of these rows, those that the next version will hold, as they stand now; with the open edit where there is one."""
    draft = draft_of(dataset)
    changes = draft.changes.filter(row_id__in=row_ids).select_related("changed_by") if draft is not None else []
    edited = {change.row_id: change for change in changes}
    found: dict[str, tuple[StoredRow, DraftChange | None]] = {
        row_id: (_stored(change), change) for row_id, change in edited.items() if change.row is not None
    }
    rest = row_ids - edited.keys()
    base = draft.base if draft is not None else newest(dataset)
    if rest and base is not None:
        found |= {row.id: (row, None) for row in stored_rows(base) if row.id in rest}
    return found


def _refuse_twice(row: formats.Row, changes: dict[str, DraftChange], known: KnownRow | None) -> None:
    """The same words twice teach nothing more."""
    said = formats.fingerprint(row)
    for row_id, change in changes.items():
        own = known is not None and row_id == known.row_id
        if not own and change.kind == ChangeKind.ADD and formats.fingerprint(plain(_stored(change))) == said:
            raise EditRefused(
                "This very row waits among the dataset's edits already. Change the answer, or leave it so."
            )


def take_back(*, draft: Draft, row_id: str) -> None:
    """Undo what was done to one row."""
    draft.changes.filter(row_id=row_id).delete()
    if not draft.changes.exists():
        draft.delete()


def drop(*, draft: Draft) -> None:
    """Forget all edits."""
    draft.delete()


def publish(*, draft: Draft, person: User, note: str) -> DatasetVersion:
    """All edits as the next version; untouched blocks are shared with the version before.

    Raises versions.NothingChanged, versions.NoRows, and EditRefused where somebody edited meanwhile; the draft is gone only
    when the version is there.
    """
    seen, totals = _state(draft), Totals()
    blocks = list(_edited(draft, totals))  # reads every row of the version: not while others wait to write
    with transaction.atomic():
        return _publish(draft, seen, blocks, totals, person=person, note=note)


def _state(draft: Draft) -> list[tuple[int, object]]:
    """The edits as they are now: equal later means that nobody touched one meanwhile."""
    return list(draft.changes.order_by("id").values_list("id", "changed_at"))


def _publish(
    draft: Draft,
    seen: list[tuple[int, object]],
    blocks: list[Block],
    totals: Totals,
    *,
    person: User,
    note: str,
) -> DatasetVersion:
    locked = Draft.objects.select_for_update(of=("self",)).select_related("base__dataset__team__course")
    now = locked.filter(pk=draft.pk).first()
    if now is None:
        raise EditRefused("The edits were saved or dropped by somebody else.")
    draft, base = now, now.base
    if _state(draft) != seen:
        raise EditRefused("Somebody changed a row while yours were being saved. Look at the edits, then save again.")
    counts = {kind: draft.changes.filter(kind=kind).count() for kind in ChangeKind}
    told = ", ".join(f"{count} {ChangeKind(kind).label.lower()}" for kind, count in counts.items() if count)
    made = versions.store(
        dataset=base.dataset,
        blocks=blocks,
        content_hash=totals.content_hash if totals.rows else "",
        row_count=totals.rows,
        turn_count=totals.turns,
        token_estimate=totals.token_estimate,
        shape=base.shape,
        person=person,
        note=note.strip() or f"Edited here: {told}.",
        source_name=base.source_name,
        parent=base,
    )
    draft.delete()
    return made


def _edited(draft: Draft, totals: Totals) -> Iterator[Block]:
    changes = {change.row_id: change for change in draft.changes.exclude(kind=ChangeKind.ADD)}
    new = [_stored(change) for change in draft.changes.filter(kind=ChangeKind.ADD)]
    last_rows: list[StoredRow] = []
    for place in places(draft.base).iterator(chunk_size=8):
        rows, touched = _apply(place, changes)
        if new and place.first_row + place.block.row_count == draft.base.row_count:
            last_rows = rows  # new rows join the last block, so that single additions do not leave tiny blocks
            continue
        for row in rows:
            totals.add(NamedRows.of(row, formats.fingerprint(row)))
        if not touched:
            yield Block(place.block.content_hash, place.block.row_count, bytes(place.block.rows))
        elif rows:
            yield pack(rows)
    yield from packed((NamedRows.of(row, formats.fingerprint(row)) for row in [*last_rows, *new]), totals)


def _apply(place: VersionBlock, changes: dict[str, DraftChange]) -> tuple[list[StoredRow], bool]:
    rows, touched = [], False
    for row in unpack(bytes(place.block.rows)):
        change = changes.get(row.id)
        touched = touched or change is not None
        if change is None:
            rows.append(row)
        elif change.kind == ChangeKind.EDIT:
            rows.append(_stored(change))
    return rows, touched


def confirm_labels(*, version: DatasetVersion, person: User) -> DatasetVersion:
    """The next version, in which rows without a label have the one that the rules suggest.

    Raises versions.NothingChanged where no rule suggests anything.
    """
    made: list[StoredRow] = []
    for row in stored_rows(version):
        bare = plain(row)
        bare.labels = {**checks.suggest_labels(bare), **bare.labels}
        made.append(StoredRow.of(bare, row.id))
    return versions.create_version(
        dataset=version.dataset,
        rows=made,
        shape=version.shape,
        person=person,
        note=f"Suggested labels of version {version.number} confirmed.",
        source_name=version.source_name,
        parent=version,
    )


def described(draft: Draft) -> list[tuple[DraftChange, list[tuple[str, str]]]]:
    """Each change with what it does to the text, word by word."""
    listed = []
    for change in draft.changes.select_related("changed_by"):
        before = row_at(draft.base, change.position) if change.position is not None else None
        after = _stored(change) if change.row is not None else None
        listed.append((change, word_changes(as_text(before) if before else "", as_text(after) if after else "")))
    return listed
