"""What a job trains with: OpenAI's hyperparameters, with every "auto" decided by what the run form recommends."""

from dataclasses import dataclass
from typing import Any

from datasets.models import DatasetVersion
from teams.models import Team
from training.models import BaseModel, FineTuningJob, TrainingRun
from training.services import estimate, lora_presets, preference
from training.services.endpoint_api import ApiError
from training.services.lora_presets import HIGHEST_RATE
from training.services.openai_api import models
from training.services.openai_api.wanted import AUTO_MULTIPLIER, Hyperparameters, WantedJob
from training.services.refusals import DPO, SUPERVISED
from training.services.spec import ASKED, SAVE_EVERY_STEPS

LONGEST_ROW = 1_024  # tokens


@dataclass(frozen=True)
class Plan:
    """How a job trains, and from what. `starts_from`: the run whose model is trained on, where the job named one."""

    method: str
    base: BaseModel
    starts_from: TrainingRun | None
    asked: Hyperparameters


def plan(team: Team, wanted: WantedJob) -> Plan:
    """Raises ApiError for a method or a model that this service does not train."""
    method = wanted.method.type if wanted.method else SUPERVISED
    if method not in (SUPERVISED, DPO):
        said = f"This service trains with the methods 'supervised' and 'dpo'; '{method}' is not one of them."
        raise ApiError(400, said, param="method")
    asked = _hyperparameters(wanted, method)
    if not wanted.model.startswith("ft:"):
        return Plan(method, models.base_named(team, wanted.model), None, asked)
    job = FineTuningJob.objects.for_team(team).whose_model_is(wanted.model)
    if job is None:
        raise models.unknown(wanted.model)
    if method != DPO:
        said = "Supervised training starts from a base model. To go on from a fine-tuned one, use the method 'dpo'."
        raise ApiError(400, said, param="model")
    return Plan(method, job.run.base_model, job.run, asked)


def _hyperparameters(wanted: WantedJob, method: str) -> Hyperparameters:
    """Wherever the request put them: OpenAI has an old and a new place."""
    inner = getattr(wanted.method, method) if wanted.method else None
    asked = inner.hyperparameters if inner else wanted.hyperparameters or Hyperparameters()
    if method != DPO and asked.beta != "auto":
        raise ApiError(400, "'beta' belongs to the dpo method.", param="method")
    return asked


def usual_for(plan: Plan, rows: int) -> dict[str, Any]:
    """What the run form recommends for so many rows to train on."""
    if plan.method == DPO:
        return preference.recommended(plan.base)
    return lora_presets.recommended(plan.base, rows)


def chosen(plan: Plan, usual: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters with every "auto" decided. Raises ApiError for a learning rate that teaches nothing."""
    asked = plan.asked
    wanted = asked.learning_rate_multiplier
    multiplier = AUTO_MULTIPLIER if isinstance(wanted, str) else float(wanted)
    if _rate(usual, multiplier) > HIGHEST_RATE:
        most = HIGHEST_RATE / _rate(usual, 1)
        said = f"'learning_rate_multiplier' may be at most {most:.0f} for this base: above, nothing is learned."
        raise ApiError(400, said, param="hyperparameters")
    decided = {
        "n_epochs": usual["epochs"] if isinstance(asked.n_epochs, str) else asked.n_epochs,
        "batch_size": usual["batch_size"]
        if isinstance(asked.batch_size, str)
        else asked.batch_size,
        "learning_rate_multiplier": multiplier,
    }
    if plan.method == DPO:
        decided["beta"] = usual["beta"] if isinstance(asked.beta, str) else asked.beta
    return decided


def of_run(
    plan: Plan, usual: dict[str, Any], decided: dict[str, Any], fraction: float
) -> dict[str, Any]:
    """The run's settings: the recommended ones, with what the program chose."""
    common = {
        **usual,
        "epochs": decided["n_epochs"],
        "batch_size": decided["batch_size"],
        "learning_rate": _rate(usual, decided["learning_rate_multiplier"]),
        "validation_fraction": fraction,
        "max_length": LONGEST_ROW,
        "sample_every": 0,
        "early_stopping_patience": 0,
        "save_every": SAVE_EVERY_STEPS,
    }
    if plan.method == DPO:
        return (
            common
            | {"beta": decided["beta"]}
            | preference.from_start(plan.base, plan.starts_from)
        )
    return common | {"target_modules": usual["target_modules"].split(",")}


def of_form(base: BaseModel, version: DatasetVersion, filled: dict[str, Any]) -> dict[str, Any]:
    """A run's settings from the OpenAI form, whose fields are OpenAI's; as filled in they stay in the settings, too.

    Raises ApiError for hyperparameters that this base cannot be trained with.
    """
    ours = ("validation_fraction", estimate.ROWS_SHARE)
    share = {name: filled[name] for name in ours if name in filled}
    asked = {name: value for name, value in filled.items() if name not in ours}
    names = ("n_epochs", "batch_size", "learning_rate_multiplier", "beta")
    wanted = Hyperparameters(**{name: asked.get(name, "auto") for name in names})
    plan = Plan(DPO if asked["training"] == DPO else SUPERVISED, base, None, wanted)
    usual = usual_for(plan, estimate.training_share(version, share))
    decided = chosen(plan, usual)
    return (
        of_run(plan, usual, decided, float(share["validation_fraction"]))
        | share
        | {ASKED: asked}
    )


def _rate(usual: dict[str, Any], multiplier: float) -> float:
    return float(usual["learning_rate"]) * multiplier / AUTO_MULTIPLIER
