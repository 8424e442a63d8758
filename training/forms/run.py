"""What a person may choose for a run of each method, with one line that says what it does and the guide's defaults."""

from typing import Any, TypeVar
from uuid import uuid4

from django import forms
from django.db.models import Model, QuerySet

from datasets.models import DatasetVersion
from teams.models import Method, Team
from training.models import BaseModel, TrainingRun

SAVE_EVERY_STEPS = 25
TARGETS = {
    "q_proj,v_proj": "Query and value (the guide's choice)",
    "q_proj,k_proj,v_proj,o_proj": "All of attention",
    "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj": "Every layer: learns most, forgets most",
}
OPTIMIZERS = {
    "BootstrapFewShot": "BootstrapFewShot: finds good demonstrations; cheap and sturdy",
    "LabeledFewShot": "LabeledFewShot: shows some of your rows as they are; cheapest",
    "BootstrapFewShotWithRandomSearch": "Random search: tries several sets of demonstrations",
    "MIPROv2": "MIPROv2: writes and tries instructions too",
    "GEPA": "GEPA: improves instructions by reflecting on mistakes; many calls",
    "SIMBA": "SIMBA: learns from the answers that vary most; many calls",
}
KINDS = {"supervised": "Supervised: say it like the rows", "dpo": "DPO: rather this answer than that one"}
FRACTIONS = {"0.2": "A fifth (20 %)", "0.1": "A tenth (10 %)", "0": "None: nobody can see overfitting"}


SHARES = {"1": "All of them", "0.5": "Half, to see what the other half brings", "0.25": "A quarter"}
Offered = TypeVar("Offered", bound=Model)


class RunForm(forms.Form):
    """What every method asks. `essential` and `advanced` name the fields in the order in which the page shows them."""

    method: Method
    essential: tuple[str, ...] = ("name", "dataset_version", "base_model")
    advanced: tuple[str, ...] = ("validation_fraction", "rows_share", "seed")
    presets: dict[str, tuple[str, dict[str, Any]]] = {}

    name = forms.CharField(
        max_length=80,
        required=False,
        label="Name",
        help_text="What is new in this run, for example: gentler learning rate.",
    )
    dataset_version = forms.ModelChoiceField(
        DatasetVersion.objects.none(), label="Dataset", help_text="A version never changes, so the run can be repeated."
    )
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), label="Base model", help_text="The model to start from."
    )
    validation_fraction = forms.TypedChoiceField(
        choices=list(FRACTIONS.items()),
        coerce=float,
        initial="0.2",
        label="Rows kept back to measure with",
        help_text="The model never sees them; they show whether it learned or only memorised.",
    )
    rows_share = forms.TypedChoiceField(
        choices=list(SHARES.items()),
        coerce=float,
        empty_value="1",
        required=False,
        initial="1",
        label="Rows to learn from",
        help_text="A part, drawn by the seed, shows whether more rows would help.",
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=17, label="Seed", help_text="The same seed and settings repeat a run."
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = DatasetVersion.objects.for_team(team).select_related("dataset").order_by("-created_at", "-id")
        bases = BaseModel.objects.offered(team.course, self.method).order_by("id")
        self.has_dataset = self._choose("dataset_version", versions) is not None
        self.fields["key"].initial = uuid4
        self._suggest(self._choose("base_model", bases))
        for name in (*self.essential, *self.advanced):
            self.fields[name].widget.attrs.setdefault("aria-describedby", f"id_{name}_helptext")

    def _choose(self, name: str, rows: QuerySet[Offered]) -> Offered | None:
        """Offer these rows, read once; the first stands chosen and is given back. The field by itself would read them again
        for every time that it is drawn."""
        field, offered = self.fields[name], list(rows)
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset, field.empty_label = rows, None
        field.choices = [(row.pk, str(row)) for row in offered]
        first = offered[0] if offered else None
        field.initial = first
        return first

    def _suggest(self, base: BaseModel | None) -> None:
        """Start from what suits the base model that is offered first."""
        for name, value in (base.suggested() if base else {}).items():
            if name in self.fields:
                self.fields[name].initial = value

    def essential_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.essential]

    def advanced_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.advanced]

    @property
    def advanced_has_errors(self) -> bool:
        return any(name in self.errors for name in self.advanced)

    def settings(self) -> dict[str, Any]:
        """The run's settings, as the engine reads them. Only for a valid form."""
        ours = {"name", "dataset_version", "base_model", "seed", "key"}
        chosen = {name: value for name, value in self.cleaned_data.items() if name not in ours}
        return chosen if float(chosen["rows_share"]) < 1 else {k: v for k, v in chosen.items() if k != "rows_share"}

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        """The form as it was for an earlier run, to change and run again."""
        return {
            **run.settings,
            "dataset_version": run.dataset_version_id,
            "base_model": run.base_model_id,
            "validation_fraction": f"{run.settings.get('validation_fraction', 0):g}",
            "rows_share": f"{run.settings.get('rows_share', 1):g}",
            "seed": run.seed,
        }


