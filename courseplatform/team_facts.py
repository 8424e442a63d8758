"""What a team did, as the rules of `next_step.py` read it, and what its bots said to one and the same question."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from courseplatform import progress
from courseplatform.next_step import Bot, Data, Facts, Heard
from courseplatform.progress import Step
from datasets.models import Dataset, DatasetVersion, Draft
from evaluation.models import BetterAnswer, Comparison, Interview, InterviewStatus, Submission
from evaluation.services import improving
from evaluation.services.deadlines import deadline_in
from teams import days
from teams.methods import choices
from teams.models import Milestone, Team
from training.models import RunEvent, RunStatus, RunVerdict, TrainingRun

LONGEST_SHOWN = 90  # characters of a question or an answer in a sentence
FEWEST_VOICES = 2
MOST_VOICES = 3
MOST_RUNS = 50
MOST_HEARD = 5
FailedAnswer = tuple[str, str, int, str]


def runs_of(team: Team) -> list[TrainingRun]:
    """The newest runs, newest first, with all that the home page reads of them."""
    rows = TrainingRun.objects.for_team(team).select_related(
        "dataset_version__dataset", "base_model"
    )
    found = list(rows.order_by("-id")[:MOST_RUNS])
    for run in found:
        run.team = team  # known: nobody need ask for it
    return found


def facts_of(
    team: Team, plan: list[Milestone], runs: list[TrainingRun], submitted: Submission | None
) -> tuple[Facts, list[Step]]:
    """The facts, and the plan as this team stands to it. `runs`: of `runs_of`, newest first."""
    finished = [
        run for run in runs if run.status == RunStatus.SUCCEEDED and run.archived_at is None
    ]
    newest = finished[0] if finished else None
    version = _newest_version(team, improving.target_of(newest) if newest is not None else None)
    edits = _edits(version)
    steps = _steps(
        team, plan, runs, has_data=version is not None, submitted=submitted is not None
    )
    due = None if team.practice else deadline_in(one.milestone for one in steps)
    older = _older(newest, finished)
    failed = next((run for run in runs if run.status == RunStatus.FAILED), None)
    asking, heard = _interviews(newest) if newest is not None else (False, None)
    facts = Facts(
        data=_data(version),
        edits=edits,
        edits_next=version.number + 1 if version is not None else 0,
        active=_bot(next((run for run in runs if run.is_active), None)),
        failed=_bot(failed),
        failed_why=f"{failed.error_message} {failed.error_fix}".strip()
        if failed is not None
        else "",
        newest=_bot(newest),
        ahead=_data(version) if newest is not None and _is_ahead(version, newest) else None,
        asking=asking,
        heard=heard,
        older=_bot(older),
        compared=older is None or newest is None or _compared(older, newest),
        submitted=_bot(submitted.run) if submitted is not None else None,
        released=submitted is not None and submitted.released_at is not None,
        due_in=due - timezone.now() if due is not None else None,
        due_words=days.at(due, "D, M j, H:i", team.course.zone) if due is not None else "",
        missing=_missing(steps),
        practice=team.practice,
    )
    return facts, steps


def _steps(
    team: Team,
    plan: list[Milestone],
    runs: list[TrainingRun],
    *,
    has_data: bool,
    submitted: bool,
) -> list[Step]:
    if len(runs) < MOST_RUNS:
        return progress.steps(
            plan, progress.of_runs(runs, has_data=has_data, submitted=submitted)
        )
    return progress.steps(plan, progress.achieved([team])[team.pk])


def _edits(version: DatasetVersion | None) -> int:
    """How many edits wait in the version's dataset."""
    if version is None:
        return 0
    drafts = Draft.objects.filter(dataset=version.dataset_id).annotate(waiting=Count("changes"))
    return drafts.values_list("waiting", flat=True).first() or 0


def _bot(run: TrainingRun | None) -> Bot | None:
    if run is None:
        return None
    return Bot(
        run.number, f"“{run.name}”" if run.name else f"Run {run.number}", run.method, run.form
    )


def _newest_version(team: Team, target: Dataset | None) -> DatasetVersion | None:
    """Of the dataset that the newest bot learnt from; before there is one, of any."""
    found = DatasetVersion.objects.for_team(team)
    if target is not None:
        found = found.filter(dataset=target)
    return found.order_by("-created_at", "-id").first()


def _data(version: DatasetVersion | None) -> Data | None:
    return (
        None
        if version is None
        else Data(version.dataset_id, version.pk, str(version), version.row_count)
    )


