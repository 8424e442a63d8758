"""What the committed grades of submissions say now, side by side: the draft of the next release."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import Count, Prefetch

from evaluation.models import (
    Adjudication,
    Criterion,
    CriterionScore,
    GradeStatus,
    Grading,
    Level,
    Submission,
    Turn,
    TurnCorrection,
    TurnTag,
)
from evaluation.services.presented import Heard, blended, heard_of
from evaluation.services.presenting import Rule, rule_in
from evaluation.services.scales import Scale, scale_in
from teams.models import Course, User
from teams.services import audit

ADJUDICATE_FROM = 2  # levels apart


@dataclass(frozen=True)
class Mark:
    """One grader's mark for one criterion. `level` is None for "cannot judge" or unscored."""

    grader: int
    level: Level | None
    cannot_judge: bool
    comment: str


@dataclass(frozen=True)
class Settled:
    """The level that an instructor decided on. `author` and `at` are for instructors only."""

    level: int
    reason: str
    author: str = ""
    at: datetime | None = None


def final_level(values: list[int], settled: Settled | None) -> float | None:
    """The adjudicated level, else the median of the graders who gave one; "cannot judge" is not zero."""
    if settled is not None:
        return float(settled.level)
    return float(median(values)) if values else None


@dataclass(frozen=True)
class CriterionResult:
    """`final` is the level that counts, None where nobody could judge; `weight` what it counts in the course.

    Where a presentation counts within the rubric, `blind` and `heard` are the two levels that `final` is made of.
    """

    criterion: Criterion
    marks: list[Mark]
    settled: Settled | None
    final: float | None
    weight: int
    blind: float | None = None
    heard: float | None = None

    @property
    def values(self) -> list[int]:
        return [mark.level.value for mark in self.marks if mark.level is not None]

    @property
    def top(self) -> int:
        return len(self.criterion.levels.all())

    @property
    def bar(self) -> float | None:
        """The final level as percent of the scale, for the plot; None without one."""
        return None if self.final is None else self._percent(self.final)

    @property
    def dots(self) -> list[float]:
        """Each grader's own level in the same percent."""
        return [self._percent(value) for value in self.values]

    def _percent(self, level: float) -> float:
        return 100 * level / self.top

    @property
    def disagreement(self) -> bool:
        return bool(self.values) and max(self.values) - min(self.values) >= ADJUDICATE_FROM

    @property
    def open_disagreement(self) -> bool:
        """Two levels or more apart, and nobody has adjudicated."""
        return self.disagreement and self.settled is None


def mean_level(criteria: Iterable[CriterionResult]) -> float | None:
    """The weighted mean of the final levels over the criteria that someone could judge."""
    judged = [(row.final, row.weight) for row in criteria if row.final is not None]
    weight = sum(weight for _, weight in judged)
    return sum(level * weight for level, weight in judged) / weight if weight else None


def points_for(criteria: Iterable[CriterionResult], scale: Scale) -> float | None:
    """Points of `scale.points`; what nobody could judge counts neither for nor against. None where nothing was judged."""
    judged = [
        (scale.share_of(row.final, row.top), row.weight)
        for row in criteria
        if row.final is not None
    ]
    weight = sum(weight for _, weight in judged)
    return (
        scale.points * sum(share * weight for share, weight in judged) / (100 * weight)
        if weight
        else None
    )


@dataclass(frozen=True)
class SubmissionResult:
    """`gradings` are all of them, in the order of the graders' numbers; marks come from the committed ones only.

    `presentation` is None in a course where presentations do not count.
    """

    submission: Submission
    gradings: list[Grading]
    criteria: list[CriterionResult]
    scale: Scale
    presentation: Heard | None = None

    @property
    def committed(self) -> list[Grading]:
        return [
            grading for grading in self.gradings if grading.grade.status == GradeStatus.COMMITTED
        ]

    @property
    def comments(self) -> list[tuple[int, str]]:
        """(the grader's number, the overall comment) of those who committed; empty where nothing was written."""
        return [
            (number, grading.grade.comment)
            for number, grading in enumerate(self.gradings, start=1)
            if grading.grade.status == GradeStatus.COMMITTED
        ]

    @property
    def graders(self) -> int:
        """How many have committed."""
        return len(self.committed)

    @property
    def complete(self) -> bool:
        return bool(self.gradings) and len(self.committed) == len(self.gradings)

    @property
    def open_disagreements(self) -> int:
        return sum(result.open_disagreement for result in self.criteria)

    @property
    def ready(self) -> bool:
        """Every assigned professor has committed, and no gap of two levels is left unsettled."""
        return self.complete and not self.open_disagreements

    @property
    def top_level(self) -> int:
        """The highest level of the rubric; every criterion has the same number."""
        return max(
            (level.value for row in self.criteria for level in row.criterion.levels.all()),
            default=0,
        )

    @property
    def overall(self) -> float | None:
        return mean_level(self.criteria)

    @property
    def points(self) -> float | None:
        return points_for(self.criteria, self.scale)


def results_of(submissions: Iterable[Submission]) -> list[SubmissionResult]:
    """One result a submission (with `team` fetched), with a constant number of queries.

    Graders are numbered by their random codes: in the order of assigning, "professor 1" would be the first of the roster.
    """
    wanted = list(submissions)
    gradings = _gradings(wanted)
    criteria = criteria_by_rubric(wanted)
    settled = _settled(wanted)
    courses = _how_courses_grade(wanted)
    heard = heard_of(wanted, courses)
    return [
        _result(
            one,
            gradings[one.pk],
            criteria.get(one.rubric_id, []),
            settled[one.pk],
            courses[one.team.course_id][0],
            heard.get(one.pk),
        )
        for one in wanted
    ]


