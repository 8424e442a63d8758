"""What a run will cost and how long it will take, said before launch: expected, and the most that is held."""

import math
import tempfile
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasets.models import DatasetVersion
from datasets.services import versions
from teams.models import FIRST_PROVIDER, Course
from teams.services.durations import duration
from teams.services.money import dollars
from teams.services.prices import PriceUnknown
from training.model_needs import fitting
from training.models import BaseModel, TrainingRun
from training.services import (
    idle_speed,
    local_program,
    lora_memory,
    program_size,
    tokens,
    training_time,
)
from training.services.charges import (
    base_prices,
    local_token_prices,
    provider_name,
    samples_estimate,
    token_prices,
    training_price,
)
from training.services.idle_speed import Source, compute_cost
from training.services.method_work import work_of
from training.services.questions import SAMPLE_QUESTIONS

ROWS_SHARE = "rows_share"  # the setting of a run that trains on a part of its rows
REFLECTION = "reflection_model"  # the setting of a DSPy run in which another model writes GEPA's instructions
# usual and most of them; tokens in and out of a usual one
REFLECTIONS = (8, 20)
USUAL_REFLECTION = (3_000, 400)
LONGEST_REFLECTION = (
    8_000,
    1_000,
)  # tokens in and out; a model that thinks first has more room for its answer
COUNTED_ROWS = 3_000  # bigger versions are estimated from their size: counting them would make a person wait
COUNT_MARGIN = 1.1  # the provider's own count may differ a little from ours
AUTO_EPOCHS = 3
AUTO_EXAMPLES = 100
AUTO_MOST_EPOCHS = 25
PAIR_FACTOR = 2  # DPO reads the question with both of its answers
COMPARED_MODEL = "gpt-4o-mini-2024-07-18"
MILLION = 1_000_000
OPENAI_SECONDS = 1_200.0

INPUT_MARGIN = 3  # found instructions and full demonstrations
SECONDS_PER_CALL = 1.5
WORK_MARGIN = 1.5  # rows that are dealt to training may be longer than the average row
UNCOUNTED_MARGIN = 3  # tokens estimated from the characters
START_SECONDS = 6.0  # the program that optimises, until it asks its first question
LOCAL_SPEED = "No provider is asked. The time is that of recent runs here; the price does not depend on it."
LOCAL_GUESS = (
    "No provider is asked. This machine has not been measured yet: the time is a guess, and nothing is charged beyond "
    "the seconds that the run takes."
)
UNSTEADY = 1.2  # slowest over quickest: the seconds in their middle may then be a tenth off


@dataclass(frozen=True)
class Estimate:
    """Micro-dollars and seconds. `because`: how it was estimated, in sentences.
    `idle_speed`: what a run on this machine will be charged by, for its row."""

    expected: int
    most: int
    seconds: float
    because: list[str]
    training_tokens: int = 0
    prices: dict[str, int] = field(default_factory=dict)
    idle_speed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """Tokens of one pass over a version; `counted` is False where they were estimated from its characters.

    `rows`: of each row, longest first, where they were counted.
    """

    tokens: int
    counted: bool
    rows: tuple[int, ...] = ()

    def most_in(self, rows: int) -> int:
        """Tokens of the longest `rows` rows: any choice of as many has no more."""
        return sum(self.rows[:rows]) if self.counted else self.tokens


def size_of(version: DatasetVersion) -> Size:
    """Tokens as OpenAI counts them, counted where that is quick."""
    if version.row_count > COUNTED_ROWS:
        return Size(version.token_estimate, counted=False)
    rows = _counted(version.content_hash, version)
    return Size(sum(rows), counted=True, rows=rows)


@lru_cache(maxsize=256)
def _counted(content_hash: str, version: DatasetVersion) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        versions.write_jsonl(version, path, shape="messages")
        return tuple(sorted(tokens.count_training_rows(path), reverse=True))


def estimate(
    *,
    course: Course,
    method: str,
    base_model: BaseModel,
    dataset_version: DatasetVersion,
    settings: dict[str, Any],
    seed: int = 17,
) -> Estimate:
    """Raises PriceUnknown where the price book has no price: an unknown price is never taken for 0."""
    work = work_of(method)
    return work.estimate(
        course=course,
        base_model=base_model,
        version=dataset_version,
        settings=settings,
        seed=seed,
    )


def training_share(version: DatasetVersion, settings: dict[str, Any]) -> int:
    """Rows that are left to train on, or the chosen part of them."""
    return rows_in_share(version.row_count - held_out_rows(version, settings), settings)


def held_out_rows(version: DatasetVersion, settings: dict[str, Any]) -> int:
    """Rows that are kept back to measure with."""
    return round(version.row_count * float(settings.get("validation_fraction", 0)))


def rows_in_share(rows: int, settings: dict[str, Any]) -> int:
    """How many of `rows` a run reads that was asked to train on a part of them."""
    return max(1, round(rows * float(settings.get(ROWS_SHARE, 1))))


