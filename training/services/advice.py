"""The panel beside the form: what a run would cost, what is left, and whether it may start at all."""

from dataclasses import dataclass
from typing import Any

from datasets.checks import guideline
from datasets.models import DatasetVersion
from teams.models import Team
from teams.services import team_ledger
from teams.services.prices import PriceUnknown
from training import methods
from training.models import BaseModel, TrainingRun
from training.services import estimate, launch, preference, refusals, shutdowns


@dataclass(frozen=True)
class Advice:
    """`refusal`: why it cannot start. Money in micro-dollars."""

    size: str
    left: int
    estimate: estimate.Estimate | None
    refusal: str | None
    warnings: list[str]


def advise(
    *,
    team: Team,
    method: str,
    base_model: BaseModel,
    dataset_version: DatasetVersion,
    settings: dict[str, Any],
    seed: int,
    starts_from: TrainingRun | None = None,
) -> Advice:
    """What to say about these choices before they become a run."""
    figures = team_ledger.figures(team)
    refusal = launch.why_not(
        team=team,
        method=method,
        base_model=base_model,
        version=dataset_version,
        settings=settings,
        starts_from=starts_from,
    )
    estimated = None
    try:
        estimated = estimate.estimate(
            course=team.course,
            method=method,
            base_model=base_model,
            dataset_version=dataset_version,
            settings=settings,
            seed=seed,
        )
    except PriceUnknown as unknown:
        refusal = refusal or str(unknown)
    if estimated is not None and estimated.most > figures.really_left:
        refusal = (
            refusal
            or "The most this can cost is more than your team has left. Make it smaller, or ask your instructor."
        )
    warnings = shutdowns.warnings_for(base_model)
    rows = estimate.training_share(dataset_version, settings)
    in_pairs = (
        not methods.get(method).is_program
        and base_model.local
        and settings.get("training") == refusals.DPO
    )
    size = (
        preference.size_advice(rows)
        if in_pairs
        else guideline(methods.get(method), rows)["sentence"]
    )
    return Advice(size, figures.left, estimated, refusal, warnings)
