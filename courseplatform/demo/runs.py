"""The runs of the demo course, launched as a person would launch them: through the method's form, priced and held."""

from typing import Any

from datasets.models import DatasetVersion
from teams.models import Method, Team, User
from training.forms import FORMS, RunForm
from training.models import BaseModel, TrainingRun
from training.services.launch import launch

LORA = "Theo"
DSPY = "Theo by prompt"
OPENAI = "Theo as a job"
DATA = {
    LORA: "Second-grade answers",
    DSPY: "Second-grade dialogues",
    OPENAI: "Second-grade chats",
}
METHODS = {LORA: Method.LORA, DSPY: Method.DSPY, OPENAI: Method.OPENAI}
SETTINGS: dict[str, dict[str, Any]] = {
    # A small rank, so that the archive in the repository stays small; it matters little for what the bot says.
    LORA: {
        "preset": "own",
        "epochs": 3,
        "rank": 4,
        "alpha": 16,
        "batch_size": 4,
        "target_modules": "all-linear",
    },
    DSPY: {"max_calls": 60, "max_bootstrapped_demos": 2, "max_labeled_demos": 2},
    OPENAI: {"n_epochs": "2"},
}


class NotPossible(Exception):
    """This run cannot be had on this machine; the message says why."""


def start(*, team: Team, person: User, name: str) -> TrainingRun:
    """Launch the run called `name` on the team's data. Raises NotPossible, LaunchRefused and BudgetRefused."""
    method = METHODS[name]
    version = (
        DatasetVersion.objects.for_team(team)
        .filter(dataset__name=DATA[name])
        .order_by("-number")
        .first()
    )
    base = _local_base(team, method)
    if version is None or base is None:
        raise NotPossible(f"“{name}” needs its dataset and a base model on this machine.")
    form = _filled(
        team,
        method,
        {"name": name, "dataset_version": version.pk, "base_model": base.pk, **SETTINGS[name]},
    )
    chosen = form.cleaned_data
    return launch(
        team=team,
        person=person,
        method=method,
        base_model=base,
        dataset_version=version,
        settings=form.settings(),
        seed=chosen["seed"],
        name=name,
    )


def _local_base(team: Team, method: Method) -> BaseModel | None:
    """The first base of this method that this machine itself runs: the demo asks no provider and costs nobody money."""
    return next(
        (one for one in BaseModel.objects.offered(team.course, method) if one.local), None
    )


def _filled(team: Team, method: Method, wanted: dict[str, Any]) -> RunForm:
    """The method's form as it stands there untouched, with what is wanted otherwise."""
    form_class = FORMS[method]
    untouched = form_class(team, initial=wanted).untouched()
    values = {**dict(untouched), **{key: str(value) for key, value in wanted.items()}}
    form = form_class(team, values)
    if not form.is_valid():
        raise NotPossible(f"The form refuses it: {form.errors.as_text()}")
    return form
