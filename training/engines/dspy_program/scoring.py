"""Puts one number on one answer: the pure metric, and where a team wants it a model's judgement beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dspy

from dspy_program import metric
from dspy_program.design import Phrases

MOST_POINTS = 10


class ChildJudgement(dspy.Signature):  # type: ignore[misc]  # DSPy ships no types
    """Judge how believable it is that a real second-grader (seven or eight years old) gave this answer in class.

    Mistakes, gaps and small talk are natural for a child. Polish, completeness and a teacher's or assistant's tone are not.
    """

    teacher_prompt: str = dspy.InputField(desc="what the teacher said")
    answer: str = dspy.InputField(desc="the answer to judge")
    points: int = dspy.OutputField(
        desc=f"0 (surely no child) to {MOST_POINTS} (surely a second-grader)"
    )


class Judge:
    """Asks `lm` for points at temperature 0. Every judgement is an LM call like any other: metered, capped, cached."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm.copy(temperature=0.0)
        self._predict = dspy.Predict(ChildJudgement)

    def share(self, teacher_prompt: str, answer: str) -> float:
        """Points as a share of the most, 0 to 1. Raises what the LM call raises."""
        with dspy.context(
            lm=self._lm, trace=None
        ):  # an optimiser learns from the traces of the program alone
            points = self._predict(teacher_prompt=teacher_prompt, answer=answer).points
        return min(max(int(points), 0), MOST_POINTS) / MOST_POINTS


@dataclass(frozen=True)
class Scorer:
    """Scores answers by `weights`, and by `judge` where there is one."""

    weights: Mapping[str, float]
    judge: Judge | None = None
    phrases: Phrases | None = None

    def score(self, teacher_prompt: str, answer: str, reference: str) -> metric.Score:
        """The score of `answer`; an empty one is not worth a judge's call."""
        if self.judge is None or not answer.strip():
            return metric.score(
                answer, reference, self.weights, question=teacher_prompt, phrases=self.phrases
            )
        judged = self.judge.share(teacher_prompt, answer)
        return metric.score(
            answer,
            reference,
            self.weights,
            judged,
            question=teacher_prompt,
            phrases=self.phrases,
        )
