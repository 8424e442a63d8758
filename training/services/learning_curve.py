"""Would more rows help? The same run on half and a quarter of its rows, measured with the same rows kept back, tells."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from teams.models import User
from teams.services.prices import PriceUnknown
from training.models import Origin, RunStatus, TrainingRun
from training.services import charts
from training.services.estimate import ROWS_SHARE, Estimate, estimate, training_share
from training.services.launch import LaunchRefused, launch

SHARES = {0.25: "a quarter", 0.5: "half", 1.0: "all"}
GONE = (RunStatus.FAILED, RunStatus.CANCELLED)
# of the loss; of the score, in points: below that, one seed's luck
HELPS = 0.03
NOISE = 0.01


@dataclass(frozen=True)
class Part:
    """One share of the rows: its run where there is one, else what it would cost."""

    share: float
    words: str
    rows: int
    run: TrainingRun | None
    value: float | None
    estimated: Estimate | None = None
    refusal: str = ""

    @property
    def key(self) -> str:
        """How a form names the share."""
        return f"{self.share:g}"


@dataclass(frozen=True)
class LearningCurve:
    """`unit`: what was measured, as a person calls it. `advice`: empty until two shares are measured."""

    parts: list[Part]
    unit: str
    chart: charts.Chart | None
    advice: str

    @property
    def at_work(self) -> bool:
        """Whether a figure is still to come."""
        return any(part.run is not None and part.run.is_active for part in self.parts)


def learning_curve(run: TrainingRun) -> LearningCurve:
    """The picture so far, from every run of the team that differs from `run` in nothing but its share of the rows."""
    newest = sorted(_siblings(run), key=lambda one: (one.status == RunStatus.SUCCEEDED, one.pk))
    by_share = {
        _share(one): one for one in newest
    }  # a finished one before one that is still at work
    parts = [_part(run, share, by_share.get(share)) for share in SHARES]
    method = run.trained_with
    unit = method.measured_in
    points = [(part.rows, part.value) for part in parts if part.value is not None]
    return LearningCurve(
        parts,
        unit,
        charts.over_rows(points, unit),
        advice(points, higher=method.higher_is_better),
    )


def start_part(*, run: TrainingRun, person: User, share: float) -> TrainingRun:
    """Launch the same run on a share of its rows; the one that there is, where it was started before. Raises LaunchRefused."""
    siblings = _siblings(run, ended_too=True)
    there = [one for one in siblings if _share(one) == share]
    if there and there[-1].status not in GONE:
        return there[-1]
    if share not in SHARES:
        raise LaunchRefused("Choose a half or a quarter of the rows.")
    if reason := _why_not(run):
        raise LaunchRefused(reason)
    return launch(
        team=run.team,
        person=person,
        method=run.method,
        base_model=run.base_model,
        dataset_version=run.dataset_version,
        settings=_settings(run, share),
        seed=run.seed,
        name=f"{run.name or run.base_model.label}"[:50] + f" ({SHARES[share]} of the rows)",
        key=uuid5(run.key, f"{share} {len(there)}"),
        starts_from=run.starts_from,
    )


def advice(points: list[tuple[int, float]], *, higher: bool) -> str:
    """What the last doubling of the rows brought, and what that says about the next one. `higher`: higher is better."""
    if len(points) < 2:
        return ""
    (few, before), (many, after) = sorted(points)[-2:]
    gain = after - before if higher else (before - after) / max(abs(before), 1e-9)
    times = many / few
    figures = f"From {few:,} to {many:,} rows ({times:.1f} times as many) the figure went from {before:.3f} to {after:.3f}. "
    if gain >= HELPS:
        return (
            figures
            + "More rows helped, so more rows like these will very probably help again: add some before you tune."
        )
    if gain > -NOISE:
        return figures + (
            "That is little, and one run's luck can be as big: more rows of the same kind will hardly help. "
            "Add rows of another kind (other subjects, longer talks, mistakes), or change a setting."
        )
    return figures + (
        "It got worse with more rows: rows probably contradict each other, or the later ones are weaker. "
        "Look at the dataset's quality page before you add any."
    )


def _siblings(run: TrainingRun, *, ended_too: bool = False) -> list[TrainingRun]:
    """Oldest first, so that of two equal ones the newer counts. Derived runs were not trained here and do not count."""
    same = TrainingRun.objects.for_team(run.team).filter(
        method=run.method,
        base_model=run.base_model_id,
        dataset_version=run.dataset_version_id,
        seed=run.seed,
    )
    alike = same.filter(origin=None) | same.filter(pk=run.pk)
    found = [one for one in alike.order_by("pk") if _settings(one, 1.0) == _settings(run, 1.0)]
    return found if ended_too else [one for one in found if one.status not in GONE]


def _share(run: TrainingRun) -> float:
    return float(run.settings.get(ROWS_SHARE, 1))


def _settings(run: TrainingRun, share: float) -> dict[str, Any]:
    whole = {
        name: value for name, value in run.settings.items() if name not in (ROWS_SHARE, "suffix")
    }
    return whole if share == 1 else whole | {ROWS_SHARE: share}


def _part(run: TrainingRun, share: float, there: TrainingRun | None) -> Part:
    rows = training_share(run.dataset_version, _settings(run, share))
    if there is not None:
        return Part(share, SHARES[share], rows, there, _value(there))
    if refusal := _why_not(run):
        return Part(share, SHARES[share], rows, None, None, refusal=refusal)
    try:
        estimated = estimate(
            course=run.team.course,
            method=run.method,
            base_model=run.base_model,
            dataset_version=run.dataset_version,
            settings=_settings(run, share),
            seed=run.seed,
        )
    except PriceUnknown as unknown:
        return Part(share, SHARES[share], rows, None, None, refusal=str(unknown))
    return Part(share, SHARES[share], rows, None, None, estimated)


def _why_not(run: TrainingRun) -> str:
    if Origin.objects.filter(run=run).exists():
        return "It was not trained here. Run it again with changes first; that run can be compared with fewer rows."
    if run.settings.get("starts_from") and run.starts_from is None:
        return (
            "The run that it went on from was deleted, so it cannot be repeated on fewer rows."
        )
    if run.trained_with.keeps_rows_back and not run.settings.get("validation_fraction"):
        return "No rows were kept back, so nothing could be compared. Run again with some rows kept back to measure with."
    return ""


def _value(run: TrainingRun) -> float | None:
    """What the kept model scored: for LoRA the best adapter's loss, not the last step's."""
    if run.status != RunStatus.SUCCEEDED:
        return None
    if run.trained_with.is_program:
        return run.score_after
    kept = (run.result.get("metrics") or {}).get("validation_loss_after")
    return float(kept) if isinstance(kept, int | float) else run.validation_loss
