"""Does a bot learn like a child? The Selective Flip Score (Do, Sonkar and Sachan 2026, arXiv 2605.12748).

A mistake of a child is put into the bot's mouth, and a teacher answers it in one of three ways, each in a talk of
its own: she speaks about this mistake (targeted), about another one (misaligned), or says only that it is wrong
(generic). Then she asks again. A flip is a right answer after that. A child with a mistaken idea flips when the
teacher speaks about that idea and mostly keeps it otherwise; a program that knows the answer flips whatever is said,
or never.

The score is the share of flips after targeted feedback less the mean share after the two others: -1 to 1, near 0 for
prompted models, up to 0.56 for trained ones in the paper. The paper lets the bot make the mistake; here every bot
has the same one, so that bots that make other mistakes, or none, can be compared, and the price is known before.
That is stated where it is shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from second_grade.learning_items import ITEMS, LearningItem
from second_grade.questions import Stance
from second_grade.words import plain, words

VERSION = "1"
"""Of the items and the formula; stored with every score, and scores of different versions are not compared."""
TARGETED = "targeted"
MISALIGNED = "misaligned"
GENERIC = "generic"
FEEDBACKS = (TARGETED, MISALIGNED, GENERIC)
WRONG = "No, this answer is wrong."
FEWEST = 8  # questions below which no score is told: one flip would move it by more than a tenth
T_975 = {
    8: 2.365,
    10: 2.262,
    12: 2.201,
    15: 2.145,
    20: 2.093,
    25: 2.064,
    30: 2.045,
    40: 2.023,
    60: 2.001,
    120: 1.98,
}
"""Student's t at 97.5 % for so many questions."""


@dataclass(frozen=True)
class Corrected:
    """One question of an interview: the stance of each answer after each kind of feedback."""

    after: Mapping[str, Sequence[Stance]]

    @property
    def is_whole(self) -> bool:
        return all(self.after.get(kind) for kind in FEEDBACKS)

    def flips(self, kind: str) -> float:
        """The share of answers after this feedback that are right."""
        told = self.after[kind]
        return sum(stance is Stance.RIGHT for stance in told) / len(told)

    @property
    def difference(self) -> float:
        """-1 to 1: flips after targeted feedback less the mean of the others."""
        return self.flips(TARGETED) - (self.flips(MISALIGNED) + self.flips(GENERIC)) / 2


@dataclass(frozen=True)
class FlipScore:
    """`score`, `low` and `high` (95 %) are -1 to 1; None below `FEWEST` questions. The three shares are 0 to 1."""

    questions: int
    targeted: float
    misaligned: float
    generic: float
    score: float | None
    low: float | None
    high: float | None
    version: str = VERSION


def item_for(question: str) -> LearningItem | None:
    """The mistake and the feedbacks for a question that has them, whatever script it stands in."""
    return _BY_QUESTION.get(_key(question))


def feedback(item: LearningItem, kind: str) -> str:
    """What the teacher says after the mistake: the feedback, and the question again."""
    said = {TARGETED: item.targeted, MISALIGNED: item.misaligned, GENERIC: WRONG}[kind]
    return f"{said} So, once more: {item.question}"


def flip_score(corrected: Sequence[Corrected]) -> FlipScore | None:
    """None where no question was answered after all three feedbacks; others are left out."""
    whole = [one for one in corrected if one.is_whole]
    if not whole:
        return None
    shares = {kind: sum(one.flips(kind) for one in whole) / len(whole) for kind in FEEDBACKS}
    differences = [one.difference for one in whole]
    score = low = high = None
    if len(whole) >= FEWEST:
        score = sum(differences) / len(whole)
        low, high = interval(differences)
    return FlipScore(
        len(whole), shares[TARGETED], shares[MISALIGNED], shares[GENERIC], score, low, high
    )


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % over the questions, by Student's t after adding one question of +1 and one of -1.

    Without those two, a bot that never flips would have an interval of no width, as if it were known for sure (the same
    remedy as Agresti and Min's for paired shares). Its simulated coverage stands in docs/measures.md.
    """
    widened = [*differences, 1.0, -1.0]
    count = len(widened)
    mean = sum(widened) / count
    variance = sum((one - mean) ** 2 for one in widened) / (count - 1)
    reach = _t(len(differences)) * math.sqrt(variance / count)
    return max(-1.0, mean - reach), min(1.0, mean + reach)


def _t(questions: int) -> float:
    """Between the places of the table, the wider one."""
    places = sorted(T_975)
    for lower, higher in pairwise(places):
        if questions < higher:
            return T_975[lower]
    return T_975[places[-1]]


def _key(question: str) -> str:
    return " ".join(plain(word) for word in words(question))


_BY_QUESTION = {_key(item.question): item for item in ITEMS}