def _is_ahead(version: DatasetVersion | None, run: TrainingRun) -> bool:
    own = run.dataset_version
    return (
        version is not None
        and version.dataset_id == own.dataset_id
        and version.number > own.number
    )


def _older(newest: TrainingRun | None, finished: list[TrainingRun]) -> TrainingRun | None:
    """The bot before the newest one that learnt from another version of the same rows."""
    if newest is None:
        return None
    for run in finished[1:]:
        same = run.dataset_version.dataset_id == newest.dataset_version.dataset_id
        if (
            same
            and run.dataset_version_id != newest.dataset_version_id
            and run.method == newest.method
        ):
            return run
    return None


def _compared(older: TrainingRun, newest: TrainingRun) -> bool:
    return Comparison.objects.for_team(older.team).between(older, newest).exists()


def _interviews(run: TrainingRun) -> tuple[bool, Heard | None]:
    """(whether one is under way, what the newest finished one heard), as far as the team may know."""
    rows = list(
        Interview.objects.for_team(run.team)
        .filter(run=run)
        .exclude(status=InterviewStatus.FAILED)[:MOST_HEARD]
    )
    done = next((one for one in rows if one.status == InterviewStatus.DONE), None)
    asking = any(one.is_active for one in rows)
    if done is None:
        return asking, None
    failed = _failed(done.key)
    kept = set()
    if failed:
        better = BetterAnswer.objects.filter(run=run, heard__isnull=False)
        kept = set(better.values_list("heard__question_id", "heard__wording"))
    left = [one for one in failed if (one[2], one[3]) not in kept]
    return asking, Heard(
        len(failed), len(left), (_short(left[0][0]), _short(left[0][1])) if left else None
    )


@lru_cache(maxsize=512)
def _failed(key: UUID) -> tuple[FailedAnswer, ...]:
    """The failed answers of a finished interview, which never change: (question, answer, its id, wording)."""
    interview = Interview.objects.select_related("run__team__course").get(
        key=key, status=InterviewStatus.DONE
    )
    return improving.failed_in(interview)


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return (
        one_line
        if len(one_line) <= LONGEST_SHOWN
        else f"{one_line[:LONGEST_SHOWN].rsplit(' ', 1)[0]}…"
    )


def _missing(steps: list[Step]) -> tuple[str, str] | None:
    """The first method of the plan that the team has not tried; LoRA where the plan names none."""
    methods = dict(choices())
    for step in steps:
        if not step.done and not step.active and step.milestone.goal in methods:
            return step.milestone.goal, methods[step.milestone.goal]
    return None


@dataclass(frozen=True)
class Voice:
    """What one bot said. `verdict`: of its fresh questions, where it was measured."""

    run: TrainingRun
    answer: str
    verdict: RunVerdict | None


@dataclass(frozen=True)
class Voices:
    question: str
    voices: list[Voice]


def voices_of(runs: list[TrainingRun]) -> Voices | None:
    """The newest bot of each method, asked the same after its training; another question each day. None without two bots."""
    newest: dict[str, TrainingRun] = {}
    for run in runs:
        if run.status == RunStatus.SUCCEEDED and run.archived_at is None:
            newest.setdefault(run.method, run)
    if len(newest) < FEWEST_VOICES:
        return None
    said = _answers(list(newest.values())[:MOST_VOICES])
    shared = _shared(said)
    if not shared:
        return None
    question = shared[timezone.localdate().toordinal() % len(shared)]
    spoken = [run for run in newest.values() if question in said.get(run.pk, {})]
    kept = {
        row.run_id: row
        for row in RunVerdict.objects.filter(run__in=spoken, kept=True).defer("answers")
    }
    return Voices(
        question, [Voice(run, said[run.pk][question], kept.get(run.pk)) for run in spoken]
    )


def _answers(runs: list[TrainingRun]) -> dict[int, dict[str, str]]:
    """By run: question to answer after the training."""
    found: dict[int, dict[str, str]] = {run.pk: {} for run in runs}
    events = RunEvent.objects.filter(run__in=runs, kind="sample").order_by("id")
    for run_id, data in events.values_list("run_id", "data"):
        answer = str(data.get("answer", "")).strip()
        if data.get("stage") == "after" and answer:
            found[run_id][str(data.get("question", ""))] = answer
    return found


def _shared(said: dict[int, dict[str, str]]) -> list[str]:
    """Questions that most of the bots answered, where at least two did; in alphabetical order."""
    counted: dict[str, int] = {}
    for answers in said.values():
        for question in answers:
            counted[question] = counted.get(question, 0) + 1
    most = max(counted.values(), default=0)
    return sorted(question for question, count in counted.items() if count == most and most > 1)
