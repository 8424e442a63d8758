"""From levels to points: how many points there are, what each criterion weighs, what each level is worth.

The instructor sets it, and everyone in the course reads it before anything is graded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.urls import reverse

from evaluation.models import Criterion, GradeScale, Submission
from teams.models import Course, NoticeKind, Role, User
from teams.services import audit, notices

TITLE = "Second-grade chatbot"
POINTS = 100
MOST_POINTS = 1_000
WHOLE = 100.0  # percent


@dataclass(frozen=True)
class Scale:
    """`weights` by criterion key, where they are not the rubric's; `shares` in percent, from the lowest level."""

    title: str = TITLE
    points: int = POINTS
    weights: dict[str, int] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)

    def weight_of(self, criterion: Criterion) -> int:
        return self.weights.get(criterion.key, criterion.weight)

    def share_of(self, level: float, top: int) -> float:
        """Percent of the points for a level, which may lie between two: then on the line between theirs."""
        shares = self.shares_for(top)
        low = int(level)
        if low >= top:
            return shares[top - 1]
        between = level - low
        return shares[low - 1] + between * (shares[low] - shares[low - 1])

    def shares_for(self, top: int) -> list[float]:
        """One percentage for each of `top` levels; even steps where the instructor set none for so many levels."""
        if len(self.shares) == top:
            return [float(share) for share in self.shares]
        return [WHOLE * level / top for level in range(1, top + 1)]


@dataclass(frozen=True)
class Weighed:
    """A criterion in the table that everyone reads: its weight, and the points it is worth."""

    criterion: Criterion
    weight: int
    points: float


def scale_of(course: Course) -> Scale:
    row = GradeScale.objects.filter(course=course).first()
    return Scale() if row is None else _scale(row)


def scale_in(course: Course) -> Scale:
    """Of a course that was fetched with its `grade_scale`."""
    row: GradeScale | None = getattr(course, "grade_scale", None)
    return Scale() if row is None else _scale(row)


def _scale(row: GradeScale) -> Scale:
    return Scale(row.title, row.points, row.weights, row.shares)


def weighed(criteria: Iterable[Criterion], scale: Scale) -> list[Weighed]:
    """What each criterion is worth where all of them can be judged."""
    rows = [(criterion, scale.weight_of(criterion)) for criterion in criteria]
    whole = sum(weight for _, weight in rows)
    return [
        Weighed(criterion, weight, scale.points * weight / whole if whole else 0.0)
        for criterion, weight in rows
    ]


def set_scale(*, course: Course, scale: Scale, person: User) -> bool:
    """Set points, weights and shares. Who has handed in already is told. False where nothing changed."""
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        before = scale_of(course)
        if before == scale:
            return False
        fields: dict[str, Any] = {
            "title": scale.title,
            "points": scale.points,
            "weights": scale.weights,
            "shares": scale.shares,
        }
        GradeScale.objects.update_or_create(course=course, defaults=fields)
        said = [_said(one) for one in (before, scale)]
        audit.record(
            course=course,
            person=person,
            action="weights and points",
            what=str(course),
            before=said[0],
            after=said[1],
        )
        if _how_it_counts(before) != _how_it_counts(scale) and _handed_in(course):
            _tell_students(course)
    return True


def _said(scale: Scale) -> dict[str, Any]:
    return {
        "title": scale.title,
        "points": scale.points,
        "weights": scale.weights,
        "shares": scale.shares,
    }


def _how_it_counts(scale: Scale) -> tuple[int, dict[str, int], list[float]]:
    return scale.points, scale.weights, scale.shares


def _handed_in(course: Course) -> bool:
    return Submission.objects.current().filter(team__course=course).exists()


def _tell_students(course: Course) -> None:
    people = User.objects.filter(
        memberships__course=course,
        memberships__role=Role.STUDENT,
        memberships__active=True,
        memberships__team__isnull=False,
    )
    notices.tell(
        people=people,
        course=course,
        kind=NoticeKind.GRADE,
        text="The weights or points of the grade have changed. What was released stays as it is.",
        path=reverse("rubric_read", args=[course.pk]),
    )