class LoraForm(RunForm):
    method = Method.LORA
    essential = (*RunForm.essential, "epochs", "learning_rate")
    advanced = ("rank", "alpha", "dropout", "target_modules", "batch_size", "max_length", "early_stopping_patience",
                "sample_every", *RunForm.advanced)  # fmt: skip
    presets = {
        "quick": ("Quick look", {"epochs": 1}),
        "balanced": ("Balanced", {}),
        "careful": ("Careful", {"epochs": 10, "learning_rate": 1e-3, "early_stopping_patience": 3}),
    }

    epochs = forms.IntegerField(
        min_value=1, max_value=100, initial=3, label="Epochs", help_text="How often the model reads every row."
    )
    learning_rate = forms.FloatField(
        min_value=1e-6, max_value=0.1, initial=1e-3, label="Learning rate",
        help_text="How big each step is. Too high and it forgets what it knew; too low and nothing changes.",
    )  # fmt: skip
    rank = forms.IntegerField(
        min_value=1,
        max_value=256,
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
        min_value=0, max_value=0.9, initial=0.05, label="Dropout",
        help_text="Switches parts off at random while learning, against memorising. The guide says 0.05.",
    )  # fmt: skip
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
    max_length = forms.IntegerField(
        min_value=32,
        max_value=8192,
        initial=512,
        label="Longest row",
        help_text="In tokens. What is longer is cut, and said.",
    )
    early_stopping_patience = forms.IntegerField(
        min_value=0, max_value=20, initial=0, label="Stop early after",
        help_text="So many measurements without progress end the run and keep the best. 0 never stops early.",
    )  # fmt: skip
    sample_every = forms.IntegerField(
        min_value=0,
        max_value=10_000,
        initial=25,
        label="Ask while learning",
        help_text="Every so many steps; 0 asks only before and after.",
    )

    def settings(self) -> dict[str, Any]:
        chosen = super().settings()
        patience = chosen["early_stopping_patience"] if chosen["validation_fraction"] else 0
        return chosen | {
            "target_modules": chosen["target_modules"].split(","),
            "early_stopping_patience": patience,
            "save_every": SAVE_EVERY_STEPS,
        }

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        return super().initial_from(run) | {"target_modules": ",".join(run.settings.get("target_modules", ()))}


class DspyForm(RunForm):
    method = Method.DSPY
    essential = (*RunForm.essential, "optimizer", "max_calls")
    advanced = (
        "max_bootstrapped_demos",
        "max_labeled_demos",
        "temperature",
        "max_tokens",
        "num_threads",
        *RunForm.advanced,
    )
    presets = {
        "quick": ("Quick look", {"max_calls": 60}),
        "balanced": ("Balanced", {}),
        "careful": ("Careful", {"optimizer": "MIPROv2", "max_calls": 400}),
    }

    optimizer = forms.ChoiceField(
        choices=list(OPTIMIZERS.items()),
        initial=next(iter(OPTIMIZERS)),
        label="Optimiser",
        help_text="How better instructions and demonstrations are looked for.",
    )
    max_calls = forms.IntegerField(
        min_value=20, max_value=5_000, initial=150, label="Most calls",
        help_text="The run stops before it asks the model more often than this. Measuring before and after is included.",
    )  # fmt: skip
    max_bootstrapped_demos = forms.IntegerField(
        min_value=0,
        max_value=16,
        initial=4,
        label="Found demonstrations",
        help_text="Good answers that the model gave itself.",
    )
    max_labeled_demos = forms.IntegerField(
        min_value=0,
        max_value=16,
        initial=4,
        label="Your rows as demonstrations",
        help_text="Shown with every question.",
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=1.5,
        initial=0.7,
        label="Temperature",
        help_text="0 says the likeliest; higher is livelier.",
    )
    max_tokens = forms.IntegerField(
        min_value=64,
        max_value=2_000,
        initial=300,
        label="Longest answer",
        help_text="In tokens, its reasoning included.",
    )
    num_threads = forms.IntegerField(
        min_value=1,
        max_value=16,
        initial=4,
        label="Questions at once",
        help_text="More is faster, up to the provider's limit.",
    )


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
        help_text="How often the model reads every row: auto, or 1 to 50. You pay for each.",
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


FORMS: dict[Method, type[RunForm]] = {Method.LORA: LoraForm, Method.DSPY: DspyForm, Method.OPENAI: OpenaiForm}
