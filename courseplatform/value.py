"""What the money bought: cost per rubric point, how good the estimates were, and what one charge was for."""

import uuid
from dataclasses import dataclass
from statistics import median

from django.db.models import Avg, Max
from django.urls import reverse

from evaluation.models import (
    Adjudication,
    Comparison,
    Conversation,
    CriterionScore,
    GradeStatus,
    Interview,
    Level,
    Turn,
)
from teams.models import Course, LedgerEntry, Method, Team
from training.models import RunStatus, TrainingRun

NEWEST = 200  # runs: enough to judge an estimator, the same work whatever the size of the course


@dataclass(frozen=True)
class Points:
    """`points`: the sum of a bot's levels over the criteria that someone could judge; at most `most`."""

    points: float
    most: int

    def price(self, spent: int) -> int:
        """Micro-dollars for one point, of everything that the team spent."""
        return round(spent / self.points)


def points_by_team(course: Course) -> dict[int, Points]:
    """Of the teams whose current submission has a committed grade. Three queries, summed up in the database.

    A criterion counts as on the team's own page (`CriterionResult.final`): the adjudicated level, or the graders' mean.
    """
    current = {"submission__team__course": course, "submission__replaced_at": None}
    graded = CriterionScore.objects.filter(
        grade__status=GradeStatus.COMMITTED,
        level__isnull=False,
        **{f"grade__grading__{k}": v for k, v in current.items()},
    ).order_by()
    means = graded.values_list("grade__grading__submission__team_id", "criterion_id").annotate(mean=Avg("level"))
    levels = {(team_id, criterion_id): mean for team_id, criterion_id, mean in means}
    settled = Adjudication.objects.filter(**current).values_list("submission__team_id", "criterion_id", "level")
    levels |= {(team_id, criterion_id): float(level) for team_id, criterion_id, level in settled}
    criteria = {criterion_id for _, criterion_id in levels}
    tops = (
        Level.objects.filter(criterion__in=criteria).order_by().values_list("criterion_id").annotate(top=Max("value"))
    )
    most = dict(tops)
    found: dict[int, Points] = {}
    for (team_id, criterion_id), level in levels.items():
        before = found.get(team_id, Points(0.0, 0))
        found[team_id] = Points(before.points + level, before.most + most[criterion_id])
    return found


@dataclass(frozen=True)
class Estimates:
    """How near the estimates of one method came. Money in micro-dollars, `error` in percent of what it cost."""

    method: Method
    runs: int
    expected: int
    actual: int
    error: float
    above_most: int


def estimates(course: Course) -> list[Estimates]:
    """The newest finished runs that cost money, by method. A rehearsal costs nothing, so there is nothing to compare."""
    runs = TrainingRun.objects.filter(team__course=course, status=RunStatus.SUCCEEDED, rehearsal=False)
    newest = list(runs.order_by("-id")[:NEWEST])
    entries = LedgerEntry.objects.filter(key__in=[run.hold_key for run in newest], delta__gt=0)
    paid = dict(entries.order_by().values_list("key", "delta"))
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for run in newest:
        if run.hold_key in paid:
            rows.setdefault(run.method, []).append((run.expected_cost, run.most_cost, paid[run.hold_key]))
    return [_estimates(method, rows.get(method, [])) for method in Method]


def _estimates(method: Method, rows: list[tuple[int, int, int]]) -> Estimates:
    return Estimates(
        method,
        len(rows),
        sum(expected for expected, _, _ in rows),
        sum(actual for _, _, actual in rows),
        median(100 * abs(expected - actual) / actual for expected, _, actual in rows) if rows else 0.0,
        sum(actual > most for _, most, actual in rows),
    )


@dataclass(frozen=True)
class Subject:
    """What a charge was for. `address` is empty where the reader may not go there; `said` names it either way."""

    said: str
    address: str


def subject_of(entry: LedgerEntry, team: Team, *, is_instructor: bool) -> Subject:
    """The run, answer or interview that an entry of `team` paid for."""
    if not _is_key(entry.subject_id):
        return Subject(f"{entry.subject_kind} {entry.subject_id}", "")
    if entry.subject_kind == "run":
        run = TrainingRun.objects.for_team(team).filter(key=entry.subject_id).first()
        return _run_subject(run) if run else Subject("a run that is gone", "")
    if entry.subject_kind == "interview":
        asked = Interview.objects.for_team(team).filter(key=entry.subject_id).select_related("run").first()
        if asked is not None:
            said = f"the standard interview of {asked.run}"
            return Subject(said, reverse("standard_detail", args=[team.pk, asked.key]))
    talk = Conversation.objects.filter(turns__in=Turn.objects.filter(key=entry.subject_id), run__team=team)
    return _talk_subject(talk.select_related("run").first(), team, is_instructor)


def _is_key(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _run_subject(run: TrainingRun) -> Subject:
    return Subject(str(run), reverse("run_detail", args=[run.team_id, run.number]))


def _talk_subject(talk: Conversation | None, team: Team, is_instructor: bool) -> Subject:
    """A professor's interview stays with the professor: the team learns that it was one, the instructor sees its grade."""
    if talk is None:
        return Subject("an answer that is gone", "")
    if talk.submission_id is not None:
        address = reverse("submission_grades", args=[team.course_id, talk.submission_id]) if is_instructor else ""
        return Subject(f"an answer of {talk.run} to a professor", address)
    sides = Comparison.objects.filter(contenders__conversation=talk).first()
    if sides is not None:
        return Subject("an answer side by side", reverse("comparison_detail", args=[team.pk, sides.key]))
    if talk.deleted_at is not None:
        return Subject(f"an answer of {talk.run} in a talk that was deleted", "")
    return Subject(f"an answer of {talk.run}", reverse("conversation_detail", args=[team.pk, talk.key]))
