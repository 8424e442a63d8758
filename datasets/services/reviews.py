"""The guide's "validate with teachers": comments on rows and approvals. Reviewers do not learn whose rows they are."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from datasets import formats
from datasets.models import Dataset, DatasetVersion, Review, RowApproval, RowComment
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows
from teams.models import Course, NoticeKind, User
from teams.services import notices


class NoSuchRow(Exception):
    """The row is not in the version under review."""


@dataclass(frozen=True)
class BlindReview:
    """A review as one reader knows it: `code` is hers alone, and so is the name made of it."""

    code: UUID
    review: Review

    @property
    def name(self) -> str:
        return f"Dataset {str(self.code)[:4].upper()}"


def open_for(course: Course, reader: User) -> list[BlindReview]:
    """What this person may look at, in the order of her codes: random, stable, and not that of asking."""
    found = Review.objects.for_reviewer(course, reader)
    return sorted(
        (BlindReview(one.code_for(reader), one) for one in found), key=lambda one: one.code
    )


@dataclass(frozen=True)
class ReviewedRow:
    position: int
    row: StoredRow
    comments: list[RowComment]
    approvals: int
    approved_by_me: bool


def ask(*, version: DatasetVersion, person: User) -> Review:
    """Ask teachers to look at the version; an earlier request for another version of the dataset is closed."""
    with transaction.atomic():
        open_ones = Review.objects.filter(version__dataset=version.dataset, closed_at=None)
        open_ones.exclude(version=version).update(closed_at=timezone.now())
        review, _ = Review.objects.update_or_create(
            version=version, defaults={"closed_at": None}, create_defaults={"asked_by": person}
        )
    return review


def close(*, review: Review) -> None:
    review.closed_at = timezone.now()
    review.save(update_fields=["closed_at"])


def reviewed(version: DatasetVersion, person: User, start: int, stop: int) -> list[ReviewedRow]:
    """Rows with what was said about them. An approval counts only for the words it was given to."""
    rows = list(stored_rows(version, start, stop))
    ids = [row.id for row in rows]
    comments: dict[str, list[RowComment]] = defaultdict(list)
    for comment in RowComment.objects.filter(
        dataset=version.dataset, row_id__in=ids
    ).select_related("person"):
        comments[comment.row_id].append(comment)
    approvals: dict[tuple[str, str], set[int]] = defaultdict(set)
    for approval in RowApproval.objects.filter(dataset=version.dataset, row_id__in=ids):
        approvals[approval.row_id, approval.fingerprint].add(approval.person_id)
    listed = []
    for position, row in enumerate(rows, start):
        by = approvals[row.id, formats.fingerprint(plain(row))]
        listed.append(ReviewedRow(position, row, comments[row.id], len(by), person.pk in by))
    return listed


def find_row(version: DatasetVersion, row_id: str, position: int) -> StoredRow:
    """The row, looked up where the page showed it. Raises NoSuchRow."""
    for row in stored_rows(version, position, position + 1):
        if row.id == row_id:
            return row
    raise NoSuchRow(row_id)


def comment(
    *, version: DatasetVersion, row: StoredRow, person: User, text: str, by_reviewer: bool
) -> RowComment:
    """Raises ValueError for an empty remark."""
    text = text.strip()[:1000]
    if not text:
        raise ValueError("Write what is on your mind first.")
    with transaction.atomic():
        made = RowComment.objects.create(
            dataset=version.dataset,
            row_id=row.id,
            text=text,
            person=person,
            by_reviewer=by_reviewer,
        )
        if by_reviewer:
            _tell_team(version, text)
    return made


def _tell_team(version: DatasetVersion, text: str) -> None:
    """A teacher who remarks on twenty rows is one notice, until it is read."""
    dataset = version.dataset
    path = reverse("version_review", args=[dataset.team_id, dataset.pk, version.number])
    told_already = {"kind": NoticeKind.COMMENT, "path": path, "read_at": None}
    members = dataset.team.memberships.filter(active=True).select_related("person")
    people = [
        one.person for one in members if not one.person.notices.filter(**told_already).exists()
    ]
    said = f"A teacher wrote about a row of “{dataset.name}”: {text}"
    notices.tell(
        people=people, course=dataset.team.course, kind=NoticeKind.COMMENT, text=said, path=path
    )


def approve(*, version: DatasetVersion, row: StoredRow, person: User, approved: bool) -> None:
    """Mark the row, as it is now, as right; or take that back."""
    key: dict[str, Any] = {
        "dataset": version.dataset,
        "row_id": row.id,
        "fingerprint": formats.fingerprint(plain(row)),
        "person": person,
    }
    if approved:
        RowApproval.objects.get_or_create(**key)
    else:
        RowApproval.objects.filter(**key).delete()


@dataclass(frozen=True)
class Progress:
    comments: int
    approved_rows: int


def progress(dataset: Dataset) -> Progress:
    """How much teachers have said about a dataset so far."""
    return Progress(
        RowComment.objects.filter(dataset=dataset, by_reviewer=True).count(),
        RowApproval.objects.filter(dataset=dataset).values("row_id").distinct().count(),
    )
