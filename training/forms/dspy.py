"""What a person may choose for a DSPy run."""

from typing import Any

from django import forms

from teams.models import Method, Team
from training.forms.own_program import OwnProgramFields, initial_of
from training.forms.run import RunForm
from training.model_needs import fitting
from training.models import BaseModel, TrainingRun
from training.services import local_program

OPTIMIZERS = {
    "BootstrapFewShot": "BootstrapFewShot: finds good demonstrations; cheap and sturdy",
    "LabeledFewShot": "LabeledFewShot: shows some of your rows as they are; cheapest",
    "BootstrapFewShotWithRandomSearch": "Random search: tries several sets of demonstrations",
    "MIPROv2": "MIPROv2: writes and tries instructions too",
    "GEPA": "GEPA: improves instructions by reflecting on mistakes; many calls",
    "SIMBA": "SIMBA: learns from the answers that vary most; many calls",
}
JUDGES = {"none": "No: only what can be measured", "model": "Yes: the base model gives points"}
# The parts of the score with their usual weights in per cent, as `dspy_program.metric` has them; a test compares the two.
WEIGHTS = {"persona": 15, "in_character": 15, "reading": 15, "answers": 40, "length": 15}
EARLIER_NAMES = {"similarity": "answers"}  # parts as runs before them called them


def _weight(part: str, words: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=WEIGHTS[part],
        required=False,
        label=f"Weight: {part.replace('_', ' ')}",
        help_text=f"{words}. 0 leaves it out of the score.",
    )


class DspyForm(OwnProgramFields, RunForm):
    method = Method.DSPY
    essential = (*RunForm.essential, "optimizer", "max_calls")
    advanced = (
        "max_bootstrapped_demos",
        "max_labeled_demos",
        "temperature",
        "max_tokens",
        "num_threads",
        "reflection_model",
        *(f"weight_{part}" for part in WEIGHTS),
        "judge",
        "weight_judge",
        *RunForm.advanced,
    )
    presets = {
        "quick": ("Quick look", {"max_calls": 60}),
        "balanced": ("Balanced", {}),
        "careful": ("Careful", {"optimizer": "MIPROv2", "max_calls": 400}),
    }

    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(),
        label="Base model",
        help_text=(
            "Whose prompt is optimised. A model on this machine costs no provider’s money and works without a key; it "
            "learns from demonstrations alone."
        ),
    )
    optimizer = forms.ChoiceField(
        choices=list(OPTIMIZERS.items()),
        initial=next(iter(OPTIMIZERS)),
        label="Optimiser",
        help_text="How better instructions and demonstrations are looked for.",
    )
    max_calls = forms.IntegerField(
        min_value=20,
        max_value=5_000,
        initial=150,
        label="Most calls",
        help_text="The run stops before it asks the model more often than this. Measuring before and after is included.",
    )
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
        help_text=f"In tokens, its reasoning included. A local model: at most {local_program.MOST_ANSWER_TOKENS}.",
    )
    num_threads = forms.IntegerField(
        min_value=1,
        max_value=16,
        initial=4,
        label="Questions at once",
        help_text="More is faster, up to the provider's limit.",
    )
    reflection_model = forms.ChoiceField(
        required=False,
        initial="",
        label="GEPA: who writes instructions",
        help_text="A stronger model may find better ones. It reads your rows, and costs its own price. Others ignore this.",
    )
    weight_persona = _weight("persona", "Speaks as a child speaks of itself")
    weight_in_character = _weight(
        "in_character", "Never says what an assistant or a teacher says"
    )
    weight_reading = _weight("reading", "Words and sentences of second grade")
    weight_answers = _weight(
        "answers", "Answers this question, as your own answer in the row does"
    )
    weight_length = _weight("length", "About as long as your own answer")
    judge = forms.ChoiceField(
        choices=list(JUDGES.items()),
        initial="none",
        required=False,
        label="A model as judge",
        help_text="Asks the base model once more for each answer: twice the calls, priced like them.",
    )
    weight_judge = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=30,
        required=False,
        label="Weight: the judge's opinion",
        help_text="Only where a model judges. It likes its own style: keep it below the others together.",
    )

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        super().__init__(team, *args, **kwargs)
        at_provider = [
            (base.name, str(base)) for base in self.offered["base_model"] if not base.local
        ]
        field = self.fields["reflection_model"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "The base model itself"), *at_provider]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names = [
            *WEIGHTS,
            *(["judge"] if cleaned.get("judge") == "model" else []),
            *self._own_parts(),
        ]
        given = [cleaned.get(f"weight_{name}") for name in names]
        if all(value == 0 for value in given):
            raise forms.ValidationError(
                "All parts of the score have weight 0: at least one must count."
            )
        base = cleaned.get("base_model")
        if base is not None and base.local and cleaned.get("chain") == "answer_then_simplify":
            self.add_error(
                "chain",
                "A model on this machine answers in one step: choose “Answer”, or a provider’s model.",
            )
        return cleaned

    def _own_parts(self) -> list[str]:
        phrases = (
            self.cleaned_data.get("wanted_phrases"),
            self.cleaned_data.get("banned_phrases"),
        )
        return ["phrases"] if any(phrases) else []

    def settings(self) -> dict[str, Any]:
        chosen = super().settings()
        parts = (*WEIGHTS, "judge", *self._own_parts())
        weights = {name: chosen[f"weight_{name}"] for name in parts}
        ours = {*self.program_fields, *(f"weight_{name}" for name in (*WEIGHTS, "judge"))}
        chosen = {
            name: value for name, value in chosen.items() if name not in ours
        } | self.program_settings()
        base = self.cleaned_data["base_model"]
        chosen["temperature"], chosen["max_tokens"] = fitting(
            base.name, chosen["temperature"], chosen["max_tokens"]
        )
        if base.local:
            chosen["max_tokens"] = min(chosen["max_tokens"], local_program.MOST_ANSWER_TOKENS)
        if chosen["optimizer"] != "GEPA" or chosen["reflection_model"] in ("", base.name):
            chosen.pop("reflection_model")
        judge = chosen.pop("judge") or "none"
        if judge == "none":
            weights.pop("judge")
        asked = {name: value / 100 for name, value in weights.items() if value is not None}
        usual = {
            name: value / 100 for name, value in (WEIGHTS | {"judge": 30, "phrases": 20}).items()
        }
        changed = {name: value for name, value in asked.items() if value != usual[name]}
        return (
            chosen
            | ({"judge": judge} if judge != "none" else {})
            | ({"metric_weights": changed} if changed else {})
        )

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        weights = run.settings.get("metric_weights") or {}
        named = {EARLIER_NAMES.get(name, name): value for name, value in weights.items()}
        own = initial_of(run.settings)
        return (
            super().initial_from(run)
            | own
            | {f"weight_{name}": round(100 * value) for name, value in named.items()}
        )