def one_epoch_tokens(version: DatasetVersion, settings: dict[str, Any]) -> int:
    """Tokens that an OpenAI run reads in one pass over its training rows."""
    read = tokens_read(settings, size_of(version).tokens)
    return math.ceil(read * training_share(version, settings) / version.row_count)


def expected_epochs(rows: int) -> int:
    """What "auto" means for a number of rows, by the rule in OpenAI's cookbook: so it is priced, and so it is asked for."""
    if rows * AUTO_EPOCHS < AUTO_EXAMPLES:
        return min(AUTO_MOST_EPOCHS, math.ceil(AUTO_EXAMPLES / max(1, rows)))
    return AUTO_EPOCHS


def epochs_of(run: TrainingRun) -> int:
    """How often an OpenAI run's rows are read: what its price was made of."""
    asked = run.settings.get("n_epochs", "auto")
    return (
        expected_epochs(training_share(run.dataset_version, run.settings))
        if asked == "auto"
        else int(asked)
    )


def tokens_read(settings: dict[str, Any], counted: int) -> int:
    """Tokens of one epoch over rows of `counted` tokens."""
    return counted * (PAIR_FACTOR if settings.get("training") == "dpo" else 1)


def of_job(
    course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]
) -> Estimate:
    """A job at a provider, priced by the tokens that it reads. Raises PriceUnknown."""
    quote, note = training_price(course=course, model=base.name, provider=provider_name(base))
    size, rows = size_of(version), training_share(version, settings)
    one_epoch = one_epoch_tokens(version, settings)
    most_epoch = max(one_epoch, tokens_read(settings, size.most_in(rows)))
    asked = settings.get("n_epochs", "auto")
    epochs = expected_epochs(rows) if asked == "auto" else int(asked)
    trained = one_epoch * epochs
    asked_expected, asked_most = samples_estimate(
        course=course, base=base, questions=len(SAMPLE_QUESTIONS)
    )
    expected = quote.cost(trained) + asked_expected
    most = quote.cost(math.ceil(most_epoch * epochs * COUNT_MARGIN)) + asked_most
    because = [
        f"{one_epoch:,} tokens ({'counted' if size.counted else 'estimated from the characters'}) x {epochs} epochs at {note}.",
        "The most allows for a token count 10 % above ours, and for your longest rows.",
    ]
    if asked_most:
        because.append(
            f"{len(SAMPLE_QUESTIONS)} fixed questions are asked before and after: about {dollars(asked_expected)}."
        )
    return Estimate(expected, most, OPENAI_SECONDS, because, training_tokens=trained)


def of_own_job(
    course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]
) -> Estimate:
    """A job of this platform's own service: priced as the LoRA training that it is, and compared with what OpenAI asks."""
    found = of_adapter(course, base, version, settings)
    trained = max(1, found.training_tokens)
    because = [
        "Trained on this platform: no provider is asked, and no row leaves it.",
        *found.because,
        f"That is {dollars(round(found.expected * MILLION / trained))} for a million training tokens, made of the computing "
        f"time that they need here.{_elsewhere(course, version, settings)}",
    ]
    return replace(found, because=because)


def _elsewhere(course: Course, version: DatasetVersion, settings: dict[str, Any]) -> str:
    """What OpenAI asks for reading the same rows as often; empty where the price book has no such price."""
    try:
        quote, note = training_price(
            course=course, model=COMPARED_MODEL, provider=FIRST_PROVIDER
        )
    except PriceUnknown:
        return ""
    read = one_epoch_tokens(version, settings) * int(settings["epochs"])
    return f" OpenAI asks {dollars(quote.cost(read))} for {COMPARED_MODEL} on these rows: {read:,} tokens at {note}."


def of_program(
    course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int
) -> Estimate:
    """A search for a prompt, priced by the calls that it may make. Raises PriceUnknown."""
    speed = local_program.speed_of(base) if base.local else None
    stored = speed.stored(course) if speed is not None else {}
    prices = local_token_prices(stored) if base.local else base_prices(base, course=course)
    allowed = int(settings["max_calls"])
    size = program_size.program_size(base=base, version=version, settings=settings, seed=seed)
    most_asked = INPUT_MARGIN * max(
        program_size.longest_prompt(base, version, settings, seed), size.asked
    )
    expected = prices.cost(
        input_tokens=size.calls * size.asked,
        cached_input_tokens=0,
        output_tokens=size.calls * size.answered,
    )
    most = prices.cost(
        input_tokens=allowed * most_asked,
        cached_input_tokens=0,
        output_tokens=allowed * int(settings["max_tokens"]),
    )
    reflecting = _reflection(course, base, settings)
    expected, most = expected + reflecting[0], most + reflecting[1]
    because = [
        f"About {size.calls} calls x {size.asked} tokens in and {size.answered} out"
        f"{' (set right by recent runs of this kind)' if size.learned else ''}, at {prices.note}.",
        f"The most: {allowed} calls with long prompts and full answers. The run stops before it can pass that.",
    ]
    if reflecting[1]:
        because.append(
            f"{settings[REFLECTION]} writes the instructions: about {REFLECTIONS[0]} times, {dollars(reflecting[0])}, and at "
            f"most {dollars(reflecting[1])} is held for it."
        )
    per_million = {
        "input": prices.input.per_million,
        "cached_input": prices.cached_input.per_million,
        "output": prices.output.per_million,
    }
    seconds = size.calls * SECONDS_PER_CALL / max(1, int(settings.get("num_threads", 1)))
    if speed is not None:
        seconds = START_SECONDS + size.calls * speed.seconds(
            asked=size.asked, answered=size.answered
        )
        because.append(LOCAL_SPEED if speed.measured else LOCAL_GUESS)
    return Estimate(expected, most, seconds, because, prices=per_million, idle_speed=stored)


