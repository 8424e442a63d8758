"""How many runs of one team may be at work at the same moment, and how many are."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from teams.models import Team
from training.models import USUAL_RUNS_AT_ONCE, RunStatus, TrainingPolicy, TrainingRun

AT_WORK = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.DEPLOYING, RunStatus.CANCELLING)


@dataclass(frozen=True)
class Load:
    """Runs of one team: `busy` at work now, `most` allowed at once."""

    busy: int
    most: int

    @property
    def full(self) -> bool:
        return self.busy >= self.most

    @property
    def reason(self) -> str:
        runs = "1 run" if self.busy == 1 else f"{self.busy} runs"
        return (
            f"Waiting: your team has {runs} at work, and {self.most} at once is the most in this course. "
            "It starts when one of them ends."
        )


def loads(team_ids: Collection[int]) -> dict[int, Load]:
    """Every asked team's load, in two queries."""
    at_work = TrainingRun.objects.filter(status__in=AT_WORK, team_id__in=team_ids).values_list(
        "team_id", flat=True
    )
    busy = Counter(at_work.order_by())
    set_by_course = TrainingPolicy.objects.filter(course__teams__in=team_ids)
    most = dict(set_by_course.values_list("course__teams", "team_runs_at_once"))
    return {team: Load(busy[team], most.get(team, USUAL_RUNS_AT_ONCE)) for team in team_ids}


def claim(run: TrainingRun) -> str | None:
    """Begin an attempt while the team is below its limit. Gives the lease; None at the limit, or for the loser of a race.

    The team's row is locked, so that two workers cannot both take its last place.
    """
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=run.team_id)
        return None if loads([run.team_id])[run.team_id].full else run.claim()
