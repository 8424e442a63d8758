"""What the committed grades of submissions say, side by side, and whether the team may see it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Prefetch
from django.urls import reverse
from django.utils import timezone

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
from teams.models import Course, NoticeKind, User
from teams.services import audit, notices

ADJUDICATE_FROM = 2  # levels apart


@dataclass(frozen=True)
class Mark:
    """One grader's mark for one criterion. `level` is None for "cannot judge" or unscored."""

    grader: int
    level: Level | None
    cannot_judge: bool
    comment: str


@dataclass(frozen=True)
class CriterionResult:
    """`settled`: the adjudication that counts, where there is one."""

    criterion: Criterion
    marks: list[Mark]
    settled: Adjudication | None = None

    @property
    def values(self) -> list[int]:
        return [mark.level.value for mark in self.marks if mark.level is not None]

    @property
    def mean(self) -> float | None:
        """Over the graders who gave a level; "cannot judge" is not zero."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def final(self) -> float | None:
        """What the team sees: the adjudicated level, or the mean."""
        return float(self.settled.level) if self.settled is not None else self.mean

    @property
    def bar(self) -> float | None:
        """The final level as percent of the scale, for the plot; None without one."""
        return None if self.final is None else self._percent(self.final)

    @property
    def dots(self) -> list[float]:
        """Each grader's own level in the same percent."""
        return [self._percent(value) for value in self.values]

    def _percent(self, level: float) -> float:
        return 100 * level / len(self.criterion.levels.all())

    @property
    def disagreement(self) -> bool:
        return bool(self.values) and max(self.values) - min(self.values) >= ADJUDICATE_FROM

    @property
    def open_disagreement(self) -> bool:
        """Two levels or more apart, and nobody has settled it."""
        return self.disagreement and self.settled is None


@dataclass(frozen=True)
class SubmissionResult:
    """`gradings` are all of them, in the order of the graders' numbers; marks come from the committed ones only."""

    submission: Submission
    gradings: list[Grading]
    criteria: list[CriterionResult]

    @property
    def committed(self) -> list[Grading]:
        return [grading for grading in self.gradings if grading.grade.status == GradeStatus.COMMITTED]

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
        return max((level.value for row in self.criteria for level in row.criterion.levels.all()), default=0)

    @property
    def overall(self) -> float | None:
        """The weighted mean level over the criteria that someone could judge."""
        judged = [(result.final, result.criterion.weight) for result in self.criteria if result.final is not None]
        weight = sum(weight for _, weight in judged)
        return sum(level * weight for level, weight in judged) / weight if weight else None


def results_of(submissions: Iterable[Submission]) -> list[SubmissionResult]:
    """One result a submission, with a constant number of queries.

    Graders are numbered by their random codes: in the order of assigning, "professor 1" would be the first of the roster.
    """
    wanted = list(submissions)
    scores = CriterionScore.objects.select_related("criterion")
    gradings = (
        Grading.objects.filter(submission__in=wanted)
        .select_related("grade", "grader__person")
        .prefetch_related(Prefetch("grade__scores", queryset=scores))
        .annotate(revision_count=Count("grade__revisions"))
        .order_by("code")
    )
    by_submission: dict[int, list[Grading]] = {submission.pk: [] for submission in wanted}
    for grading in gradings:
        by_submission[grading.submission_id].append(grading)
    criteria = Criterion.objects.filter(rubric__in={submission.rubric_id for submission in wanted})
    by_rubric: dict[int, list[Criterion]] = {}
    for criterion in criteria.prefetch_related("levels"):
        by_rubric.setdefault(criterion.rubric_id, []).append(criterion)
    settled: dict[int, dict[int, Adjudication]] = {submission.pk: {} for submission in wanted}
    for one in Adjudication.objects.filter(submission__in=wanted).select_related("author"):
        settled[one.submission_id][one.criterion_id] = one
    return [
        SubmissionResult(
            one,
            by_submission[one.pk],
            [
                CriterionResult(criterion, _marks(criterion, by_submission[one.pk]), settled[one.pk].get(criterion.pk))
                for criterion in by_rubric.get(one.rubric_id, [])
            ],
        )
        for one in wanted
    ]


