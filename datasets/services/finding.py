"""Rows of a version that a person looks for: by words, by a label's value, by what is missing; and labels for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import transaction

from datasets import formats
from datasets.models import ChangeKind, DatasetVersion, DraftChange
from datasets.services import drafts, machine_rows
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows
from teams.models import User

MOST_AT_ONCE = 2_000
"""Rows that get a label with one press: each is an open edit."""
WITHOUT = "-"
"""In place of a label's value: rows that have none."""


@dataclass(frozen=True)
class Search:
    """What is looked for; all that is given must hold. `label`: a name of `formats.LABELS`, then `value` counts."""

    words: str = ""
    label: str = ""
    value: str = ""
    edited: bool = False
    """Only rows with an open edit."""

    @property
    def is_empty(self) -> bool:
        return not (self.words.strip() or self.label or self.edited)

    def fits(self, row: StoredRow) -> bool:
        wanted = self.words.casefold().split()
        if wanted:
            said = " ".join(message["content"] for message in row.messages).casefold()
            if not all(word in said for word in wanted):
                return False
        if not self.label:
            return True
        has = row.labels.get(self.label, "")
        if self.value == WITHOUT:
            return not has
        return (
            bool(has)
            if not self.value.strip()
            else has.casefold() == self.value.strip().casefold()
        )


def found(version: DatasetVersion, search: Search) -> Iterator[drafts.ShownRow]:
    """The rows that fit, as the team sees them now, in their order; rows that are being removed too."""
    changes = {
        change.row_id: change
        for change in DraftChange.objects.filter(draft__base=version).select_related(
            "changed_by"
        )
        if change.position is not None
    }
    for position, row in enumerate(stored_rows(version)):
        shown = drafts.with_change(changes.get(row.id), position, row)
        if search.edited and shown.change is None:
            continue
        if search.fits(shown.row):
            yield shown


def page(
    version: DatasetVersion, search: Search, start: int, count: int
) -> tuple[list[drafts.ShownRow], int]:
    """Rows `start` to `start + count` of those that fit, and how many fit in all."""
    shown: list[drafts.ShownRow] = []
    number = 0
    for item in found(version, search):
        if start <= number < start + count:
            shown.append(item)
        number += 1
    return shown, number


def label_found(
    *, version: DatasetVersion, search: Search, label: str, value: str, person: User
) -> int:
    """Give every row that fits the label, or take it away where `value` is empty, as open edits. How many changed.

    Raises drafts.EditRefused for too many rows, and where edits wait on top of another version.
    """
    if label not in formats.LABELS:
        raise drafts.EditRefused("There is no such label. Choose one of the list.")
    rows = list(islice(found(version, search), MOST_AT_ONCE + 1))
    if len(rows) > MOST_AT_ONCE:
        raise drafts.EditRefused(
            f"More than {MOST_AT_ONCE:,} rows fit. Narrow the search, then label those."
        )
    wanted = [
        (item, _labelled(item.row, label, value.strip()))
        for item in rows
        if _differs(item, label, value.strip())
    ]
    if not wanted:
        return 0
    with transaction.atomic():
        draft = drafts.draft_on(version)
        ids = [item.row.id for item, _ in wanted]
        now = {
            change.row_id: change
            for change in draft.changes.select_for_update().filter(row_id__in=ids)
        }
        for item, _ in wanted:
            if _stamp(now.get(item.row.id)) != _stamp(item.change):
                raise drafts.EditRefused(
                    "Somebody changed one of these rows just now. Look again, then label them."
                )
        kept = [
            _edit(draft_id=draft.pk, item=item, row=row, person=person) for item, row in wanted
        ]
        draft.changes.filter(row_id__in=ids).delete()
        DraftChange.objects.bulk_create(kept)
    return len(kept)


def _stamp(change: DraftChange | None) -> object:
    return (change.pk, change.changed_at) if change is not None else None


def _differs(item: drafts.ShownRow, label: str, value: str) -> bool:
    removed = item.change is not None and item.change.kind == ChangeKind.DELETE
    return not removed and item.row.labels.get(label, "") != value


def _labelled(row: StoredRow, label: str, value: str) -> formats.Row:
    bare = plain(row)
    bare.labels = {name: given for name, given in row.labels.items() if name != label}
    if value:
        bare.labels[label] = value
    return machine_rows.carried(row, bare)


def _edit(
    *, draft_id: int, item: drafts.ShownRow, row: formats.Row, person: User
) -> DraftChange:
    stored = StoredRow.of(row, item.row.id)
    return DraftChange(
        draft_id=draft_id,
        row_id=item.row.id,
        position=item.position,
        kind=ChangeKind.EDIT,
        row=drafts.as_json(stored),
        changed_by=person,
    )
