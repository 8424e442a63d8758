"""How often a DSPy run asks its model, and with how many tokens: estimated from the rows, set right by recent runs."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datasets.models import DatasetVersion
from datasets.services import split
from datasets.services.reading import stored_rows
from teams.models import Method
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import tokens
from training.services.questions import SAMPLE_QUESTIONS

COUNTED_ROWS = 3_000  # bigger versions are estimated from their size: counting them would make a person wait
RECENT_RUNS = 5

SMALL_VOCABULARY = 1.2  # tokens of a small model for one of OpenAI's


@dataclass(frozen=True)
class Frame:
    """Tokens beside the rows' own words. `prompt`: the signature and its fields; `demonstration`: the fields of one, its
    reasoning included; `answer`: of one answer."""

    prompt: int
    demonstration: int
    answer: int


# Measured with the demo's dialogues: the journals (usage.jsonl) of one run of each optimiser.
FIELDS = Frame(prompt=240, demonstration=90, answer=57)
PLAIN = Frame(
    prompt=60, demonstration=12, answer=26
)  # an ordinary chat without reasoning: a local base
# the engine's own limits
HELD_OUT_SHARE = 5
HELD_OUT_TURNS = 20
HELD_OUT_CALLS_SHARE = 5


@dataclass(frozen=True)
class Optimizer:
    """`calls` of its own with the form's settings; `shown`: which share of all of a run's calls bring demonstrations."""

    calls: int
    shown: float


OPTIMIZERS = {
    "LabeledFewShot": Optimizer(0, 0.5),
    "BootstrapFewShot": Optimizer(49, 0.77),
    "BootstrapFewShotWithRandomSearch": Optimizer(64, 0.69),
    "MIPROv2": Optimizer(99, 0.8),
    "GEPA": Optimizer(75, 0.08),
    "SIMBA": Optimizer(100, 0.25),
}


@dataclass(frozen=True)
class ProgramSize:
    """`asked` and `answered`: tokens of one call, on average. `learned`: recent runs of this kind set them right."""

    calls: int
    asked: int
    answered: int
    learned: bool


@dataclass(frozen=True)
class Turns:
    """A version's student turns: tokens of one with what it answers, and the persona's; how many are kept back."""

    tokens: int
    persona: int
    held_out: int


def program_size(
    *, base: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int
) -> ProgramSize:
    """What a run will probably need; at most its own cap on calls."""
    calls = min(int(settings["max_calls"]), _calls(version, settings, seed))
    asked, answered = _asked(base, version, settings, seed), frame_of(base).answer
    factors = _measured(base, str(settings["optimizer"]))
    if factors is None:
        return ProgramSize(calls, round(asked), answered, learned=False)
    return ProgramSize(
        calls, round(asked * factors[0]), round(answered * factors[1]), learned=True
    )


def frame_of(base: BaseModel) -> Frame:
    """How a base is asked: a local one in an ordinary chat."""
    return PLAIN if base.local else FIELDS


def longest_prompt(
    base: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int
) -> int:
    """Tokens of a call with every demonstration in it."""
    turns = _turns(version, *_split_of(settings, seed))
    demonstrations = int(settings["max_labeled_demos"]) + int(settings["max_bootstrapped_demos"])
    own = _own_words(settings)
    return (
        frame_of(base).prompt + turns.persona + own + (turns.tokens + own) * (1 + demonstrations)
    )


def _calls(version: DatasetVersion, settings: dict[str, Any], seed: int) -> int:
    """Measuring before and after, the sample questions, and what the optimiser needs by itself."""
    steps = 2 if (settings.get("design") or {}).get("chain") == "answer_then_simplify" else 1
    judged = steps + (
        settings.get("judge") == "model"
    )  # each scored answer is asked about once more
    most = min(
        int(settings.get("heldout_limit", HELD_OUT_TURNS)),
        max(1, int(settings["max_calls"]) // HELD_OUT_CALLS_SHARE // judged),
    )
    held_out = min(most, max(1, _turns(version, *_split_of(settings, seed)).held_out))
    searched = judged * OPTIMIZERS[str(settings["optimizer"])].calls
    return searched + 2 * (judged * held_out + steps * len(SAMPLE_QUESTIONS))


def _asked(
    base: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int
) -> float:
    turns = _turns(version, *_split_of(settings, seed))
    optimizer, frame = str(settings["optimizer"]), frame_of(base)
    found, own = int(settings["max_bootstrapped_demos"]), int(settings["max_labeled_demos"])
    # DSPy fills up with rows what it did not find: together no more than the greater of the two.
    demonstrations = own if optimizer == "LabeledFewShot" else max(found, own)
    shown = OPTIMIZERS[optimizer].shown * demonstrations * (frame.demonstration + turns.tokens)
    own = _own_words(settings)
    return (frame.prompt + own + turns.persona + turns.tokens / 2 + shown) * (
        SMALL_VOCABULARY if base.local else 1
    )


def _own_words(settings: dict[str, Any]) -> int:
    """Tokens of a program that a team declared itself."""
    design = settings.get("design")
    return tokens.count_text(json.dumps(design, ensure_ascii=False)) if design else 0


def _measured(base: BaseModel, optimizer: str) -> tuple[float, float] | None:
    """By what factor recent runs with this model and optimiser read and wrote more than estimated."""
    runs = TrainingRun.objects.filter(
        base_model=base,
        method=Method.DSPY,
        settings__optimizer=optimizer,
        status=RunStatus.SUCCEEDED,
        calls_used__gt=0,
        imported=False,
    )
    recent = list(runs.select_related("dataset_version").order_by("-finished_at")[:RECENT_RUNS])
    if not recent:
        return None
    asked = sum(
        run.calls_used * _asked(base, run.dataset_version, run.settings, run.seed)
        for run in recent
    )
    answered = sum(run.calls_used * frame_of(base).answer for run in recent)
    return sum(run.input_tokens for run in recent) / asked, sum(
        run.output_tokens for run in recent
    ) / answered


def _split_of(settings: dict[str, Any], seed: int) -> tuple[float, int]:
    return float(settings.get("validation_fraction", 0)), seed


def _turns(version: DatasetVersion, fraction: float, seed: int) -> Turns:
    if version.row_count > COUNTED_ROWS:
        return _about(version, fraction)
    return _counted_turns(version.content_hash, version, fraction, seed)


def _about(version: DatasetVersion, fraction: float) -> Turns:
    share = fraction or 1 / HELD_OUT_SHARE
    turns = max(1, version.turn_count)
    return Turns(version.token_estimate // turns, 0, round(turns * share))


@lru_cache(maxsize=256)
def _counted_turns(
    content_hash: str, version: DatasetVersion, fraction: float, seed: int
) -> Turns:
    rows = list(stored_rows(version))
    kept_back = split.planned(version, fraction, seed)
    spoken, persona, turns, held_out = 0, 0, 0, 0
    for row in rows:
        answers = sum(message["role"] == "assistant" for message in row.messages)
        turns, held_out = turns + answers, held_out + answers * (row.id in kept_back)
        for message in row.messages:
            size = tokens.count_text(message["content"])
            persona, spoken = (
                (persona + size, spoken)
                if message["role"] == "system"
                else (persona, spoken + size)
            )
    if not fraction:
        held_out = round(turns / HELD_OUT_SHARE)
    return Turns(spoken // max(1, turns), persona // max(1, len(rows)), held_out)
