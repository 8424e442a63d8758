"""What the committed grades of submissions say, side by side, and whether the team may see it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Prefetch
from django.utils import timezone

from evaluation.models import Criterion, CriterionScore, GradeStatus, Grading, Level, Submission, TurnTag
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
class CriterionResult:
    criterion: Criterion
    marks: list[Mark]

    @property
    def values(self) -> list[int]:
        return [mark.level.value for mark in self.marks if mark.level is not None]

    @property
    def mean(self) -> float | None:
        """Over the graders who gave a level; "cannot judge" is not zero."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def disagreement(self) -> bool:
        return bool(self.values) and max(self.values) - min(self.values) >= ADJUDICATE_FROM


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
    def disagreements(self) -> int:
        return sum(result.disagreement for result in self.criteria)

    @property
    def overall(self) -> float | None:
        """The weighted mean level over the criteria that someone could judge."""
        judged = [(result.mean, result.criterion.weight) for result in self.criteria if result.mean is not None]
        weight = sum(weight for _, weight in judged)
        return sum(mean * weight for mean, weight in judged) / weight if weight else None


def results_of(submissions: Iterable[Submission]) -> list[SubmissionResult]:
    """One result a submission, with a constant number of queries."""
    wanted = list(submissions)
    scores = CriterionScore.objects.select_related("criterion")
    gradings = (
        Grading.objects.filter(submission__in=wanted)
        .select_related("grade", "grader__person")
        .prefetch_related(Prefetch("grade__scores", queryset=scores))
        .annotate(revision_count=Count("grade__revisions"))
        .order_by("id")
    )
    by_submission: dict[int, list[Grading]] = {submission.pk: [] for submission in wanted}
    for grading in gradings:
        by_submission[grading.submission_id].append(grading)
    criteria = Criterion.objects.filter(rubric__in={submission.rubric_id for submission in wanted})
    by_rubric: dict[int, list[Criterion]] = {}
    for criterion in criteria.prefetch_related("levels"):
        by_rubric.setdefault(criterion.rubric_id, []).append(criterion)
    return [_result(one, by_submission[one.pk], by_rubric.get(one.rubric_id, [])) for one in wanted]


def _result(submission: Submission, gradings: list[Grading], criteria: list[Criterion]) -> SubmissionResult:
    return SubmissionResult(
        submission, gradings, [CriterionResult(criterion, _marks(criterion, gradings)) for criterion in criteria]
    )


def _marks(criterion: Criterion, gradings: list[Grading]) -> list[Mark]:
    levels = {level.value: level for level in criterion.levels.all()}
    return [
        Mark(number, levels.get(score.level) if score.level else None, score.cannot_judge, score.comment)
        for number, grading in enumerate(gradings, start=1)
        if grading.grade.status == GradeStatus.COMMITTED
        for score in grading.grade.scores.all()
        if score.criterion_id == criterion.pk
    ]


def tagged_turns(submission: Submission) -> list[TurnTag]:
    """The marked answers of the committed interviews: what stands behind the levels."""
    tags = TurnTag.objects.filter(
        grading__submission=submission, grading__grade__status=GradeStatus.COMMITTED, turn__replaced_at=None
    )
    return list(tags.select_related("turn", "grading").order_by("turn__conversation_id", "turn__position", "label"))


class CannotRelease(Exception):
    """Nothing to show the team yet."""


def release(*, submission: Submission, person: User) -> None:
    """Show the result to the team. Raises CannotRelease while no grader has committed."""
    if not submission.gradings.filter(grade__status=GradeStatus.COMMITTED).exists():
        raise CannotRelease("No professor has submitted a grade for this bot yet, so there is nothing to release.")
    if Submission.objects.filter(pk=submission.pk, released_at=None).update(released_at=timezone.now()):
        _record(submission, person, "grade released")


def hide(*, submission: Submission, person: User) -> None:
    """Take the result back from the team's page."""
    if Submission.objects.filter(pk=submission.pk, released_at__isnull=False).update(released_at=None):
        _record(submission, person, "grade hidden")


def release_complete(*, course: Course, person: User) -> int:
    """Release every current submission whose graders have all committed. Returns how many this call released."""
    hidden = Submission.objects.filter(team__course=course, released_at=None).current().select_related("team__course")
    ready = [result.submission for result in results_of(hidden) if result.complete]
    for submission in ready:
        release(submission=submission, person=person)
    return len(ready)


def _record(submission: Submission, person: User, action: str) -> None:
    team = submission.team
    audit.record(course=team.course, person=person, team=team, action=action, what=f"{team.name}, {submission.run}")
