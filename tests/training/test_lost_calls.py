"""A DSPy run's calls that may have been billed though no answer came are charged at their most, marked unknown."""

import json
from collections.abc import Callable
from typing import Any

from teams.models import Confidence, Method
from training.models import TrainingRun
from training.services import charges, run_storage

Launch = Callable[..., TrainingRun]
MICRO = 1_000_000  # the journal counts millionths of a micro-dollar


def journal(run: TrainingRun, *entries: dict[str, Any], rest: str = "") -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (run.folder / run_storage.JOURNAL).write_text(text + rest)


def measured(start: Launch) -> TrainingRun:
    run = start(Method.DSPY)
    run.input_tokens, run.output_tokens = 1_000_000, 0
    return run


def test_a_call_that_timed_out_and_one_that_a_kill_cut_off_count_at_their_most(start: Launch) -> None:
    run = measured(start)
    answered = charges.run_charge(run)
    journal(
        run,
        {"call": 1, "most": 70 * MICRO},
        {"call": 1, "tokens": [1_000_000, 0, 0]},
        {"call": 2, "most": 40 * MICRO},
        {"call": 2, "failed": True, "unreported": True},
        {"call": 3, "most": 5 * MICRO},
        rest='{"call": 3, "tok',
    )
    charge = charges.run_charge(run)
    assert charge.cost == answered.cost + 40 + 5
    assert charge.confidence == Confidence.UNKNOWN
    assert "2 calls without an answer" in charge.price_note


def test_a_call_that_the_provider_refused_is_free(start: Launch) -> None:
    run = measured(start)
    answered = charges.run_charge(run)
    journal(run, {"call": 1, "most": 40 * MICRO}, {"call": 1, "failed": True, "unreported": False})
    assert charges.run_charge(run) == answered
    assert answered.confidence == Confidence.EXACT
