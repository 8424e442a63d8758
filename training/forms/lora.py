"""What a person may choose for a LoRA run."""

from importlib.util import find_spec
from typing import Any

from django import forms

from teams.models import Method, Team
from training.forms.run import RunForm
from training.models import TrainingRun
from training.services import estimate, lora_presets
from training.services.lora_presets import (
    HIGHEST_RANK,
    HIGHEST_RATE,
    LOWEST_RATE,
    MOST_EPOCHS_CHOSEN,
)
from training.services.spec import SAVE_EVERY_STEPS

SHARES_SENT = ("validation_fraction", "rows_share")
TARGETS = {
    "q_proj,v_proj": "Query and value (the guide's choice)",
    "q_proj,k_proj,v_proj,o_proj": "All of attention",
    lora_presets.EVERY_LAYER: "Every layer: learns most, forgets most",
}
PRECISIONS = {
    "auto": "What this machine computes best",
    "fp32": "fp32: exact, on every machine",
    "bf16": "bf16: half the memory",
    "fp16": "fp16: half the memory, GPU only",
}
QUANTIZATIONS = {"none": "As it is", "8bit": "8 bits", "4bit": "4 bits (nf4)"}
# The engine's own defaults: a setting that equals them is left out, so that an order says what a person chose.
USUAL: dict[str, Any] = {
    "gradient_accumulation": 1,
    "warmup_ratio": 0.05,
    "weight_decay": 0.0,
    "precision": "auto",
    "quantization": "none",
    "gradient_checkpointing": False,
}


