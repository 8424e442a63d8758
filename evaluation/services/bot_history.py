"""How the bots of one dataset developed: their verdicts and interviews in a row, and how two of them fare against each other."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Prefetch, Q

from datasets.models import Dataset
from evaluation.models import Comparison, Interview, InterviewStatus, Vote
from evaluation.services.interview_report import quality_of
from teams.models import User
from training.models import RunVerdict, TrainingRun


@dataclass(frozen=True)
class Stage:
    """One finished run. Shares are 0 to 1 and None where nothing was measured; `out_of_part` of `heard` answers."""

    run: TrainingRun
    verdict: RunVerdict | None
    quality: float | None
    known: float | None
    out_of_part: int
    heard: int


@dataclass(frozen=True)
class Duel:
    """Blind comparisons of two bots, as far as the person who looks has voted. `open`: those that wait for their vote."""

    old: int
    new: int
    same: int
    open: list[Comparison]

    @property
    def votes(self) -> int:
        return self.old + self.new + self.same


def stages_of(run: TrainingRun, dataset: Dataset | None) -> list[Stage]:
    """All finished runs on any version of the dataset, the first one first, and `run` among them in any case."""
    same = Q(dataset_version__dataset=dataset) if dataset is not None else Q(pk=run.pk)
    rows = TrainingRun.objects.for_team(run.team).finished().shown().filter(
        same
    ) | TrainingRun.objects.filter(pk=run.pk)
    kept = Prefetch("verdicts", RunVerdict.objects.filter(kept=True).defer("answers"))
    runs = list(
        rows.select_related("dataset_version__dataset").prefetch_related(kept).order_by("number")
    )
    done = (
        Interview.objects.for_team(run.team)
        .filter(run__in=runs, status=InterviewStatus.DONE)
        .order_by("id")
    )
    newest = {one.run_id: one.metrics for one in done}
    return [_stage(one, newest.get(one.pk)) for one in runs]


def _stage(run: TrainingRun, metrics: dict[str, float] | None) -> Stage:
    verdict = next(iter(run.verdicts.all()), None)
    if metrics is None:
        return Stage(run, verdict, None, None, 0, 0)
    out, heard = int(metrics["out_of_part"]), int(metrics["answers"])
    return Stage(run, verdict, quality_of(metrics), metrics["right_known"], out, heard)


def newer_of(run: TrainingRun, stages: list[Stage]) -> TrainingRun | None:
    """The newest bot that came after `run` from the same dataset."""
    later = [one.run for one in stages if one.run.number > run.number]
    return later[-1] if later else None


def duel(*, old: TrainingRun, new: TrainingRun, person: User, looks_on: bool) -> Duel:
    """Votes between two bots. Of comparisons that `person` has not voted on, nothing is told: they would not judge blind."""
    found = list(Comparison.objects.for_team(old.team).between(old, new))
    voted = set(
        Vote.objects.filter(comparison__in=found, person=person).values_list(
            "comparison_id", flat=True
        )
    )
    told = [one for one in found if looks_on or one.pk in voted]
    votes = Vote.objects.filter(comparison__in=told)
    count: Counter[int | None] = Counter(
        votes.values_list("better__conversation__run_id", flat=True)
    )
    waiting = [] if looks_on else [one for one in found if one.pk not in voted]
    return Duel(count[old.pk], count[new.pk], count[None], waiting)
