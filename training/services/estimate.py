"""What a run will cost and how long it will take, said before launch: expected, and the most that is held."""

import math
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from datasets.models import DatasetVersion
from datasets.services import versions
from teams.models import Course, Method
from teams.services.money import dollars
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import lora_memory, tokens
from training.services.charges import compute_cost, token_prices, training_price
from training.services.questions import SAMPLE_QUESTIONS

COUNTED_ROWS = 3_000  # bigger versions are estimated from their size: counting them would make a person wait
COUNT_MARGIN = 1.1  # the provider's own count may differ a little from ours
AUTO_EPOCHS_MARGIN = 2  # "auto" is the provider's choice; its published rule is what we expect
AUTO_EPOCHS, AUTO_EXAMPLES, AUTO_MOST_EPOCHS = 3, 100, 25
PAIR_FACTOR = 2  # DPO reads the question with both of its answers
OPENAI_SECONDS, REHEARSAL_SECONDS = 1_200.0, 30.0

PROGRAM_PROMPT_TOKENS = 330  # the signature, its fields and a persona
ANSWER_TOKENS = 65
INPUT_MARGIN = 3  # found instructions and full demonstrations
SECONDS_PER_CALL = 1.5
HELD_OUT_SHARE, HELD_OUT_TURNS = 5, 20  # the engine's own, where nothing is kept back or too much
OPTIMIZER_CALLS = {
    "LabeledFewShot": 0,
    "BootstrapFewShot": 5,
    "BootstrapFewShotWithRandomSearch": 70,
    "MIPROv2": 90,
    "GEPA": 75,
    "SIMBA": 120,
}

ENGINE_START_SECONDS = 8.0
LOCAL_TOKENS_PER_SECOND = 3_000.0  # until this machine has measured its own
LOCAL_MARGIN = 4  # a machine shared with others may be that much slower
RECENT_RUNS = 5


@dataclass(frozen=True)
class Estimate:
    """Micro-dollars and seconds. `would_*`: what a rehearsal would have cost. `because`: how it was reckoned, in sentences."""

    expected: int
    most: int
    seconds: float
    because: list[str]
    would_expected: int | None = None
    would_most: int | None = None
    training_tokens: int = 0
    prices: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """Tokens of one pass over a version; `counted` is False where they were reckoned from its characters."""

    tokens: int
    counted: bool


def size_of(version: DatasetVersion) -> Size:
    """Tokens as OpenAI counts them, counted where that is quick."""
    if version.row_count > COUNTED_ROWS:
        return Size(version.token_estimate, counted=False)
    return Size(_counted(version.content_hash, version), counted=True)


@lru_cache(maxsize=256)
def _counted(content_hash: str, version: DatasetVersion) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        versions.write_jsonl(version, path, shape="messages")
        return tokens.count_training_file(path)


def estimate(
    *, course: Course, method: Method, base_model: BaseModel, dataset_version: DatasetVersion, settings: dict[str, Any]
) -> Estimate:
    """Raises PriceUnknown where the price book has no price: an unknown price is never taken for 0."""
    build = {Method.LORA: _lora, Method.DSPY: _dspy, Method.OPENAI: _openai}[method]
    return build(course, base_model, dataset_version, settings)


def training_share(version: DatasetVersion, settings: dict[str, Any]) -> int:
    """Rows that are left to train on."""
    return version.row_count - round(version.row_count * float(settings.get("validation_fraction", 0)))


def expected_epochs(rows: int) -> int:
    """What "auto" means for a number of rows, by the rule in OpenAI's cookbook."""
    if rows * AUTO_EPOCHS < AUTO_EXAMPLES:
        return min(AUTO_MOST_EPOCHS, math.ceil(AUTO_EXAMPLES / max(1, rows)))
    return AUTO_EPOCHS


def _openai(course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]) -> Estimate:
    quote, note = training_price(course=course, model=base.name)
    size, rows = size_of(version), training_share(version, settings)
    read = PAIR_FACTOR if settings.get("training") == "dpo" else 1
    one_epoch = math.ceil(size.tokens * read * rows / version.row_count)
    asked = settings.get("n_epochs", "auto")
    epochs = expected_epochs(rows) if asked == "auto" else int(asked)
    margin = COUNT_MARGIN * (AUTO_EPOCHS_MARGIN if asked == "auto" else 1)
    trained = one_epoch * epochs
    expected, most = quote.cost(trained), quote.cost(math.ceil(trained * margin))
    because = [
        f"{one_epoch:,} tokens ({'counted' if size.counted else 'reckoned from the characters'}) x {epochs} epochs at {note}.",
        "The provider chooses the epochs; the most allows for twice as many."
        if asked == "auto"
        else "The most allows for a token count 10 % above ours.",
    ]
    seconds = REHEARSAL_SECONDS if base.rehearsal else OPENAI_SECONDS
    return _priced(base, expected, most, seconds, because, training_tokens=trained)