def _how_courses_grade(wanted: list[Submission]) -> dict[int, tuple[Scale, Rule]]:
    """Points and weights, and how presentations count, by course id. One query."""
    rows = Course.objects.filter(pk__in={one.team.course_id for one in wanted})
    fetched = rows.select_related("grade_scale", "presentation_rule")
    return {course.pk: (scale_in(course), rule_in(course)) for course in fetched}


def _result(
    submission: Submission,
    gradings: list[Grading],
    criteria: list[Criterion],
    settled: dict[int, Settled],
    scale: Scale,
    presentation: Heard | None,
) -> SubmissionResult:
    rows = []
    for criterion in criteria:
        marks, decided = _marks(criterion, gradings), settled.get(criterion.pk)
        values = [mark.level.value for mark in marks if mark.level is not None]
        blind = final_level(values, decided)
        heard = presentation.level_within(criterion) if presentation else None
        final = blended(blind, heard, presentation.rule.weight if presentation else 0)
        rows.append(
            CriterionResult(
                criterion, marks, decided, final, scale.weight_of(criterion), blind, heard
            )
        )
    return SubmissionResult(submission, gradings, rows, scale, presentation)


def _gradings(wanted: list[Submission]) -> dict[int, list[Grading]]:
    scores = CriterionScore.objects.select_related("criterion")
    rows = (
        Grading.objects.filter(submission__in=wanted)
        .select_related("grade", "grader__person")
        .prefetch_related(Prefetch("grade__scores", queryset=scores))
        .annotate(revision_count=Count("grade__revisions"))
        .order_by("code")
    )
    found: dict[int, list[Grading]] = {submission.pk: [] for submission in wanted}
    for grading in rows:
        found[grading.submission_id].append(grading)
    return found


def criteria_by_rubric(wanted: Iterable[Submission]) -> dict[int, list[Criterion]]:
    """By the rubric's id, in its order, levels fetched."""
    criteria = Criterion.objects.filter(
        rubric__in={submission.rubric_id for submission in wanted}
    )
    found: dict[int, list[Criterion]] = {}
    for criterion in criteria.prefetch_related("levels"):
        found.setdefault(criterion.rubric_id, []).append(criterion)
    return found


def _settled(wanted: list[Submission]) -> dict[int, dict[int, Settled]]:
    """By submission and criterion: the newest adjudication."""
    found: dict[int, dict[int, Settled]] = {submission.pk: {} for submission in wanted}
    for one in Adjudication.objects.filter(submission__in=wanted).select_related("author"):
        author = str(one.author) if one.author else ""
        found[one.submission_id][one.criterion_id] = Settled(
            one.level, one.reason, author, one.created_at
        )
    return found


def _marks(criterion: Criterion, gradings: list[Grading]) -> list[Mark]:
    levels = {level.value: level for level in criterion.levels.all()}
    return [
        Mark(
            number,
            levels.get(score.level) if score.level else None,
            score.cannot_judge,
            score.comment,
        )
        for number, grading in enumerate(gradings, start=1)
        if grading.grade.status == GradeStatus.COMMITTED
        for score in grading.grade.scores.all()
        if score.criterion_id == criterion.pk
    ]


@dataclass(frozen=True)
class Tag:
    """`criterion`: what a tag in the grader's own words speaks to, where she said so."""

    label: str
    criterion: Criterion | None


@dataclass(frozen=True)
class MarkedTurn:
    """An answer that professors marked: their tags, and what they would rather have heard."""

    turn: Turn
    tags: list[Tag]
    better: list[str]

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(tag.label for tag in self.tags))


def marked_turns(submission: Submission) -> list[MarkedTurn]:
    return marked_by_submission([submission])[submission.pk]


def marked_by_submission(submissions: Iterable[Submission]) -> dict[int, list[MarkedTurn]]:
    """The marked answers of the committed interviews, talk by talk in a random order: what stands behind the levels.

    Two queries for all of them together.
    """
    found: dict[int, dict[int, MarkedTurn]] = {submission.pk: {} for submission in submissions}
    counts = {
        "grading__submission__in": found.keys(),
        "grading__grade__status": GradeStatus.COMMITTED,
        "turn__replaced_at": None,
    }
    related = ("turn__conversation", "grading")
    for tag in (
        TurnTag.objects.filter(**counts)
        .select_related(*related, "criterion")
        .order_by("label", "pk")
    ):
        marked = found[tag.grading.submission_id].setdefault(
            tag.turn_id, MarkedTurn(tag.turn, [], [])
        )
        marked.tags.append(Tag(tag.label, tag.criterion))
    for one in TurnCorrection.objects.filter(**counts).select_related(*related).order_by("pk"):
        marked = found[one.grading.submission_id].setdefault(
            one.turn_id, MarkedTurn(one.turn, [], [])
        )
        marked.better.append(one.answer)
    return {pk: in_order(list(turns.values())) for pk, turns in found.items()}


def in_order(marked: list[MarkedTurn]) -> list[MarkedTurn]:
    """By talk, in the random order of their keys, and by place in it."""
    return sorted(marked, key=lambda one: (one.turn.conversation.key, one.turn.position))


def adjudicate(
    *, submission: Submission, criterion: Criterion, level: int, reason: str, person: User
) -> Adjudication:
    """Settle what one criterion counts, with a reason. The graders' own marks stay as they are."""
    made = Adjudication.objects.create(
        submission=submission, criterion=criterion, level=level, reason=reason, author=person
    )
    what = f"{submission.team.name}, {criterion.name}"
    course, team = submission.team.course, submission.team
    audit.record(
        course=course,
        person=person,
        team=team,
        action="level adjudicated",
        what=what,
        after={"level": level},
    )
    return made
