"""What a person may choose for an OpenAI run."""

from typing import Any

from django import forms

from teams.models import Method
from training.forms.run import RunForm

KINDS = {"supervised": "Supervised: say it like the rows", "dpo": "DPO: rather this answer than that one"}


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
        help_text="How often the model reads every row: 1 to 50, or auto for OpenAI's rule (more for fewer rows). "
        "You pay for each.",
    )
    batch_size = forms.CharField(
        initial="auto", label="Batch size", help_text="Rows read before each step: auto, or 1 to 256."
    )
    learning_rate_multiplier = forms.CharField(
        initial="auto", label="Learning rate multiplier", help_text="auto, or a number such as 0.5 for gentler steps."
    )
    beta = forms.CharField(
        initial="auto", label="Beta (DPO only)", help_text="auto, or up to 2: higher stays closer to the base model."
    )
    suffix = forms.RegexField(
        r"^[a-zA-Z0-9-]*$",
        max_length=40,
        required=False,
        label="Name at the provider",
        help_text="Letters, digits and hyphens; part of the model's name there. Empty: the run's number.",
    )

    def clean_n_epochs(self) -> int | str:
        return self._whole("n_epochs", 50)

    def clean_batch_size(self) -> int | str:
        return self._whole("batch_size", 256)

    def clean_learning_rate_multiplier(self) -> float | str:
        return self._number("learning_rate_multiplier", 100)

    def clean_beta(self) -> float | str:
        return self._number("beta", 2)

    def settings(self) -> dict[str, Any]:
        chosen = super().settings()
        if chosen["training"] != "dpo":
            chosen.pop("beta")
        return {name: value for name, value in chosen.items() if value != ""}

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
