"""The order for an engine: its module, `spec.json`, the rows, and the environment that it needs besides the usual."""

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datasets.services import split, versions
from teams.models import Hold as MoneyHold
from teams.models import HoldState
from teams.services.storage import files
from training.launcher import SPEC_FILE
from training.models import TrainingRun
from training.services import base_answers, fresh_questions
from training.services.base_names import name_base, public_name
from training.services.charges import TokenPrices, run_token_prices, token_prices
from training.services.endpoints import pinned, program_address
from training.services.estimate import REFLECTION, ROWS_SHARE, rows_in_share
from training.services.json_files import write_json
from training.services.method_work import EnginePart, work_of
from training.services.questions import SAMPLE_QUESTIONS

TRAINS = "lora.train"
OPTIMIZES = "dspy_program.optimize"
ASKED = "asked"  # hyperparameters as a person or a program asked for them, "auto" included
SAVE_EVERY_STEPS = 25  # how often LoRA saves a checkpoint
TRAIN_FILE = "train.jsonl"
VALIDATION_FILE = "validation.jsonl"
# Settings of the platform, not of an engine.
OURS = frozenset(
    {"validation_fraction", ROWS_SHARE, REFLECTION, "starts_from", "system_prompt", ASKED}
)


@dataclass(frozen=True)
class Order:
    """What to start and where. `environment` may hold a key: never log it. `engines` as in EnginePart."""

    module: str
    folder: Path
    environment: dict[str, str] = field(repr=False)
    engines: Path | None = None


@dataclass(frozen=True)
class RowFiles:
    """Files of engine rows in the run's folder, and the ids of the rows in each."""

    train: Path
    validation: Path | None
    train_ids: list[str]
    validation_ids: list[str]


def write_rows(run: TrainingRun) -> RowFiles:
    """Write the training and validation rows of the frozen split into the run's folder. The same rows at every attempt."""
    run.folder.mkdir(parents=True, exist_ok=True)
    fraction = float(run.settings.get("validation_fraction", 0))
    train_ids, validation_ids = split.split(run.dataset_version, fraction, run.seed)
    train_ids = _part(train_ids, run)
    train, validation = run.file(TRAIN_FILE), run.file(VALIDATION_FILE)
    shape = "preference" if run.is_preference and run.is_adapter else "messages"
    versions.write_jsonl(run.dataset_version, train, shape=shape, rows=train_ids)
    if not validation_ids:
        return RowFiles(train, None, train_ids, [])
    versions.write_jsonl(run.dataset_version, validation, shape=shape, rows=validation_ids)
    return RowFiles(train, validation, train_ids, validation_ids)


def _part(ids: list[str], run: TrainingRun) -> list[str]:
    """A seeded part of the rows, in their order; a quarter lies within the half, so that only the number differs."""
    wanted = rows_in_share(len(ids), run.settings)
    if wanted == len(ids):
        return ids
    chosen = set(random.Random(run.seed).sample(ids, len(ids))[:wanted])  # noqa: S311  # repeatable, not secret
    return [row_id for row_id in ids if row_id in chosen]


def write_order(run: TrainingRun) -> Order:
    """Write everything that the run's engine reads. Raises PriceUnknown for a DSPy model without a price."""
    rows = write_rows(run)
    part = work_of(run.method).engine(run, rows)
    spec: dict[str, Any] = {
        "schema": 1,
        "run": str(run.key),
        "seed": run.seed,
        "train_file": rows.train.name,
        "validation_file": rows.validation.name if rows.validation else None,
        "settings": {name: value for name, value in run.settings.items() if name not in OURS},
        "sample_questions": SAMPLE_QUESTIONS,
        **part.spec,
    }
    write_json(run.file(SPEC_FILE), spec)
    return Order(part.module, run.folder, part.environment, part.engines)


def adapter_part(run: TrainingRun, rows: RowFiles) -> EnginePart:
    """For the engine that trains an adapter on this machine."""
    base = run.base_model
    name_base(run.folder, base)
    spec = {
        "base_model": base.weights,
        "base_name": public_name(base),
        "base_sha256": base.weights_sha256,
        **_start(run),
        **_verdict(run, rows.train),
    }
    return EnginePart(TRAINS, spec)


def program_part(run: TrainingRun) -> EnginePart:
    """For the engine that looks for a prompt. Raises PriceUnknown, NotReady."""
    asked = pinned(
        program_address(run.base_model)
    )  # the engine's client looks the name up by itself
    spec = {
        "model": run.base_model.name,
        "base_url": asked.base_url,
        "addresses": list(asked.addresses),
        "local": run.base_model.local,
        **_limits(run),
    }
    return EnginePart(OPTIMIZES, spec, {"ENGINE_API_KEY": asked.api_key})


def _verdict(run: TrainingRun, train: Path) -> dict[str, Any]:
    """What the engine asks at the end, and where it finds what the base says to it."""
    drawn = fresh_questions.draw(
        train, seed=run.seed, content_hash=run.dataset_version.content_hash
    )
    told = run.settings.get("system_prompt")  # put before pairs that have no system line
    lines = {str(told)} if told else base_answers.system_lines_in(train)
    known = base_answers.file_of(run.base_model, lines)
    return {
        "verdict_questions": [asdict(question) for question in drawn],
        "known_answers": str(known) if known is not None else None,
    }


def _start(run: TrainingRun) -> dict[str, Any]:
    """What a run goes on from, brought to this host. A run that another one waits for cannot be deleted."""
    start, system = run.starts_from, run.settings.get("system_prompt")
    spec = {}
    if start is not None:
        files.fetch(start.place, start="adapter/")
        spec = {"start_adapter": str(start.file("adapter"))}
    return spec | ({"system_prompt": system} if system else {})


def _limits(run: TrainingRun) -> dict[str, Any]:
    """What a DSPy run may spend: calls, and the money that is held for it."""
    prices = run_token_prices(run)
    reflects = run.settings.get(REFLECTION)
    others = {}
    if reflects:
        asked = token_prices(course=run.team.course, model=str(reflects), provider=run.provider)
        others = {"reflection_model": str(reflects), "reflection_prices": _as_table(asked)}
    held = (
        MoneyHold.objects.filter(key=run.hold_key, state=HoldState.OPEN)
        .values_list("amount", flat=True)
        .first()
    )
    return {
        "max_calls": int(run.settings["max_calls"]),
        "prices": _as_table(prices),
        "max_cost_microdollars": held or 0,
        **others,
    }


def _as_table(prices: TokenPrices) -> dict[str, int]:
    return {
        "input": prices.input.per_million,
        "cached_input": prices.cached_input.per_million,
        "output": prices.output.per_million,
    }


def commonest_system_prompt(train: Path) -> str:
    """The system message that most training rows begin with; chat must use it, or the model is asked something new."""
    prompts: Counter[str] = Counter()
    with train.open(encoding="utf-8") as lines:
        for line in lines:
            messages = json.loads(line)["messages"]
            prompts[
                messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
            ] += 1
    return prompts.most_common(1)[0][0] if prompts else ""
