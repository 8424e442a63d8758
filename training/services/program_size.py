"""How often a DSPy run asks its model, and with how many tokens: reckoned from the rows, set right by recent runs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datasets.models import DatasetVersion
from datasets.services import split
from datasets.services.reading import stored_rows
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import tokens
from training.services.questions import SAMPLE_QUESTIONS

COUNTED_ROWS = 3_000  # bigger versions are reckoned from their size: counting them would make a person wait
RECENT_RUNS = 5

# Measured with the demo's dialogues: the journals (usage.jsonl) of one run of each optimiser.
PROMPT_FRAME_TOKENS = 240  # the signature and its fields
DEMONSTRATION_FRAME_TOKENS = 90  # the fields of one demonstration, its reasoning included
ANSWER_TOKENS = 57
HELD_OUT_SHARE, HELD_OUT_TURNS, HELD_OUT_CALLS_SHARE = 5, 20, 5  # the engine's own limits


@dataclass(frozen=True)
class Optimizer:
    """`calls` of its own with the form's settings; `shown`: which share of all of a run's calls bring demonstrations."""

    calls: int
    shown: float


OPTIMIZERS = {
    "LabeledFewShot": Optimizer(0, 0.5),
    "BootstrapFewShot": Optimizer(4, 0.54),
    "BootstrapFewShotWithRandomSearch": Optimizer(64, 0.69),
    "MIPROv2": Optimizer(55, 0.7),
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


def program_size(*, base: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int) -> ProgramSize:
    """What a run will probably need; at most its own cap on calls."""
    calls = min(int(settings["max_calls"]), _calls(version, settings, seed))
    asked = _asked(version, settings, seed)
    factors = _measured(base, str(settings["optimizer"]))
    if factors is None:
        return ProgramSize(calls, round(asked), ANSWER_TOKENS, learned=False)
    return ProgramSize(calls, round(asked * factors[0]), round(ANSWER_TOKENS * factors[1]), learned=True)


def longest_prompt(version: DatasetVersion, settings: dict[str, Any], seed: int) -> int:
    """Tokens of a call with every demonstration in it."""
    turns = _turns(version, *_split_of(settings, seed))
    demonstrations = int(settings["max_labeled_demos"]) + int(settings["max_bootstrapped_demos"])
    return PROMPT_FRAME_TOKENS + turns.persona + turns.tokens * (1 + demonstrations)


def _calls(version: DatasetVersion, settings: dict[str, Any], seed: int) -> int:
    """Measuring before and after, the sample questions, and what the optimiser needs by itself."""
    judged = 2 if settings.get("judge") == "model" else 1  # each scored answer is asked about once more
    most = min(
        int(settings.get("heldout_limit", HELD_OUT_TURNS)),
        max(1, int(settings["max_calls"]) // HELD_OUT_CALLS_SHARE // judged),
    )
    held_out = min(most, max(1, _turns(version, *_split_of(settings, seed)).held_out))
    return judged * OPTIMIZERS[str(settings["optimizer"])].calls + 2 * (judged * held_out + len(SAMPLE_QUESTIONS))


def _asked(version: DatasetVersion, settings: dict[str, Any], seed: int) -> float:
    turns = _turns(version, *_split_of(settings, seed))
    optimizer = str(settings["optimizer"])
    found, own = int(settings["max_bootstrapped_demos"]), int(settings["max_labeled_demos"])
    # DSPy fills up with rows what it did not find: together no more than the greater of the two.
    demonstrations = own if optimizer == "LabeledFewShot" else max(found, own)
    shown = OPTIMIZERS[optimizer].shown * demonstrations * (DEMONSTRATION_FRAME_TOKENS + turns.tokens)
    return PROMPT_FRAME_TOKENS + turns.persona + turns.tokens / 2 + shown


def _measured(base: BaseModel, optimizer: str) -> tuple[float, float] | None:
    """By what factor recent runs with this model and optimiser read and wrote more than reckoned."""
    runs = TrainingRun.objects.filter(
        base_model=base, settings__optimizer=optimizer, status=RunStatus.SUCCEEDED, calls_used__gt=0, imported=False
    )
    recent = list(runs.select_related("dataset_version").order_by("-finished_at")[:RECENT_RUNS])
    if not recent:
        return None
    asked = sum(run.calls_used * _asked(run.dataset_version, run.settings, run.seed) for run in recent)
    answered = sum(run.calls_used * ANSWER_TOKENS for run in recent)
    return sum(run.input_tokens for run in recent) / asked, sum(run.output_tokens for run in recent) / answered


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
def _counted_turns(content_hash: str, version: DatasetVersion, fraction: float, seed: int) -> Turns:
    rows = list(stored_rows(version))
    kept_back = split.planned(version, fraction, seed)
    spoken, persona, turns, held_out = 0, 0, 0, 0
    for row in rows:
        answers = sum(message["role"] == "assistant" for message in row.messages)
        turns, held_out = turns + answers, held_out + answers * (row.id in kept_back)
        for message in row.messages:
            size = tokens.count_text(message["content"])
            persona, spoken = (persona + size, spoken) if message["role"] == "system" else (persona, spoken + size)
    if not fraction:
        held_out = round(turns / HELD_OUT_SHARE)
    return Turns(spoken // max(1, turns), persona // max(1, len(rows)), held_out)
