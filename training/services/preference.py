"""Runs that learn from pairs of answers on this machine (DPO): what they may start from, what they need, what suits them.

DPO makes the preferred answer of a pair likelier than the rejected one, measured against the model before the run's first step.
It moves a model that speaks already; it does not teach it to speak. So it goes on from a supervised run wherever there is one.
"""

from typing import Any

from datasets.models import DatasetVersion, Shape
from datasets.services import pairs
from teams.models import Team
from teams.services.storage import files
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import lora_presets
from training.services.estimate import held_out_rows, training_share

FEWEST_PAIRS = 10
GOOD_NUMBER = 40
"""From so many on, blind readers preferred the trained bot to the one that it went on from (docs/dpo.md)."""
DROPOUT = (
    0.0  # as TRL trains: the reference is asked without, so noise would look like a preference
)
ADAPTER_WEIGHTS = "adapter/adapter_model.safetensors"

BETA = 0.1
EPOCHS = 3
BATCH = 4
RATE_OF_SUPERVISED = 0.1
"""What suits some dozens of pairs: docs/dpo.md has the measurements. The learning rate is a share of the recommended one for
supervised rows, because the adapter that it moves is already where it should stay."""


def starts(team: Team) -> list[TrainingRun]:
    """Runs whose adapter another run can go on from, newest first."""
    done = TrainingRun.objects.for_team(team).adapters().filter(status=RunStatus.SUCCEEDED)
    return list(done.select_related("base_model"))


def has_adapter(run: TrainingRun) -> bool:
    return files.has(run.place, ADAPTER_WEIGHTS)


def refusal(
    *,
    team: Team,
    base_model: BaseModel,
    version: DatasetVersion,
    settings: dict[str, Any],
    starts_from: TrainingRun | None,
) -> str | None:
    """Why a preference run cannot start, with what to do; None when it can."""
    if version.shape != Shape.PREFERENCE:
        return (
            f"DPO learns from pairs of answers, a preferred and a rejected one, and {version} has none. "
            "Choose a dataset of pairs, or make one on the page “Preference pairs”."
        )
    if trouble := pairs.told(version).trouble:
        return trouble
    rows, kept_back = training_share(version, settings), held_out_rows(version, settings)
    if rows < FEWEST_PAIRS:
        return (
            f"DPO needs at least {FEWEST_PAIRS} pairs to train on; {version} has {version.row_count}"
            + (f", and {kept_back} of them are kept back to measure with" if kept_back else "")
            + ". Add pairs, or keep back fewer."
        )
    return _start_refusal(team, base_model, starts_from)


def _start_refusal(team: Team, base_model: BaseModel, run: TrainingRun | None) -> str | None:
    if run is None:
        return None
    if run.team_id != team.pk:
        return "The run to start from belongs to another team."
    if not run.is_adapter or run.status != RunStatus.SUCCEEDED:
        return f"{run} has no finished LoRA adapter to go on from. Choose another run, or the base model."
    if run.base_model_id != base_model.pk:
        return f"{run} was trained on {run.base_model}, not on {base_model}. Choose the same base model."
    if not has_adapter(run):
        return f"The adapter of {run} is no longer on this machine. Choose another run, or the base model."
    return None


def size_advice(rows: int) -> str:
    """What so many pairs are good for."""
    if rows < GOOD_NUMBER:
        return (
            f"{rows} pairs to train on. From about {GOOD_NUMBER} on, people hear the difference; fewer pull the bot towards "
            "single sentences."
        )
    return f"{rows} pairs to train on: enough to hear a difference, if they say the same thing about what a good answer is."


def recommended(base: BaseModel) -> dict[str, Any]:
    """What suits some dozens of pairs on this base: the values of the form's fields."""
    return {
        "epochs": EPOCHS,
        "learning_rate": float(f"{RATE_OF_SUPERVISED * lora_presets.learning_rate(base):.1e}"),
        "beta": BETA,
        "batch_size": BATCH,
    }


def shape_of_start(base: BaseModel, run: TrainingRun | None) -> dict[str, Any]:
    """Rank, alpha and layers of the adapter that is trained: those of the run that it goes on from, or the recommended."""
    names = ("rank", "alpha", "target_modules")
    usual = lora_presets.recommended(base, rows=GOOD_NUMBER)
    known = run.settings if run is not None else {}
    found = {name: known.get(name, usual[name]) for name in names}
    if isinstance(found["target_modules"], str):
        found["target_modules"] = found["target_modules"].split(",")
    return found


def from_start(base: BaseModel, run: TrainingRun | None) -> dict[str, Any]:
    """What decides that a run is one on pairs, and all that follows from what it starts from: for its settings."""
    return {"training": "dpo", "dropout": DROPOUT, **shape_of_start(base, run), **inherited(run)}


def inherited(run: TrainingRun | None) -> dict[str, Any]:
    """What a run keeps of the one it goes on from, also when that is deleted: its name, and what it was told before it spoke."""
    if run is None:
        return {}
    said = run.result.get("system_prompt")
    return {"starts_from": str(run), **({"system_prompt": said} if said else {})}