def _reflection(course: Course, base: BaseModel, settings: dict[str, Any]) -> tuple[int, int]:
    """(expected, most) micro-dollars of the model that writes GEPA's instructions. Raises PriceUnknown."""
    model = settings.get(REFLECTION)
    if not model:
        return 0, 0
    prices = token_prices(course=course, model=str(model), provider=provider_name(base))
    usual, most = REFLECTIONS
    longest = fitting(str(model), 1.0, LONGEST_REFLECTION[1])[1]
    asked, answered = USUAL_REFLECTION
    expected = prices.cost(
        input_tokens=usual * asked, cached_input_tokens=0, output_tokens=usual * answered
    )
    highest = prices.cost(
        input_tokens=most * LONGEST_REFLECTION[0],
        cached_input_tokens=0,
        output_tokens=most * longest,
    )
    return expected, highest


def of_adapter(
    course: Course, base: BaseModel, version: DatasetVersion, settings: dict[str, Any]
) -> Estimate:
    """Training on this machine, priced by its work at the machine's idle speed."""
    quantization = str(settings.get("quantization", training_time.WHOLE))
    pace = training_time.pace_of(base, quantization=quantization)
    work = training_time.work_of(
        base,
        version,
        settings,
        rows=training_share(version, settings),
        held_out=held_out_rows(version, settings),
    )
    idle = idle_speed.idle_speed(base, quantization=quantization, work=work.charged)
    charged, rate = idle.seen.seconds(work.charged), course.compute_rate
    margin = WORK_MARGIN if training_time.is_counted(base, version) else UNCOUNTED_MARGIN
    because = [
        _time_sentence(pace, work),
        *_unsteady(pace, work),
        _price_sentence(rate, charged, idle.source),
    ]
    if (sentence := _memory_sentence(base, version, settings)) is not None:
        because.append(sentence)
    return Estimate(
        compute_cost(rate=rate, seconds=charged),
        compute_cost(rate=rate, seconds=charged * margin),
        pace.seconds(work),
        because,
        training_tokens=work.trained_tokens,
        idle_speed=idle.stored(course),
    )


def _unsteady(pace: training_time.Pace, work: training_time.Work) -> list[str]:
    least, most = pace.between(work)
    if most <= least * UNSTEADY:
        return []
    return [
        f"This machine is not steady: by the quickest of its last {len(pace.seen)} measurements this run would take "
        f"{duration(least)}, by the slowest {duration(most)}. The price does not depend on it."
    ]


def _price_sentence(rate: int, seconds: float, source: Source) -> str:
    if not rate:
        return "Local training is free in this course: nothing is held."
    if source == Source.GUESS:
        return (
            f"Local training costs {dollars(rate)} an hour in this course. This machine has not been measured yet: the run "
            "is charged the seconds that it takes, and never more than is expected here for its work."
        )
    return (
        f"Charged for {duration(seconds)} of work at this machine's idle speed, at {dollars(rate)} an hour, however long it "
        "takes beside others: the price is nearly exact unless the run ends early, which costs less."
    )


def _time_sentence(pace: training_time.Pace, work: training_time.Work) -> str:
    if pace.runs:
        source = "as measured in recent runs here"
    elif pace.trial:
        source = "as this machine measured in trials"
    else:
        source = "a cautious guess until a run was measured here"
    return (
        f"{pace.beside(work):.0f} s for loading, validation, {pace.sample_answers(work)} sample answers, saving, and the "
        f"verdict's {work.verdict_answers} answers, which cost nothing; about "
        f"{work.trained_tokens:,} tokens in {work.steps:,} steps, {pace.training(work):.0f} s ({source})."
    )


def _memory_sentence(
    base: BaseModel, version: DatasetVersion, settings: dict[str, Any]
) -> str | None:
    room = lora_memory.room()
    needed = lora_memory.need_here(
        base.weights, settings, version.token_estimate / version.row_count, room
    )
    return lora_memory.sentence(needed, room) if needed is not None else None
