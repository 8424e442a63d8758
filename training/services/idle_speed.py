"""What local training is charged by: the work that was kept, at the speed of an idle machine of that kind.

The speed is chosen at launch and stored on the run, so that the price on the form and the charge use the same one, and
no load of other teams can raise a charge. `docs/adr/0005-local-work-has-a-price.md` has the reasons.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from django.db.models import ExpressionWrapper, F, FloatField

from teams.models import Course
from teams.services.durations import duration
from teams.services.money import dollars
from training.models import BaseModel, Host, PaceTrial, TrainingRun
from training.services import training_time
from training.services.training_time import Seen, Work

SECONDS_PER_HOUR = 3600
QUICKEST_RUNS = 50
NOTHING_KEPT = "No work was kept, so nothing is charged"
RATE = "compute_rate"
SOURCE = "source"


class Source(StrEnum):
    """Where an idle speed comes from, best first."""

    TRIALS = "trials"
    RUNS = "runs"
    GUESS = "guess"


@dataclass(frozen=True)
class IdleSpeed:
    """Seconds for each kind of work on an idle machine, and what they are known from."""

    seen: Seen
    source: Source

    def stored(self, course: Course) -> dict[str, Any]:
        """For the run's row: with the course's rate, so that a rate changed later changes no run that was launched."""
        return asdict(self.seen) | {SOURCE: self.source, RATE: course.compute_rate}


@dataclass(frozen=True)
class LocalCost:
    """`cost` in micro-dollars, `seconds` of work at idle speed, and a note for the ledger."""

    cost: int
    seconds: float
    note: str


def idle_speed(base: BaseModel, *, quantization: str, work: Work) -> IdleSpeed:
    """The quickest measurement of this base on this kind of machine, for `work`.

    Whatever disturbs a measurement makes it slower, so the quickest is the nearest to an idle machine, and a slower one
    that comes later changes nothing. The machine's own trials count; runs only where it has made none (in fewer bits, or
    with trials switched off), for they are made under load. Where nothing was measured, a guess by the base's size.
    """
    guess = training_time.guessed(base)
    tried = _seen_in(_trials(base) if quantization == training_time.WHOLE else [], guess)
    ran = [] if tried else _seen_in(_runs(base, quantization), guess)
    found = tried or ran
    if not found:
        return IdleSpeed(guess, Source.GUESS)
    source = Source.TRIALS if tried else Source.RUNS
    return IdleSpeed(min(found, key=lambda one: one.seconds(work)), source)


def compute_cost(*, rate: int, seconds: float) -> int:
    """Micro-dollars of `seconds` of local training at `rate` micro-dollars an hour, rounded up."""
    return -(-round(seconds * rate) // SECONDS_PER_HOUR)


def cost_of(run: TrainingRun) -> LocalCost:
    """What the work of a LoRA run costs that was kept so far; never more than was held for it."""
    rate, seconds = _rate_and_seconds(run)
    cost = compute_cost(rate=rate, seconds=seconds)
    took = f"it took {duration(run.compute_seconds)}"
    if not seconds:
        return LocalCost(0, 0.0, f"{NOTHING_KEPT}; {took}")
    note = f"{duration(seconds)} of work at this machine's idle speed, at {dollars(rate)} an hour; {took}"
    if cost > run.most_cost:
        return LocalCost(run.most_cost, seconds, f"Charged the most it can cost, for {note}")
    return LocalCost(cost, seconds, f"Charged for {note}")


def work_of_engine(told: object) -> dict[str, int]:
    """The counts of an engine's `work`, as they are stored on the run. What is no count is left out."""
    if not isinstance(told, Mapping):
        return {}
    found = {name: told.get(name) for name in COUNTS}
    return {
        name: count
        for name, count in found.items()
        if isinstance(count, int) and 0 <= count < MOST_COUNT
    }


COUNTS = {
    "steps": "steps",
    "tokens": "trained_tokens",
    "validation_tokens": "validated_tokens",
    "answers": "answers",
    "saves": "saves",
}
"""The engine's name of each count, and ours."""
MOST_COUNT = 2**53  # JSON's numbers are exact up to here


def _rate_and_seconds(run: TrainingRun) -> tuple[int, float]:
    """Micro-dollars an hour, and seconds of the kept work at idle speed."""
    stored = run.idle_speed
    if not stored:
        return (
            run.team.course.compute_rate,
            run.compute_seconds,
        )  # launched before work was counted
    if not run.work:
        return int(stored[RATE]), 0.0
    seen = Seen(**{field.name: float(stored.get(field.name, 0)) for field in fields(Seen)})
    work = Work(**{ours: int(run.work.get(theirs, 0)) for theirs, ours in COUNTS.items()})
    seconds = seen.seconds(work)
    if stored[SOURCE] == Source.GUESS:
        seconds = min(
            seconds, run.compute_seconds
        )  # a guess is careful, and nobody pays more than the clock for it
    return int(stored[RATE]), seconds


def _seen_in(measured: list[tuple[float, dict[str, Any]]], guess: Seen) -> list[Seen]:
    found = [training_time.seen(seconds, metrics, guess) for seconds, metrics in measured]
    return [one for one in found if one is not None]


def _trials(base: BaseModel) -> list[tuple[float, dict[str, Any]]]:
    """Every trial on the kinds of host that are there now; where they made none, on the kind that made the newest one."""
    made = PaceTrial.objects.filter(base_model=base, trouble="")
    newest = made.first()
    if newest is None:
        return []
    now = Host.objects.alive().values("machine")
    wanted = list(made.filter(machine__in=now)) or made.filter(machine=newest.machine)
    return [(trial.compute_seconds, trial.metrics) for trial in wanted]


def _runs(base: BaseModel, quantization: str) -> list[tuple[float, dict[str, Any]]]:
    """The quickest runs for their tokens on the kind of machine that did the newest one: a slow run pushes none out."""
    done = training_time.worked_through(base, quantization=quantization)
    newest = done.order_by("-finished_at").first()
    if newest is None:
        return []
    if machine := newest.result.get("machine"):
        done = done.filter(result__machine=machine)
    by_token = ExpressionWrapper(
        F("compute_seconds") / F("training_tokens"), output_field=FloatField()
    )
    quickest = done.order_by(by_token)[:QUICKEST_RUNS]
    return [(run.compute_seconds, run.result.get("metrics") or {}) for run in quickest]
