"""What a person may choose for a local run on pairs of answers (DPO)."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from datasets.models import DatasetVersion, Shape
from datasets.services import pairs
from teams.models import Method, Team
from training.forms.run import RunForm
from training.models import BaseModel, TrainingRun
from training.services import preference
from training.services.spec import SAVE_EVERY_STEPS

RUN = "run-"
BASE = "base-"


class DpoForm(RunForm):
    """`start` says what the run goes on from, and with it the base model."""

    method = Method.LORA
    kind = "dpo"
    label = "Preferences (DPO)"
    essential = ("name", "dataset_version", "start", "beta", "epochs", "learning_rate")
    advanced = (
        "batch_size",
        "max_length",
        "early_stopping_patience",
        "sample_every",
        *RunForm.advanced,
    )

    start = forms.ChoiceField(
        label="Start from",
        help_text="A supervised run that speaks as your child already. DPO then shifts it towards the preferred answers.",
    )
    beta = forms.FloatField(
        min_value=0.01,
        max_value=2,
        initial=preference.BETA,
        label="Beta",
        help_text="How tightly it is held to what it starts from: 0.1 is usual, higher changes less.",
    )
    epochs = forms.IntegerField(
        min_value=1,
        max_value=50,
        initial=preference.EPOCHS,
        label="Epochs",
        help_text="How often the model reads every pair.",
    )
    learning_rate = forms.FloatField(
        min_value=1e-7,
        max_value=0.01,
        label="Learning rate",
        help_text="How big each step is: about a tenth of what suits supervised rows. Too high and it stops making sense.",
    )
    batch_size = forms.IntegerField(
        min_value=1,
        max_value=128,
        initial=preference.BATCH,
        label="Pairs to a batch",
        help_text="Each pair is read with both answers, so it needs twice the memory of a row.",
    )
    max_length = forms.IntegerField(
        min_value=32,
        max_value=8192,
        initial=512,
        label="Longest conversation",
        help_text="In tokens, one answer included. What is longer is cut, and said.",
    )
    early_stopping_patience = forms.IntegerField(
        min_value=0,
        max_value=20,
        initial=0,
        label="Stop early after",
        help_text="So many measurements without progress end the run and keep the best. 0 never stops early.",
    )
    sample_every = forms.IntegerField(
        min_value=0,
        max_value=10_000,
        initial=0,
        label="Ask while learning",
        help_text="Every so many steps; 0 asks only before and after.",
    )

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        super().__init__(team, *args, **kwargs)
        self.fields["dataset_version"].label = "Preference pairs"
        self.fields[
            "dataset_version"
        ].help_text = "Two answers to each prompt: the preferred one and the rejected one."
        self.fields["base_model"].required = False
        self.runs = [run for run in preference.starts(team) if preference.has_adapter(run)]
        self.bases: list[BaseModel] = self.offered["base_model"]
        self._offer_starts()

    def versions(self, team: Team) -> "QuerySet[DatasetVersion]":
        return super().versions(team).filter(shape=Shape.PREFERENCE)

    def _offer_starts(self) -> None:
        field = self.fields["start"]
        assert isinstance(field, forms.ChoiceField)
        runs = [(f"{RUN}{run.number}", f"{run} ({run.base_model})") for run in self.runs]
        bases = [(f"{BASE}{base.pk}", f"{base}, not trained") for base in self.bases]
        field.choices = [*runs, *bases]
        if not field.choices:
            return
        field.initial = field.choices[0][0]
        _, base = self._start(self.get_initial_for_field(field, "start"))
        if base is not None:
            self.fields["learning_rate"].initial = preference.recommended(base)["learning_rate"]

    def _start(self, value: Any) -> tuple[TrainingRun | None, BaseModel | None]:
        """The run that `value` names, if it names one, and the base model."""
        for run in self.runs:
            if value == f"{RUN}{run.number}":
                return run, run.base_model
        return None, next((base for base in self.bases if value == f"{BASE}{base.pk}"), None)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned["starts_from"], base = self._start(cleaned.get("start"))
        if base is not None:
            cleaned["base_model"] = base
        return cleaned

    def settings(self) -> dict[str, Any]:
        chosen = super().settings()
        run, base = self.cleaned_data["starts_from"], self.cleaned_data["base_model"]
        for name in ("start", "starts_from"):
            chosen.pop(name)
        patience = chosen["early_stopping_patience"] if chosen["validation_fraction"] else 0
        return {
            **chosen,
            **preference.from_start(base, run),
            "early_stopping_patience": patience,
            "save_every": SAVE_EVERY_STEPS,
        }

    def settings_sentence(self) -> str:
        """How many pairs from where. Only for a valid form."""
        found = pairs.told(self.cleaned_data["dataset_version"])
        return f"{found.total:,} pairs: {found.words}."

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        start = (
            f"{RUN}{run.starts_from.number}" if run.starts_from else f"{BASE}{run.base_model_id}"
        )
        return super().initial_from(run) | {"start": start}
