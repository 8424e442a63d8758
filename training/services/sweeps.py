"""Several runs that differ in a setting or two: priced together, held for together, started all or none, ranked at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction

from teams.models import Team, User
from teams.services import audit, team_ledger
from teams.services.money import dollars
from training.models import RunVerdict, Sweep, TrainingRun
from training.services import cancel, launch
from training.services.launch import LaunchRefused, Priced, Wanted

MOST_RUNS = 12
RATE = "learning_rate"
RANK = "rank"


@dataclass(frozen=True)
class SweepPrice:
    """Micro-dollars and seconds of all runs together."""

    runs: list[Priced]

    @property
    def expected(self) -> int:
        return sum(one.estimate.expected for one in self.runs)

    @property
    def most(self) -> int:
        return sum(one.estimate.most for one in self.runs)

    @property
    def seconds(self) -> float:
        """One after the other, which is how this machine trains."""
        return sum(one.estimate.seconds for one in self.runs)


def variants(wanted: Wanted, rates: Sequence[float], ranks: Sequence[int]) -> list[Wanted]:
    """`wanted` once for every pair of a learning rate and a rank, named by them."""
    made = []
    for rate in rates:
        for rank in ranks:
            settings = wanted.settings | {RATE: rate, RANK: rank}
            name = f"{wanted.name or 'Sweep'}"[:50] + f" · rate {rate:g}, rank {rank}"
            made.append(replace(wanted, settings=settings, name=name, key=None))
    return made


def price(team: Team, wanted: Sequence[Wanted]) -> SweepPrice:
    """Raises LaunchRefused where one of them cannot start, or all together could cost more than is left."""
    if not 2 <= len(wanted) <= MOST_RUNS:
        raise LaunchRefused(
            f"A sweep has 2 to {MOST_RUNS} runs; these are {len(wanted)}. Change the number of values."
        )
    priced = SweepPrice([launch.price(team, one) for one in wanted])
    left = team_ledger.figures(team).really_left
    if priced.most > left:
        raise LaunchRefused(
            f"The most that these {len(wanted)} runs can cost together is {dollars(priced.most)}, and your team has "
            f"{dollars(left)} left. Try fewer values, or ask your instructor."
        )
    return priced


def start(*, team: Team, person: User, priced: SweepPrice, name: str, key: UUID) -> Sweep:
    """All runs with a hold each, or none of them. With the `key` of a form that was sent twice, the sweep of the first time.

    Raises LaunchRefused, or money.BudgetRefused.
    """
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        if before := Sweep.objects.for_team(team).filter(key=key).first():
            return before
        sweep = Sweep.objects.create(team=team, key=key, name=name, created_by=person)
        for one in priced.runs:
            launch.create(team, person, one, sweep=sweep)
        audit.record(
            course=team.course,
            person=person,
            action="sweep launched",
            what=f"{sweep}, {len(priced.runs)} runs",
            team=team,
        )
    return sweep


def cancel_all(*, sweep: Sweep, person: User) -> int:
    """Stop every run that has not ended. How many."""
    stopped = 0
    for run in (
        sweep.runs.active().with_related().order_by("-id")
    ):  # those that wait, before the one that works
        try:
            cancel.cancel(run=run, person=person)
        except cancel.CannotStop:
            continue  # it ended in this very moment
        stopped += 1
    return stopped


@dataclass(frozen=True)
class Line:
    """One run of a sweep. `loss`: of the adapter that was kept. `verdict`: (childlike answers, repeating ones, asked)."""

    run: TrainingRun
    rate: Any
    rank: Any
    loss: float | None
    verdict: tuple[int, int, int] | None
    best: bool = False


@dataclass(frozen=True)
class Ranking:
    """`by`: what the lines are ranked by, in words."""

    lines: list[Line]
    by: str
    active: bool
    charged: int
    held: int


def ranking(sweep: Sweep) -> Ranking:
    """Best first: by verdict where every finished run has one, else by validation loss; runs without a result last."""
    runs = list(sweep.runs.with_related().with_charge().order_by("id"))
    verdicts = _verdicts(runs)
    lines = [_line(run, verdicts.get(run.pk)) for run in runs]
    done = [line for line in lines if line.loss is not None or line.verdict is not None]
    judged = bool(done) and all(line.verdict is not None for line in done)
    ranked = sorted(done, key=_by_verdict if judged else _by_loss)
    rest = [line for line in lines if line not in done]
    if ranked:
        ranked[0] = replace(ranked[0], best=True)
    by = (
        "Ranked by verdict: most answers that read like a second-grader, least repetition."
        if judged
        else BY_LOSS
    )
    active = [run for run in runs if run.is_active]
    charged = sum(getattr(run, "charged", None) or 0 for run in runs)
    return Ranking(
        [*ranked, *rest], by, bool(active), charged, sum(run.most_cost for run in active)
    )


BY_LOSS = (
    "Ranked by validation loss, because not every run has a verdict yet. A lower loss does not always sound more like a child: "
    "read the answers too."
)


def _line(run: TrainingRun, verdict: tuple[int, int, int] | None) -> Line:
    kept = (run.result.get("metrics") or {}).get("validation_loss_after")
    loss = kept if isinstance(kept, int | float) else None
    return Line(run, run.settings.get(RATE), run.settings.get(RANK), loss, verdict)


def _by_loss(line: Line) -> tuple[bool, float]:
    return line.loss is None, line.loss or 0.0


def _by_verdict(line: Line) -> tuple[float, float, float]:
    assert line.verdict is not None
    childlike, repeats, asked = line.verdict
    return -childlike / max(1, asked), repeats / max(1, asked), line.loss or 0.0


def _verdicts(runs: list[TrainingRun]) -> dict[int, tuple[int, int, int]]:
    """Of the adapters that were kept, by run."""
    found = RunVerdict.objects.filter(run__in=runs, kept=True, asked__gt=0)
    return {
        one.run_id: (one.childlike, one.repeats, one.asked) for one in found.defer("answers")
    }
