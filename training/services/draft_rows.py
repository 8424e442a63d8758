"""What a person decides on one drafted row: accepted as it is or in other words, rejected, or taken back.

An accepted row waits among the dataset's edits like any other and becomes part of the next version when those are saved. It is
marked there as machine-written (`datasets.services.machine_rows`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from datasets.models import DraftChange
from datasets.services import drafts, machine_rows
from datasets.services.blocks import StoredRow
from datasets.services.drafts import EditRefused
from datasets.services.reading import newest, row_at
from teams.models import User
from training.models import DraftedRow, Drafting, RowState
from training.services.draft_offer import row_of

DECIDED = "Somebody else decided on this row meanwhile. Nothing was changed by you."
MOST_CHARACTERS = 4_000


@dataclass(frozen=True)
class ShownDraft:
    """A drafted row with where it stands in the dataset.

    `place`: "" while nobody accepted it; "waiting" among the edits; "saved" in a version; "gone": taken out again.
    """

    row: DraftedRow
    place: str = ""

    @property
    def can_undo(self) -> bool:
        return self.row.state == RowState.REJECTED or self.place in ("waiting", "gone")


def shown(drafting: Drafting) -> list[ShownDraft]:
    """All rows that hold a question and an answer."""
    rows = list(drafting.rows.exclude(state=RowState.UNUSABLE).select_related("decided_by"))
    return _placed(drafting, rows)


def shown_one(row: DraftedRow) -> ShownDraft:
    return _placed(row.drafting, [row])[0]


def _placed(drafting: Drafting, rows: Iterable[DraftedRow]) -> list[ShownDraft]:
    rows = list(rows)
    ids = {row.row_id for row in rows if row.row_id}
    found: dict[str, tuple[StoredRow, DraftChange | None]] = {}
    if ids and drafting.dataset is not None:
        found = drafts.current_rows(drafting.dataset, ids)
    return [ShownDraft(row, _place(row, found)) for row in rows]


def _place(row: DraftedRow, found: dict[str, tuple[StoredRow, DraftChange | None]]) -> str:
    if row.state != RowState.ACCEPTED:
        return ""
    if row.row_id not in found:
        return "gone"
    return "waiting" if found[row.row_id][1] is not None else "saved"


def accept(*, row: DraftedRow, question: str, answer: str, person: User) -> None:
    """As a row of the dataset's next version, in these words. Raises EditRefused; nothing is changed then."""
    asked, said = question.replace("\r\n", "\n").strip(), answer.replace("\r\n", "\n").strip()
    if not asked or not said:
        raise EditRefused(
            "A row needs a question and an answer. Write what is missing, or reject the row."
        )
    if max(len(asked), len(said)) > MOST_CHARACTERS:
        raise EditRefused(
            f"This is longer than {MOST_CHARACTERS} characters. No second-grader says so much."
        )
    dataset = row.drafting.dataset
    if dataset is None:
        raise EditRefused(
            "The dataset of these rows was deleted, so there is no place for this one."
        )
    edited = (asked, said) != (row.question, row.answer)
    made = row_of(asked, said, _system_of(row.drafting))
    made.labels = {machine_rows.LABEL: machine_rows.EDITED if edited else machine_rows.WRITTEN}

    def decide(change: DraftChange) -> None:
        """Inside the row's transaction: it undoes the row where somebody else was faster."""
        values = {
            "state": RowState.ACCEPTED,
            "question": asked,
            "answer": said,
            "edited": edited or row.edited,
            "row_id": change.row_id,
            "decided_by": person,
            "decided_at": timezone.now(),
        }
        if not DraftedRow.objects.filter(pk=row.pk, state=RowState.OPEN).update(**values):
            raise EditRefused(DECIDED)
        machine_rows.remember(row.drafting.team, made)

    drafts.put_row(dataset=dataset, row=made, person=person, then=decide)


def _system_of(drafting: Drafting) -> str:
    """What the dataset's rows say about the bot, so that a drafted row teaches the same one; empty where they say nothing."""
    version = newest(drafting.dataset) if drafting.dataset is not None else None
    first = row_at(version, 0) if version is not None else None
    if first is None or not first.messages or first.messages[0]["role"] != "system":
        return ""
    return first.messages[0]["content"]


def reject(*, row: DraftedRow, person: User) -> None:
    """Raises EditRefused where somebody decided before."""
    values = {"state": RowState.REJECTED, "decided_by": person, "decided_at": timezone.now()}
    if not DraftedRow.objects.filter(pk=row.pk, state=RowState.OPEN).update(**values):
        raise EditRefused(DECIDED)


def take_back(*, row: DraftedRow) -> None:
    """To be decided anew. Raises EditRefused where the row is in a saved version."""
    one = shown_one(row)
    if one.place == "saved":
        raise EditRefused(
            "This row is part of a saved version. Remove it there, on the version's page."
        )
    with transaction.atomic():
        mine = DraftedRow.objects.filter(pk=row.pk, state=row.state, row_id=row.row_id)
        values = {"state": RowState.OPEN, "row_id": "", "decided_by": None, "decided_at": None}
        if row.state not in (RowState.ACCEPTED, RowState.REJECTED) or not mine.update(**values):
            raise EditRefused(DECIDED)
        dataset = row.drafting.dataset
        draft = drafts.draft_of(dataset) if dataset is not None else None
        if one.place == "waiting" and draft is not None:
            drafts.take_back(draft=draft, row_id=row.row_id)
