"""What the money bought: cost per rubric point, how good the estimates were, and what one charge was for."""

from dataclasses import dataclass
from statistics import median
from uuid import UUID

from django.db.models import Max
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
from teams.methods import KnownMethod, known
from teams.models import Course, LedgerEntry, SubjectKind, Team
from training.models import DeletedRun, Drafting, RunStatus, TrainingRun

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
    """Of the teams whose current submission has a committed grade. Three queries.

    A criterion counts as in the grade itself (`results.final_level`): the adjudicated level, else the graders' median.
    """
    current = {"submission__team__course": course, "submission__replaced_at": None}
    graded = CriterionScore.objects.filter(
        grade__status=GradeStatus.COMMITTED,
        level__isnull=False,
        **{f"grade__grading__{k}": v for k, v in current.items()},
    ).order_by()
    given: dict[tuple[int, int], list[int]] = {}
    places = ("grade__grading__submission__team_id", "criterion_id", "level")
    for team_id, criterion_id, value in graded.values_list(*places):
        given.setdefault((team_id, criterion_id), []).append(value or 0)
    levels = {place: float(median(values)) for place, values in given.items()}
    settled = Adjudication.objects.filter(**current).order_by("id")
    for team_id, criterion_id, decided in settled.values_list(
        "submission__team_id", "criterion_id", "level"
    ):
        levels[team_id, criterion_id] = float(decided)
    criteria = {criterion_id for _, criterion_id in levels}
    tops = (
        Level.objects.filter(criterion__in=criteria)
        .order_by()
        .values_list("criterion_id")
        .annotate(top=Max("value"))
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

    method: str
    label: str
    runs: int
    expected: int
    actual: int
    error: float
    above_most: int


@dataclass(frozen=True)
class _Compared:
    expected: int
    most: int
    actual: int


def estimates(course: Course) -> list[Estimates]:
    """The newest finished runs by method. Runs that were free are left out."""
    runs = TrainingRun.objects.filter(team__course=course, status=RunStatus.SUCCEEDED)
    newest = list(runs.order_by("-id")[:NEWEST])
    keys = [run.key for run in newest]
    of_runs = LedgerEntry.objects.filter(
        purpose__kind=SubjectKind.RUN, purpose__key__in=keys, corrects=None
    )
    charges = of_runs.select_related("purpose")
    entries = {entry.purpose.key: entry for entry in charges if entry.purpose is not None}
    rows: dict[str, list[_Compared]] = {}
    for run in newest:
        compared = _compared(run, entries.get(run.key))
        if compared is not None:
            rows.setdefault(run.method, []).append(compared)
    return [_estimates(method, rows.get(method.name, [])) for method in known()]


def _compared(run: TrainingRun, entry: LedgerEntry | None) -> _Compared | None:
    if entry is None:
        return None
    used = (
        entry.delta + entry.beyond_hold
    )  # the charge stopped at the hold; what was used tells of the estimate
    return _Compared(run.expected_cost, run.most_cost, used) if used else None


def _estimates(method: KnownMethod, rows: list[_Compared]) -> Estimates:
    return Estimates(
        method.name,
        method.label,
        len(rows),
        sum(row.expected for row in rows),
        sum(row.actual for row in rows),
        median(100 * abs(row.expected - row.actual) / row.actual for row in rows)
        if rows
        else 0.0,
        sum(row.actual > row.most for row in rows),
    )


@dataclass(frozen=True)
class Subject:
    """What a charge was for. `address` is empty where the reader may not go there; `said` names it either way."""

    said: str
    address: str


def subject_of(entry: LedgerEntry, team: Team, *, is_instructor: bool) -> Subject:
    """The run, answer or interview that an entry of `team` paid for, or the entry that it corrects."""
    if entry.subject_kind == SubjectKind.CORRECTION:
        return _correction_subject(entry.corrects, team, is_instructor)
    if entry.purpose is None:
        return Subject(f"{entry.subject_kind} {entry.subject_id}", "")
    key = entry.purpose.key
    if entry.subject_kind == SubjectKind.RUN:
        run = TrainingRun.objects.for_team(team).filter(key=key).first()
        return _run_subject(run) if run else _gone_subject(key, team)
    if entry.subject_kind == SubjectKind.ENDPOINT:
        return Subject(
            "an answer to a program, at the team's endpoint",
            reverse("team_endpoint", args=[team.pk]),
        )
    if entry.subject_kind == SubjectKind.DRAFTING:
        return _drafting_subject(key, team)
    if entry.subject_kind in (SubjectKind.INTERVIEW, SubjectKind.GRADING):
        asked = Interview.objects.filter(run__team=team, key=key).select_related("run").first()
        if asked is not None:
            said = f"the standard interview of {asked.run}"
            return Subject(said, reverse("standard_detail", args=[team.pk, asked.key]))
    if entry.subject_kind in (SubjectKind.JUDGE, SubjectKind.GRADING):
        judged = (
            Interview.objects.filter(run__team=team, opinions__key=key)
            .select_related("run")
            .first()
        )
        if judged is not None:
            said = f"a judge's opinion of the standard interview of {judged.run}"
            return Subject(said, reverse("standard_detail", args=[team.pk, judged.key]))
    talk = Conversation.objects.filter(turns__in=Turn.objects.filter(key=key), run__team=team)
    return _talk_subject(talk.select_related("run").first(), team, is_instructor)


def _correction_subject(
    corrected: LedgerEntry | None, team: Team, is_instructor: bool
) -> Subject:
    if corrected is None:
        return Subject("the correction of an entry that is gone", "")
    if is_instructor:
        address = reverse("course_ledger_entry", args=[team.course_id, corrected.pk])
    else:
        address = reverse("team_ledger_entry", args=[team.pk, corrected.key])
    return Subject("the correction of an earlier entry", address)


def _run_subject(run: TrainingRun) -> Subject:
    return Subject(str(run), reverse("run_detail", args=[run.team_id, run.number]))


def _drafting_subject(key: UUID, team: Team) -> Subject:
    drafting = Drafting.objects.for_team(team).filter(key=key).first()
    if drafting is None:
        return Subject("drafted rows of a dataset that was deleted", "")
    return Subject(f"drafting {drafting}", reverse("drafting_detail", args=[team.pk, key]))


def _gone_subject(key: UUID, team: Team) -> Subject:
    deleted = DeletedRun.objects.filter(team=team, key=key).first()
    return Subject(str(deleted or "a run that is gone"), "")


def _talk_subject(talk: Conversation | None, team: Team, is_instructor: bool) -> Subject:
    """A professor's interview stays with the professor: the team learns that it was one, the instructor sees its grade."""
    if talk is None:
        return Subject("an answer that was deleted with its run", "")
    if talk.submission_id is not None:
        address = (
            reverse("submission_grades", args=[team.course_id, talk.submission_id])
            if is_instructor
            else ""
        )
        return Subject(f"an answer of {talk.run} to a professor", address)
    if talk.hearing_id is not None:
        return Subject(f"an answer of {talk.run} to a professor", "")
    sides = Comparison.objects.filter(contenders__conversation=talk).first()
    if sides is not None:
        return Subject(
            "an answer side by side", reverse("comparison_detail", args=[team.pk, sides.key])
        )
    if talk.deleted_at is not None:
        return Subject(f"an answer of {talk.run} in a talk that was deleted", "")
    return Subject(
        f"an answer of {talk.run}", reverse("conversation_detail", args=[team.pk, talk.key])
    )
