"""What the platform asks for: `spec.json`, checked. Pure: no DSPy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from dspy_program.design import Design, Phrases
from dspy_program.failure import EngineFailure
from dspy_program.meter import Prices
from dspy_program.metric import (
    DEFAULT_WEIGHTS,
    EARLIER_NAMES,
    JUDGE_WEIGHT,
    PHRASES,
    PHRASES_WEIGHT,
)

OptimizerName = Literal[
    "LabeledFewShot",
    "BootstrapFewShot",
    "BootstrapFewShotWithRandomSearch",
    "MIPROv2",
    "GEPA",
    "SIMBA",
]
LOCAL_OPTIMIZERS = frozenset(
    {"LabeledFewShot", "BootstrapFewShot", "BootstrapFewShotWithRandomSearch"}
)
"""Those that ask nothing of the model but a child's answers."""
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
    design: Design = Design()
    phrases: Phrases | None = None


class PriceTable(msgspec.Struct, frozen=True):
    """Micro-dollars per million tokens."""

    input: Annotated[int, msgspec.Meta(ge=0)] = 0
    cached_input: Annotated[int, msgspec.Meta(ge=0)] = 0
    output: Annotated[int, msgspec.Meta(ge=0)] = 0

    def as_prices(self) -> Prices:
        """As the meter takes them."""
        return Prices(self.input, self.cached_input, self.output)


class Spec(msgspec.Struct, frozen=True):
    """`spec.json` as docs/engine-contract.md has it; a top-level `max_calls` goes before the one in `settings`."""

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
    reflection_model: Annotated[str, msgspec.Meta(min_length=1)] | None = (
        None  # writes GEPA's instructions
    )
    reflection_prices: PriceTable = PriceTable()
    local: bool = False  # `model` is a base of the model server on this machine
    addresses: list[
        str
    ] = []  # what the host of `base_url` is at, where the platform has checked it

    @property
    def design(self) -> Design:
        """What to optimise. A local model is asked in an ordinary chat, in one step."""
        chosen = self.settings.design
        if not self.local:
            return chosen
        return msgspec.structs.replace(chosen, layout="plain", reasoning=False, chain="answer")

    @property
    def calls_allowed(self) -> int:
        """The run's cap on LM calls."""
        return self.max_calls if self.max_calls is not None else self.settings.max_calls

    @property
    def price_list(self) -> Prices:
        """`prices` as the meter takes them."""
        return self.prices.as_prices()

    @property
    def other_prices(self) -> dict[str, Prices]:
        """Of the model that reflects, where it is another one."""
        return (
            {self.reflection_model: self.reflection_prices.as_prices()}
            if self.reflection_model
            else {}
        )

    @property
    def weights(self) -> Mapping[str, float]:
        """The metric's weights: the person's over the defaults; "judge" is among them where the model judges."""
        judge = {"judge": JUDGE_WEIGHT} if self.settings.judge == "model" else {}
        own = {PHRASES: PHRASES_WEIGHT} if self.settings.phrases is not None else {}
        chosen = {
            EARLIER_NAMES.get(name, name): weight
            for name, weight in self.settings.metric_weights.items()
        }
        return {**DEFAULT_WEIGHTS, **judge, **own, **chosen}


def read_spec(path: Path) -> tuple[Spec, list[str]]:
    """The checked spec, and the names of settings in it that this engine does not know.

    Raises EngineFailure `bad_spec` where the file is missing, not JSON or holds a wrong value; the message names it.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        spec = msgspec.convert(data, Spec)
    except (OSError, json.JSONDecodeError, msgspec.ValidationError) as error:
        raise _bad(f"{path}: {error}") from error
    unknown_parts = sorted(
        set(spec.settings.metric_weights) - {*DEFAULT_WEIGHTS, *EARLIER_NAMES, PHRASES, "judge"}
    )
    if unknown_parts:
        raise _bad(
            f"metric_weights has no part {', '.join(unknown_parts)}; it has {', '.join(DEFAULT_WEIGHTS)}, judge"
        )
    if not any(spec.weights.values()):
        raise _bad("metric_weights are all zero: at least one part must count")
    if why := spec.design.trouble():
        raise _bad(f"design: {why}")
    if spec.local and (
        spec.settings.optimizer not in LOCAL_OPTIMIZERS or spec.settings.judge != "none"
    ):
        raise _bad(
            "a model of this size writes no instructions and judges nothing: only demonstrations can be searched"
        )
    if spec.calls_allowed < 10:
        raise _bad(
            f"max_calls is {spec.calls_allowed}: at least 10 are needed to measure before and after"
        )
    return spec, sorted(set(data.get("settings") or {}) - set(Settings.__struct_fields__))


def _bad(message: str) -> EngineFailure:
    return EngineFailure("bad_spec", message, "Correct this setting and start the run again.")
