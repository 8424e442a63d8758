"""What presentations say in the results of teams: the listeners' levels, and how they enter the grade."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from evaluation.models import (
    Counting,
    Criterion,
    CriterionScore,
    Grade,
    GradeStatus,
    Level,
    Presentation,
    Submission,
)
from evaluation.services.presenting import Rule
from evaluation.services.scales import Scale

WHOLE = 100  # percent


@dataclass(frozen=True)
class HeardMark:
    """One listener's mark for one criterion. `level` is None for "cannot judge" or unscored."""

    listener: int
    level: Level | None
    cannot_judge: bool
    notes: str


@dataclass(frozen=True)
class HeardRow:
    """One criterion of a presentation; `weight` is what it counts in the course."""

    criterion: Criterion
    marks: list[HeardMark]
    weight: int

    @property
    def final(self) -> float | None:
        """The median of those who gave a level; None where nobody did."""
        values = [mark.level.value for mark in self.marks if mark.level is not None]
        return float(median(values)) if values else None

    @property
    def top(self) -> int:
        return len(self.criterion.levels.all())


@dataclass(frozen=True)
class Heard:
    """The presentation of one team in a course where presentations count.

    `rows` and `comments` (number, comment) are of the listeners who submitted, numbered by their random codes; `missing`
    the names of those who have not; `planned`: the team has a place in a session.
    """

    rule: Rule
    scale: Scale
    rows: list[HeardRow]
    comments: list[tuple[int, str]]
    missing: list[str]
    planned: bool = True

    @property
    def marked(self) -> bool:
        return bool(self.comments)

    @property
    def apart(self) -> bool:
        return self.rule.counting == Counting.APART

    @property
    def points(self) -> float | None:
        """Of `rule.points`, where it is a grade of its own and somebody could judge something."""
        judged = [
            (self.scale.share_of(row.final, row.top), row.weight)
            for row in self.rows
            if row.final is not None
        ]
        weight = sum(weight for _, weight in judged)
        if not self.apart or not weight:
            return None
        return (
            self.rule.points * sum(share * weight for share, weight in judged) / (WHOLE * weight)
        )

    def level_within(self, criterion: Criterion) -> float | None:
        """What enters this criterion's level; None where presentations are graded apart or nobody could judge it."""
        if self.apart:
            return None
        return next((row.final for row in self.rows if row.criterion.key == criterion.key), None)

    def unresolved(self) -> list[str]:
        """Sentences for whoever releases the result."""
        if not self.planned:
            return [
                "The team has no place in a presentation yet. Left like this, the presentation does not count."
            ]
        if self.missing:
            names = ", ".join(self.missing)
            return [
                f"The presentation is not marked by all who listen: {names}. Their marks do not count yet."
            ]
        return []


def blended(blind: float | None, heard: float | None, weight: int) -> float | None:
    """A criterion's level: the presentation's makes `weight` percent of it. Where one is missing the other counts alone."""
    if blind is None or heard is None:
        return heard if blind is None else blind
    return (blind * (WHOLE - weight) + heard * weight) / WHOLE


def heard_of(
    submissions: Iterable[Submission], courses: dict[int, tuple[Scale, Rule]]
) -> dict[int, Heard]:
    """By submission (with `team` fetched); those of courses where presentations do not count are not in it.

    `courses`: how each course grades, by its id. A constant number of queries; none where no presentation counts.
    """
    counting = [one for one in submissions if courses[one.team.course_id][1].counts]
    if not counting:
        return {}
    planned = {
        one.team_id: one
        for one in Presentation.objects.filter(team__in=[one.team_id for one in counting])
        .select_related("session")
        .prefetch_related("session__listeners__person")
    }
    grades = _grades(planned.values())
    found = {}
    for one in counting:
        presentation = planned.get(one.team_id)
        scale, rule = courses[one.team.course_id]
        of_team = grades.get(presentation.pk, []) if presentation else []
        found[one.pk] = _heard(rule, scale, presentation, of_team)
    return found


def _grades(presentations: Iterable[Presentation]) -> dict[int, list[Grade]]:
    """Submitted ones, by presentation, in the random order of their hearings' codes."""
    rows = (
        Grade.objects.filter(
            hearing__presentation__in=list(presentations), status=GradeStatus.COMMITTED
        )
        .select_related("hearing")
        .prefetch_related("scores__criterion__levels")
        .order_by("hearing__code")
    )
    found: dict[int, list[Grade]] = {}
    for row in rows:
        assert row.hearing is not None
        found.setdefault(row.hearing.presentation_id, []).append(row)
    return found


def _heard(
    rule: Rule, scale: Scale, presentation: Presentation | None, grades: list[Grade]
) -> Heard:
    rows: dict[str, HeardRow] = {}
    for number, grade in enumerate(grades, start=1):
        for score in grade.scores.all():
            row = rows.setdefault(
                score.criterion.key,
                HeardRow(score.criterion, [], scale.weight_of(score.criterion)),
            )
            row.marks.append(_mark(number, score))
    comments = [(number, grade.comment) for number, grade in enumerate(grades, start=1)]
    done = {grade.hearing.listener_id for grade in grades if grade.hearing is not None}
    listeners = presentation.session.listeners.all() if presentation else []
    missing = [str(one.person) for one in listeners if one.pk not in done]
    return Heard(
        rule, scale, list(rows.values()), comments, missing, planned=presentation is not None
    )


def _mark(number: int, score: CriterionScore) -> HeardMark:
    levels = {level.value: level for level in score.criterion.levels.all()}
    return HeardMark(number, levels.get(score.level or 0), score.cannot_judge, score.comment)
