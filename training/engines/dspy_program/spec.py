"""What the platform asks for: `spec.json`, checked. Pure: no DSPy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from dspy_program.failure import EngineFailure
from dspy_program.meter import Prices
from dspy_program.metric import DEFAULT_WEIGHTS, EARLIER_NAMES, JUDGE_WEIGHT

OptimizerName = Literal[
    "LabeledFewShot", "BootstrapFewShot", "BootstrapFewShotWithRandomSearch", "MIPROv2", "GEPA", "SIMBA"
]
Count = Annotated[int, msgspec.Meta(ge=0, le=100)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Weight = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Settings(msgspec.Struct, frozen=True):
    """A person's choices. Counts are numbers of dialogue turns unless their name says otherwise."""

    optimizer: OptimizerName = "BootstrapFewShot"
    max_bootstrapped_demos: Count = 4
    max_labeled_demos: Count = 4
    num_threads: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, msgspec.Meta(ge=32, le=32_000)] = 300
    max_calls: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 200
    metric_weights: dict[str, Weight] = {}
    metric_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    num_candidates: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    num_trials: Annotated[int, msgspec.Meta(ge=1, le=50)] = 6
    heldout_limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 20
    selection_limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 120.0
    judge: Literal["none", "model"] = "none"


class PriceTable(msgspec.Struct, frozen=True):
    """Micro-dollars per million tokens."""

    input: Annotated[int, msgspec.Meta(ge=0)] = 0
    cached_input: Annotated[int, msgspec.Meta(ge=0)] = 0
    output: Annotated[int, msgspec.Meta(ge=0)] = 0


class Spec(msgspec.Struct, frozen=True):
    """`spec.json` as ARCHITECTURE.md has it; a top-level `max_calls` goes before the one in `settings`."""

    schema: Literal[1]
    run: str | int
    train_file: str
    model: Annotated[str, msgspec.Meta(min_length=1)]
    base_url: Annotated[str, msgspec.Meta(pattern="^https?://")]
    seed: int = 0
    validation_file: str | None = None
    settings: Settings = Settings()
    sample_questions: list[str] = []
    max_calls: Positive | None = None
    max_cost_microdollars: Annotated[int, msgspec.Meta(ge=0)] | None = None
    prices: PriceTable = PriceTable()

    @property
    def calls_allowed(self) -> int:
        """The run's cap on LM calls."""
        return self.max_calls if self.max_calls is not None else self.settings.max_calls

    @property
    def price_list(self) -> Prices:
        """`prices` as the meter takes them."""
        return Prices(self.prices.input, self.prices.cached_input, self.prices.output)

    @property
    def weights(self) -> Mapping[str, float]:
        """The metric's weights: the person's over the defaults; "judge" is among them where the model judges."""
        judge = {"judge": JUDGE_WEIGHT} if self.settings.judge == "model" else {}
        chosen = {EARLIER_NAMES.get(name, name): weight for name, weight in self.settings.metric_weights.items()}
        return {**DEFAULT_WEIGHTS, **judge, **chosen}


def read_spec(path: Path) -> tuple[Spec, list[str]]:
    """The checked spec, and the names of settings in it that this engine does not know.

    Raises EngineFailure `bad_spec` where the file is missing, not JSON or holds a wrong value; the message names it.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        spec = msgspec.convert(data, Spec)
    except (OSError, json.JSONDecodeError, msgspec.ValidationError) as error:
        raise _bad(f"{path}: {error}") from error
    unknown_parts = sorted(set(spec.settings.metric_weights) - {*DEFAULT_WEIGHTS, *EARLIER_NAMES, "judge"})
    if unknown_parts:
        raise _bad(f"metric_weights has no part {', '.join(unknown_parts)}; it has {', '.join(DEFAULT_WEIGHTS)}, judge")
    if not any(spec.weights.values()):
        raise _bad("metric_weights are all zero: at least one part must count")
    if spec.calls_allowed < 10:
        raise _bad(f"max_calls is {spec.calls_allowed}: at least 10 are needed to measure before and after")
    return spec, sorted(set(data.get("settings") or {}) - set(Settings.__struct_fields__))


def _bad(message: str) -> EngineFailure:
    return EngineFailure("bad_spec", message, "Correct this setting and start the run again.")