class LoraForm(RunForm):
    method = Method.LORA
    can_sweep = True
    essential = (*RunForm.essential, "preset")
    own = tuple(
        lora_presets.COURSE_GUIDE
    )  # what a preset decides, and a person may decide alone
    advanced = (
        "gradient_accumulation",
        "max_length",
        "warmup_ratio",
        "weight_decay",
        "early_stopping_patience",
        "sample_every",
        "precision",
        "quantization",
        "gradient_checkpointing",
        *RunForm.advanced,
    )

    preset = forms.ChoiceField(
        choices=list(lora_presets.LABELS.items()),
        initial=lora_presets.RECOMMENDED,
        required=False,
        widget=forms.RadioSelect,
        label="Settings",
        help_text="What they are stands beside the price. Both presets on the same rows make a good first comparison.",
    )
    epochs = forms.IntegerField(
        min_value=1,
        max_value=MOST_EPOCHS_CHOSEN,
        initial=3,
        label="Epochs",
        help_text="How often the model reads every row.",
    )
    learning_rate = forms.FloatField(
        min_value=LOWEST_RATE,
        max_value=HIGHEST_RATE,
        initial=1e-3,
        label="Learning rate",
        help_text="How big each step is. Too high and it forgets what it knew; too low and nothing changes.",
    )
    rank = forms.IntegerField(
        min_value=1,
        max_value=HIGHEST_RANK,
        initial=8,
        label="Rank (r)",
        help_text="How much the adapter can hold. The guide says 8.",
    )
    alpha = forms.IntegerField(
        min_value=1,
        max_value=1024,
        initial=32,
        label="Alpha",
        help_text="How loud the adapter speaks. The guide says 32.",
    )
    dropout = forms.FloatField(
        min_value=0,
        max_value=0.9,
        initial=0.05,
        label="Dropout",
        help_text="Switches parts off at random while learning, against memorising. The guide says 0.05.",
    )
    target_modules = forms.ChoiceField(
        choices=list(TARGETS.items()),
        initial=next(iter(TARGETS)),
        label="Layers to adapt",
        help_text="The guide adapts q_proj and v_proj.",
    )
    batch_size = forms.IntegerField(
        min_value=1,
        max_value=256,
        initial=8,
        label="Batch size",
        help_text="Rows read before each step; smaller needs less memory.",
    )
    gradient_accumulation = forms.IntegerField(
        min_value=1,
        max_value=64,
        initial=1,
        required=False,
        label="Batches to one step",
        help_text="More makes steps steadier, as a bigger batch does, without needing its memory.",
    )
    warmup_ratio = forms.FloatField(
        min_value=0,
        max_value=0.5,
        initial=0.05,
        required=False,
        label="Warm-up",
        help_text="Share of the steps in which the learning rate rises from zero; afterwards it falls along a cosine.",
    )
    weight_decay = forms.FloatField(
        min_value=0,
        max_value=1,
        initial=0.0,
        required=False,
        label="Weight decay",
        help_text="Pulls the adapter towards saying nothing. 0 is usual for small data.",
    )
    precision = forms.ChoiceField(
        choices=list(PRECISIONS.items()),
        initial="auto",
        required=False,
        label="Precision",
        help_text="How exactly numbers are kept while computing.",
    )
    quantization = forms.ChoiceField(
        choices=list(QUANTIZATIONS.items()),
        initial="none",
        required=False,
        label="Base model in fewer bits",
        help_text="Lets a bigger base fit into memory; slower without a GPU. Only training uses fewer bits: in chat the base is "
        "whole, so answers may differ a little from those shown here.",
    )
    gradient_checkpointing = forms.BooleanField(
        required=False,
        label="Gradient checkpointing",
        help_text="Needs less memory and takes about a third longer.",
    )
    max_length = forms.IntegerField(
        min_value=32,
        max_value=8192,
        initial=512,
        label="Longest row",
        help_text="In tokens. What is longer is cut, and said.",
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
        initial=25,
        label="Ask while learning",
        help_text="Every so many steps; 0 asks only before and after.",
    )

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        super().__init__(team, *args, **kwargs)
        if self.is_bound:
            self.data = self._with_preset(self.data)
        else:
            self._start_from_recommended()

    def _with_preset(self, data: Any) -> Any:
        """What was sent, with the values of the preset that was chosen in place of the fields that it decides."""
        chosen = data.get("preset", lora_presets.OWN)
        version, base = (
            self._row(name, data.get(name)) for name in ("dataset_version", "base_model")
        )
        if (
            chosen not in (lora_presets.RECOMMENDED, lora_presets.GUIDE)
            or version is None
            or base is None
        ):
            return data
        share = {
            name: _number(data.get(name), 0.0 if name == "validation_fraction" else 1.0)
            for name in SHARES_SENT
        }
        rows = estimate.training_share(version, share)
        values = {
            name: str(value)
            for name, value in lora_presets.settings_of(chosen, base, rows).items()
        }
        return {**{name: data.get(name) for name in data}, **values}

    def _start_from_recommended(self) -> None:
        """The fields of a person's own settings begin at what is recommended for what stands chosen."""
        chosen = {
            name: self.get_initial_for_field(self.fields[name], name) for name in self.offered
        }
        version, base = (
            self._row(name, getattr(value, "pk", value)) for name, value in chosen.items()
        )
        if version is not None and base is not None:
            rows = estimate.training_share(
                version, {"validation_fraction": self["validation_fraction"].initial}
            )
            for name, value in lora_presets.recommended(base, rows).items():
                self.fields[name].initial = value

    def _row(self, name: str, key: Any) -> Any:
        """The row that is named by its key; None for no row, or one that is not this team's to choose."""
        return next((row for row in self.offered[name] if str(row.pk) == str(key)), None)

    def settings_sentence(self) -> str:
        """What will be trained with, in one line. Only for a valid form."""
        return lora_presets.sentence(self.cleaned_data)

    def clean_quantization(self) -> str:
        chosen: str = self.cleaned_data["quantization"]
        if chosen not in ("", "none") and find_spec("bitsandbytes") is None:
            raise forms.ValidationError(
                "Fewer bits need the package bitsandbytes, which is not installed here. Choose as it is, or ask the instructor "
                "to install the packages of requirements.txt."
            )
        return chosen

    def settings(self) -> dict[str, Any]:
        chosen = {
            n: v
            for n, v in super().settings().items()
            if n not in USUAL or v not in (None, "", USUAL[n])
        }
        patience = chosen["early_stopping_patience"] if chosen["validation_fraction"] else 0
        chosen.pop("preset", None)
        return chosen | {
            "target_modules": chosen["target_modules"].split(","),
            "early_stopping_patience": patience,
            "save_every": SAVE_EVERY_STEPS,
        }

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        layers = ",".join(run.settings.get("target_modules", ()))
        layers = lora_presets.EVERY_LAYER if layers == lora_presets.LLAMAS_LAYERS else layers
        return super().initial_from(run) | {"target_modules": layers, "preset": lora_presets.OWN}


def _number(text: Any, otherwise: float) -> float:
    """A share that was sent; `otherwise` where it is none: the field itself says so."""
    try:
        found = float(text)
    except (TypeError, ValueError):
        return otherwise
    return found if 0 <= found <= 1 else otherwise