def _dspy(course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]) -> Estimate:
    prices = token_prices(course=course, model=base.name)
    allowed, per_row = int(settings["max_calls"]), size_of(version).tokens // version.row_count
    demos = int(settings["max_labeled_demos"]) + int(settings["max_bootstrapped_demos"])
    calls = min(allowed, _usual_calls(version, settings))
    usual = _usual_tokens(base, str(settings["optimizer"]))
    asked, answered = usual or (PROGRAM_PROMPT_TOKENS + per_row * (1 + demos // 2), ANSWER_TOKENS)
    most_asked = max(INPUT_MARGIN * (PROGRAM_PROMPT_TOKENS + per_row * (1 + demos)), INPUT_MARGIN * asked)
    expected = prices.cost(input_tokens=calls * asked, cached_input_tokens=0, output_tokens=calls * answered)
    most = prices.cost(
        input_tokens=allowed * most_asked, cached_input_tokens=0, output_tokens=allowed * int(settings["max_tokens"])
    )
    because = [
        f"About {calls} calls x {asked} tokens in and {answered} out"
        f"{' (as in recent runs of this kind)' if usual else ''}, at {prices.note}.",
        f"The most: {allowed} calls with long prompts and full answers. The run stops before it can pass that.",
    ]
    per_million = {
        "input": prices.input.per_million,
        "cached_input": prices.cached_input.per_million,
        "output": prices.output.per_million,
    }
    seconds = calls * SECONDS_PER_CALL / max(1, int(settings.get("num_threads", 1)))
    return _priced(base, expected, most, seconds, because, prices=per_million)


def _usual_calls(version: DatasetVersion, settings: dict[str, Any]) -> int:
    """Measuring before and after, the sample questions, and what the optimiser needs by itself."""
    fraction = float(settings.get("validation_fraction", 0)) or 1 / HELD_OUT_SHARE
    held_out = min(int(settings.get("heldout_limit", HELD_OUT_TURNS)), max(1, round(version.turn_count * fraction)))
    return OPTIMIZER_CALLS[str(settings["optimizer"])] + 2 * (held_out + len(SAMPLE_QUESTIONS))


def _usual_tokens(base: BaseModel, optimizer: str) -> tuple[int, int] | None:
    """Tokens in and out of a call, as measured in recent runs with this model and optimiser."""
    runs = TrainingRun.objects.filter(
        base_model=base, settings__optimizer=optimizer, status=RunStatus.SUCCEEDED, calls_used__gt=0
    )
    measured = list(
        runs.order_by("-finished_at").values_list("calls_used", "input_tokens", "output_tokens")[:RECENT_RUNS]
    )
    calls = sum(used for used, _, _ in measured)
    if not calls:
        return None
    return sum(asked for _, asked, _ in measured) // calls, sum(answered for _, _, answered in measured) // calls


def _priced(base: BaseModel, expected: int, most: int, seconds: float, because: list[str], **more: Any) -> Estimate:
    if base.rehearsal:
        because = [*because, "This is a rehearsal: nothing is charged and nothing is held."]
        return Estimate(0, 0, seconds, because, would_expected=expected, would_most=most, **more)
    return Estimate(expected, most, seconds, because, **more)


def _lora(course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]) -> Estimate:
    rate, measured = local_speed(base)
    rows = training_share(version, settings)
    trained = math.ceil(version.token_estimate * rows / version.row_count) * int(settings["epochs"])
    seconds = ENGINE_START_SECONDS + trained / rate
    most_seconds = seconds * LOCAL_MARGIN
    because = [
        f"About {trained:,} tokens at {rate:,.0f} a second "
        f"({'as measured in recent runs here' if measured else 'a cautious guess until a run was measured here'}).",
    ]
    if course.compute_rate:
        because.append(f"Local training costs {dollars(course.compute_rate)} an hour in this course.")
    else:
        because.append("Local training is free in this course: nothing is held.")
    if (shape := lora_memory.shape_of(base.weights)) is not None:
        room = lora_memory.room()
        on_gpu = room is not None and room.on_gpu
        needed = lora_memory.need(shape, settings, version.token_estimate / version.row_count, gpu=on_gpu)
        because.append(lora_memory.sentence(needed, room))
    return Estimate(
        compute_cost(course=course, seconds=seconds),
        compute_cost(course=course, seconds=most_seconds),
        seconds,
        because,
        training_tokens=trained,
    )


def local_speed(base: BaseModel) -> tuple[float, bool]:
    """Tokens a second of recent LoRA runs on this base, their median; False where none was measured."""
    results = TrainingRun.objects.filter(base_model=base, method=Method.LORA, status=RunStatus.SUCCEEDED)
    speeds = [
        float(metrics["tokens_per_second"])
        for metrics in results.order_by("-finished_at").values_list("result__metrics", flat=True)[:RECENT_RUNS]
        if metrics and metrics.get("tokens_per_second")
    ]
    return (median(speeds), True) if speeds else (LOCAL_TOKENS_PER_SECOND, False)
