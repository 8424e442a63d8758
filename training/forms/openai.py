"""What a person may choose for an OpenAI run."""

from typing import Any

from django import forms

from teams.models import Method
from training.forms.run import RunForm
from training.models import TrainingRun
from training.services import lora_presets
from training.services.endpoint_api import ApiError
from training.services.openai_api import job_settings
from training.services.spec import ASKED

KINDS = {
    "supervised": "Supervised: say it like the rows",
    "dpo": "DPO: rather this answer than that one",
}


class OpenaiForm(RunForm):
    method = Method.OPENAI
    essential = (*RunForm.essential, "training", "n_epochs")
    advanced = ("batch_size", "learning_rate_multiplier", "beta", "suffix", *RunForm.advanced)

    training = forms.ChoiceField(
        choices=list(KINDS.items()),
        initial="supervised",
        label="Kind of training",
        help_text="DPO needs preference pairs.",
    )
    n_epochs = forms.CharField(
        initial="auto",
        label="Epochs",
        help_text="How often the model reads every row: 1 to 50, or auto: more for fewer rows. You pay for each.",
    )
    batch_size = forms.CharField(
        initial="auto",
        label="Batch size",
        help_text="Rows read before each step: auto, or 1 to 256.",
    )
    learning_rate_multiplier = forms.CharField(
        initial="auto",
        label="Learning rate multiplier",
        help_text="auto, or a number such as 0.5 for gentler steps.",
    )
    beta = forms.CharField(
        initial="auto",
        label="Beta (DPO only)",
        help_text="auto, or up to 2: higher stays closer to the base model.",
    )
    suffix = forms.RegexField(
        r"^[a-zA-Z0-9-]*$",
        max_length=40,
        required=False,
        label="Suffix",
        help_text="Letters, digits and hyphens; part of the model's name. Empty: the run's number.",
    )

    def clean_n_epochs(self) -> int | str:
        return self._whole("n_epochs", 50)

    def clean_batch_size(self) -> int | str:
        return self._whole("batch_size", 256)

    def clean_learning_rate_multiplier(self) -> float | str:
        return self._number("learning_rate_multiplier", 100)

    def clean_beta(self) -> float | str:
        return self._number("beta", 2)

    def clean(self) -> dict[str, Any]:
        """Where the platform itself is the service, what its bases cannot be trained with is said beside the field."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned["base_model"].local:
            try:
                self.settings()
            except ApiError as refused:
                self.add_error(
                    "learning_rate_multiplier",
                    str(refused).replace("'learning_rate_multiplier'", "This"),
                )
        return cleaned

    def settings(self) -> dict[str, Any]:
        chosen = super().settings()
        if chosen["training"] != "dpo":
            chosen.pop("beta")
        filled = {name: value for name, value in chosen.items() if value != ""}
        base = self.cleaned_data["base_model"]
        if not base.local:
            return filled
        return job_settings.of_form(base, self.cleaned_data["dataset_version"], filled)

    def settings_sentence(self) -> str:
        """What "auto" came to, where the platform itself trains. Only for a valid form."""
        if not self.cleaned_data["base_model"].local:
            return ""
        chosen = self.settings()
        return lora_presets.sentence(
            {**chosen, "target_modules": ",".join(chosen["target_modules"])}
        )

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        """As it was filled in."""
        asked: dict[str, Any] = run.settings.get(ASKED, {})
        return super().initial_from(run) | asked

    def _number(self, name: str, most: float) -> float | str:
        text = self.cleaned_data[name].strip().lower()
        if text == "auto":
            return "auto"
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            raise forms.ValidationError(f"Write auto, or a number above 0 and up to {most}.")
        return value

    def _whole(self, name: str, most: int) -> int | str:
        text = self.cleaned_data[name].strip().lower()
        if text == "auto":
            return "auto"
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise forms.ValidationError(f"Write auto, or a whole number from 1 to {most}.")
        return int(text)
