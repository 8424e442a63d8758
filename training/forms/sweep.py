"""Several LoRA runs at once: the same rows and settings, with some learning rates and ranks."""

from typing import Any

from django import forms

from teams.models import Team
from training.forms.lora import LoraForm
from training.services import sweeps
from training.services.lora_presets import HIGHEST_RANK, HIGHEST_RATE, LOWEST_RATE

MOST_VALUES = 6


class SweepForm(LoraForm):
    kind = "sweep"
    essential = ("name", "dataset_version", "base_model", "rates", "ranks", "preset")
    own = tuple(name for name in LoraForm.own if name not in (sweeps.RATE, sweeps.RANK))

    rates = forms.CharField(
        max_length=120,
        label="Learning rates",
        help_text="Each value to try, with spaces or commas between them. A third and three times the usual one are far enough "
        "apart to see a difference.",
    )
    ranks = forms.CharField(
        max_length=60,
        initial="8, 16",
        label="Ranks (r)",
        help_text="Each value to try. It matters less than the rate.",
    )

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        super().__init__(team, *args, **kwargs)
        for name in (sweeps.RATE, sweeps.RANK):
            self.fields[name].required = False
        usual = float(self.fields[sweeps.RATE].initial or 1e-3)
        self.fields["rates"].initial = ", ".join(
            f"{usual * factor:.1e}" for factor in (1 / 3, 1, 3)
        )
        self.fields["preset"].label = "All other settings"

    def clean_rates(self) -> list[float]:
        found = _numbers(self.cleaned_data["rates"])
        if any(not LOWEST_RATE <= rate <= HIGHEST_RATE for rate in found):
            raise forms.ValidationError(
                f"A learning rate lies between {LOWEST_RATE:g} and {HIGHEST_RATE:g}."
            )
        return found

    def clean_ranks(self) -> list[int]:
        found = _numbers(self.cleaned_data["ranks"])
        if any(rank != int(rank) or not 1 <= rank <= HIGHEST_RANK for rank in found):
            raise forms.ValidationError(f"A rank is a whole number from 1 to {HIGHEST_RANK}.")
        return [int(rank) for rank in found]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        count = len(cleaned.get("rates") or []) * len(cleaned.get("ranks") or [])
        if count and not 2 <= count <= sweeps.MOST_RUNS:
            raise forms.ValidationError(
                f"A sweep has 2 to {sweeps.MOST_RUNS} runs; these values make {count}. Change how many you try."
            )
        return cleaned

    def settings(self) -> dict[str, Any]:
        """Of all runs, without what they differ in."""
        chosen = super().settings()
        for name in ("rates", "ranks", sweeps.RATE, sweeps.RANK):
            chosen.pop(name, None)
        return chosen

    def settings_sentence(self) -> str:
        rates, ranks = self.cleaned_data["rates"], self.cleaned_data["ranks"]
        told = ", ".join(f"{rate:g}" for rate in rates), ", ".join(map(str, ranks))
        return f"{len(rates) * len(ranks)} runs: learning rates {told[0]}, each with ranks {told[1]}."


def _numbers(text: str) -> list[float]:
    """Each value once, in the order given. Raises ValidationError."""
    parts = text.replace(",", " ").replace(";", " ").split()
    try:
        found = [float(part) for part in parts]
    except ValueError:
        raise forms.ValidationError(
            "Write numbers with commas or spaces between them, such as 5e-4, 1e-3."
        ) from None
    if any(value != value or value in (float("inf"), float("-inf")) for value in found):
        raise forms.ValidationError(
            "Write numbers with commas or spaces between them, such as 5e-4, 1e-3."
        )
    once = list(dict.fromkeys(found))
    if not 1 <= len(once) <= MOST_VALUES:
        raise forms.ValidationError(f"Write 1 to {MOST_VALUES} values.")
    return once
