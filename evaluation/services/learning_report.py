"""The selective flip score as pages show it: the figure with its interval, before and after training, and the answers
behind.
"""

from dataclasses import dataclass
from typing import Any

from evaluation.models import (
    Interview,
    InterviewAnswer,
    InterviewQuestion,
    InterviewStatus,
    Wording,
)
from evaluation.services.wordings import FEEDBACK, text_of
from second_grade import learning
from second_grade.interview import Asked, stance_after_feedback
from second_grade.questions import Stance


@dataclass(frozen=True)
class Flips:
    """`value` and `between` as text; `between` says so after too few questions. `verdict`: as of a figure."""

    value: str
    between: str
    shares: str
    verdict: str
    questions: int
    version: str


@dataclass(frozen=True)
class BeforeAfter:
    """The score of the run and, where it was asked, of its base model. `said`: what the two say together."""

    after: Flips
    before: Flips | None
    before_interview: Interview | None
    said: str


@dataclass(frozen=True)
class Corrected:
    """One answer after feedback. `teacher`: what she said. `flipped`: whether it turned right."""

    wording: str
    teacher: str
    answer: str
    flipped: bool


def flips_of(metrics: dict[str, Any]) -> Flips | None:
    """None for an interview that was measured before there was such a figure, or that has no such question."""
    found = metrics.get("flips")
    if not found:
        return None
    shares = (
        f"Right after feedback on this mistake: {found['targeted']:.0%}, on another one: {found['misaligned']:.0%}, "
        f"after “that is wrong”: {found['generic']:.0%}."
    )
    score, low, high = found["score"], found["low"], found["high"]
    if score is None:
        few = f"too few questions ({found['questions']})"
        return Flips("–", few, shares, "", found["questions"], found["version"])
    between = f"95 %: {_signed(low)} to {_signed(high)}"
    verdict = "good" if low > 0 else "warn" if high > 0 else "bad"
    return Flips(_signed(score), between, shares, verdict, found["questions"], found["version"])


def _signed(score: float) -> str:
    """Two decimals with a sign; a minus that readers of all countries know, and none before zero."""
    text = f"{score:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def before_after(interview: Interview) -> BeforeAfter | None:
    """For a finished interview of a run; None without a score."""
    after = flips_of(interview.metrics) if interview.status == InterviewStatus.DONE else None
    if after is None:
        return None
    untrained = None if interview.untrained else Interview.objects.before(interview).first()
    before = flips_of(untrained.metrics) if untrained is not None else None
    if before is not None and before.version != after.version:
        untrained = before = None
    said = (
        _compared(interview.metrics["flips"], untrained.metrics["flips"])
        if before and untrained
        else ""
    )
    return BeforeAfter(after, before, untrained, said)


def _compared(after: dict[str, Any], before: dict[str, Any]) -> str:
    if after["score"] is None or before["score"] is None:
        return ""
    if after["low"] > before["high"]:
        return "Training made it learn more like a child: the two intervals lie apart."
    if after["high"] < before["low"]:
        return "Training made it learn less like a child: the two intervals lie apart."
    return "The two intervals overlap: these answers cannot tell whether training changed it."


def corrected(
    question: InterviewQuestion, asked: Asked, answers: list[InterviewAnswer]
) -> list[Corrected]:
    """The answers to one question after feedback, in the order in which they are asked."""
    order = {wording.value: place for place, wording in enumerate(FEEDBACK)}
    told = sorted(
        (one for one in answers if one.wording in order),
        key=lambda one: (one.repeat, order[one.wording]),
    )
    return [_corrected(question, asked, one) for one in told]


def _corrected(question: InterviewQuestion, asked: Asked, one: InterviewAnswer) -> Corrected:
    wording = Wording(one.wording)
    stance = stance_after_feedback(asked, wording.value, one.answer)
    return Corrected(
        wording.label, text_of(question, wording), one.answer, stance is Stance.RIGHT
    )


def mistake_at(question: InterviewQuestion) -> str:
    """The child's mistake that is put into the bot's mouth; empty where none is known."""
    item = learning.item_for(question.question)
    return item.mistake if item else ""
