"""Runs a program over turns, counts what failed, and puts an interval on its mean score."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import dspy

from dspy_program import metric
from dspy_program.examples import Turn
from dspy_program.failure import EngineFailure
from dspy_program.program import answer_of, inputs_of
from dspy_program.scoring import Scorer

MOST_FAILED_SHARE = 0.2
_RESAMPLES = 2000


@dataclass(frozen=True)
class Outcome:
    """One turn's answer and score; both None where the program failed, then `error` says why."""

    turn: Turn
    answer: str | None
    score: metric.Score | None
    error: str | None


@dataclass(frozen=True)
class Summary:
    """Mean score (0..1) of `n` answered turns with a bootstrap 95 % interval; `failed` turns had no answer."""

    score: float
    low: float
    high: float
    n: int
    failed: int


@dataclass(frozen=True)
class Measured:
    """A measurement: every held-out turn's outcome, and their summary (None where the budget ended in the middle)."""

    outcomes: list[Outcome]
    summary: Summary | None


def answer_turns(
    ask: Callable[[Turn], str], turns: Sequence[Turn], scorer: Scorer, threads: int
) -> list[Outcome]:
    """Ask for an answer to every turn and score it, `threads` at a time; an error becomes that turn's outcome."""

    def one(turn: Turn) -> Outcome:
        try:
            answer = ask(turn)
            score = scorer.score(turn.teacher_prompt, answer, turn.student_response)
        except Exception as error:  # noqa: BLE001  # whatever failed is counted and shown, never scored as 0
            return Outcome(
                turn, None, None, " ".join(f"{type(error).__name__}: {error}".split())[:400]
            )
        return Outcome(turn, answer, score, None)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(one, turns))


def asker(module: Any, lm: Any, adapter: Any) -> Callable[[Turn], str]:
    """A thread-safe way to ask `module` for the answer to a turn."""

    def ask(turn: Turn) -> str:
        with dspy.context(lm=lm, adapter=adapter):
            prediction = module(**inputs_of(turn, module.design))
        return answer_of(prediction, module.design)

    return ask


def summarise(outcomes: Sequence[Outcome], seed: int) -> Summary:
    """The mean score of `outcomes`. Raises EngineFailure where more than a fifth failed: such a mean would mislead."""
    scores = [outcome.score.total for outcome in outcomes if outcome.score is not None]
    failed = len(outcomes) - len(scores)
    if not scores or failed > MOST_FAILED_SHARE * len(outcomes):
        first = next((outcome.error for outcome in outcomes if outcome.error), "no answers")
        raise EngineFailure(
            "evaluation_failed",
            f"{failed} of {len(outcomes)} held-out answers failed, so there is no honest score. The first: {first}",
            "Most often the model does not keep to the answer format: raise max_tokens or choose a stronger model.",
        )
    low, high = interval(scores, seed)
    return Summary(sum(scores) / len(scores), low, high, len(scores), failed)


def interval(scores: Sequence[float], seed: int) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of the mean of `scores` (2,000 resamples, seeded)."""
    rng = random.Random(seed)
    means = sorted(
        sum(rng.choices(scores, k=len(scores))) / len(scores) for _ in range(_RESAMPLES)
    )
    return means[round(0.025 * (_RESAMPLES - 1))], means[round(0.975 * (_RESAMPLES - 1))]