def _marks(criterion: Criterion, gradings: list[Grading]) -> list[Mark]:
    levels = {level.value: level for level in criterion.levels.all()}
    return [
        Mark(number, levels.get(score.level) if score.level else None, score.cannot_judge, score.comment)
        for number, grading in enumerate(gradings, start=1)
        if grading.grade.status == GradeStatus.COMMITTED
        for score in grading.grade.scores.all()
        if score.criterion_id == criterion.pk
    ]


@dataclass(frozen=True)
class MarkedTurn:
    """An answer that professors marked: their tags, and what they would rather have heard."""

    turn: Turn
    tags: list[TurnTag]
    better: list[str]

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(tag.label for tag in self.tags))


def marked_turns(submission: Submission) -> list[MarkedTurn]:
    """The marked answers of the committed interviews, talk by talk in a random order: what stands behind the levels."""
    counts = {
        "grading__submission": submission,
        "grading__grade__status": GradeStatus.COMMITTED,
        "turn__replaced_at": None,
    }
    place = ("turn__conversation__key", "turn__position")
    marked: dict[int, MarkedTurn] = {}
    for tag in (
        TurnTag.objects.filter(**counts).select_related("turn__conversation", "criterion").order_by(*place, "label")
    ):
        marked.setdefault(tag.turn_id, MarkedTurn(tag.turn, [], [])).tags.append(tag)
    for one in TurnCorrection.objects.filter(**counts).select_related("turn__conversation").order_by(*place):
        marked.setdefault(one.turn_id, MarkedTurn(one.turn, [], [])).better.append(one.answer)
    return sorted(marked.values(), key=lambda one: (one.turn.conversation.key, one.turn.position))


def adjudicate(*, submission: Submission, criterion: Criterion, level: int, reason: str, person: User) -> Adjudication:
    """Settle what one criterion counts, with a reason. The graders' own marks stay as they are."""
    made = Adjudication.objects.create(
        submission=submission, criterion=criterion, level=level, reason=reason, author=person
    )
    what = f"{submission.team.name}, {criterion.name}"
    course, team = submission.team.course, submission.team
    audit.record(course=course, person=person, team=team, action="level adjudicated", what=what, after={"level": level})
    return made


class CannotRelease(Exception):
    """Nothing to show the team yet."""


def release(*, submission: Submission, person: User) -> None:
    """Show the result to the team. Raises CannotRelease while no grader has committed."""
    if not submission.gradings.filter(grade__status=GradeStatus.COMMITTED).exists():
        raise CannotRelease("No professor has submitted a grade for this bot yet, so there is nothing to release.")
    if Submission.objects.filter(pk=submission.pk, released_at=None).update(released_at=timezone.now()):
        submission.refresh_from_db(fields=["released_at"])
        _record(submission, person, "grade released")
        _tell_team(submission)


def _tell_team(submission: Submission) -> None:
    members = submission.team.memberships.filter(active=True).select_related("person")
    notices.tell(
        people=[membership.person for membership in members],
        course=submission.team.course,
        kind=NoticeKind.GRADE,
        text=f"The result for {submission.run} is here.",
        path=reverse("submission_detail", args=[submission.team_id]),
    )


def hide(*, submission: Submission, person: User) -> None:
    """Take the result back from the team's page."""
    if Submission.objects.filter(pk=submission.pk, released_at__isnull=False).update(released_at=None):
        submission.refresh_from_db(fields=["released_at"])
        _record(submission, person, "grade hidden")


def release_complete(*, course: Course, person: User) -> int:
    """Release every current submission that is ready. Returns how many this call released."""
    hidden = Submission.objects.filter(team__course=course, released_at=None).current().select_related("team__course")
    ready = [result.submission for result in results_of(hidden) if result.ready]
    for submission in ready:
        release(submission=submission, person=person)
    return len(ready)


def _record(submission: Submission, person: User, action: str) -> None:
    team = submission.team
    audit.record(course=team.course, person=person, team=team, action=action, what=f"{team.name}, {submission.run}")
