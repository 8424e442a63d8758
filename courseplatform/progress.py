"""How far each team is, from what it did: the plan's steps, and who is stuck, in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Count, OuterRef, Subquery
from django.utils import timezone

from datasets.models import DatasetVersion
from evaluation.models import Submission
from teams.models import Course, Milestone, Team
from teams.services.costs import TeamCosts
from training.models import ACTIVE, RunStatus, TrainingRun

FIRST_DAYS = timedelta(days=7)  # a team that is younger than this is not stuck for want of data
NOTHING_LEFT = 10_000  # micro-dollars: less than a cent buys nothing


@dataclass
class Done:
    """What one team did. `goals` and `active` are milestone goals; runs are counted by how they ended."""

    goals: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    failed: int = 0
    succeeded: int = 0
    last_error: str = ""


@dataclass(frozen=True)
class Step:
    """One milestone as one team stands to it."""

    milestone: Milestone
    done: bool
    active: bool
    late: bool


def achieved(teams: Iterable[Team]) -> dict[int, Done]:
    """By team id, in four queries whatever the number of teams and runs."""
    wanted = list(teams)
    found = {team.pk: Done() for team in wanted}
    runs = TrainingRun.objects.filter(team__in=wanted).order_by()
    for team_id, method, status, number in runs.values_list(
        "team_id", "method", "status"
    ).annotate(n=Count("pk")):
        done = found[team_id]
        if status == RunStatus.SUCCEEDED:
            done.goals.add(method)
            done.succeeded += number
        elif status == RunStatus.FAILED:
            done.failed += number
        elif status in ACTIVE:
            done.active.add(method)
    newest_failed = TrainingRun.objects.filter(
        team=OuterRef("pk"), status=RunStatus.FAILED
    ).order_by("-id")
    errors = Team.objects.filter(
        pk__in=[team_id for team_id, done in found.items() if done.failed]
    )
    for team_id, error in errors.values_list(
        "pk", Subquery(newest_failed.values("error_message")[:1])
    ):
        found[team_id].last_error = error
    versions = DatasetVersion.objects.filter(dataset__team__in=wanted).order_by()
    for team_id in versions.values_list("dataset__team_id", flat=True).distinct():
        found[team_id].goals.add(Milestone.Goal.DATASET)
    for team_id in (
        Submission.objects.filter(team__in=wanted).current().values_list("team_id", flat=True)
    ):
        found[team_id].goals.add(Milestone.Goal.SUBMISSION)
    return found


def of_runs(runs: Iterable[TrainingRun], *, has_data: bool, submitted: bool) -> Done:
    """The same for one team whose runs are all at hand; asks the database nothing."""
    done = Done()
    for run in runs:
        if run.status == RunStatus.SUCCEEDED:
            done.goals.add(run.method)
            done.succeeded += 1
        elif run.status == RunStatus.FAILED:
            done.failed += 1
            done.last_error = done.last_error or run.error_message
        elif run.status in ACTIVE:
            done.active.add(run.method)
    done.goals |= {Milestone.Goal.DATASET} if has_data else set()
    done.goals |= {Milestone.Goal.SUBMISSION} if submitted else set()
    return done


def steps(milestones: Iterable[Milestone], done: Done, today: date | None = None) -> list[Step]:
    """The plan in order; a step is late from the day after its date."""
    now = today or timezone.localdate()
    return [
        Step(
            milestone,
            milestone.goal in done.goals,
            milestone.goal in done.active,
            milestone.goal not in done.goals
            and milestone.due_on is not None
            and milestone.due_on < now,
        )
        for milestone in milestones
    ]


def stuck(
    *, team: Team, done: Done, plan: list[Step], costs: TeamCosts, people: int
) -> list[str]:
    """Why this team may need its instructor, most pressing first; empty when all is well."""
    reasons = []
    if not people:
        reasons.append("nobody is in this team")
    without_data = Milestone.Goal.DATASET not in done.goals
    if without_data and (
        timezone.now() - team.created_at > FIRST_DAYS or _late(plan, Milestone.Goal.DATASET)
    ):
        reasons.append("no dataset yet")
    if done.failed and not done.succeeded and not done.active:
        said = f": {done.last_error}" if done.last_error else ""
        reasons.append(
            f"{'its only run' if done.failed == 1 else f'all {done.failed} runs'} failed{said}"
        )
    if costs.limit - costs.spent - costs.held < NOTHING_LEFT:
        reasons.append("no money left" if costs.limit else "has no budget")
    late = [
        step
        for step in plan
        if step.late and not (without_data and step.milestone.goal == Milestone.Goal.DATASET)
    ]
    if late:
        reasons.append(_behind(late))
    return reasons


def _late(plan: list[Step], goal: str) -> bool:
    return any(step.late and step.milestone.goal == goal for step in plan)


def _behind(late: list[Step]) -> str:
    first = late[0].milestone
    due = first.due_on
    assert due is not None
    more = f" and {len(late) - 1} more" if len(late) > 1 else ""
    return f"behind the plan: “{first.title}”{more}, due {due:%b} {due.day}"


def course_plan(course: Course) -> list[Milestone]:
    return list(course.milestones.all())
