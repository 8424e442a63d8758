"""Child-likeness: how much answers read as a real young child's, and not as an adult's or a made-up child's.

    from second_grade.childlikeness import read, read_one

    reading = read(["its ice", "i counted on my fingers", "cuz its heavy"])
    reading.score      # 0 to 1; 0.5 and above reads like a real child
    reading.childlike  # True: score >= 0.5 and nothing is wrong
    reading.problem    # None, or why it is no talk: "gibberish", "repetition", "empty", "other language: Chinese"
    reading.parts      # {"words an answer": 3.3, ...} in the units of `PARTS`
    reading.sentence   # one sentence for a page

A set of answers tells far more than one: judge a bot by `read(all its answers)` and one answer by `read_one` only to point at
it. Lower case, run-on stories and invented spelling count as a child's.

The score is a logistic curve over the parts. Its coefficients are in `data/childlikeness.json`, fitted by
`tools/fit_childlikeness.py` on Bridge (real tutoring by chat, MIT) and on texts in `tests/second_grade/data/talk`; the
file says how well it does on talk that it was not fitted on.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from second_grade import not_talk, phrases
from second_grade.familiar import is_familiar, sounds_familiar
from second_grade.words import plain, sentences, words

CHILD_FROM = 0.5
BENEFIT_OF_THE_DOUBT = 1.3
"""Log odds for the child, divided by the number of answers: one answer is little to accuse anybody by."""
MOST_CHARACTERS = 400_000
"""No more of a set of answers is read: its figures do not change after some thousand words."""
_CHAIN = frozenset(["and", "then", "so", "but", "an"])
_TO_THE_OTHER = re.compile(
    r"\b(?:your|you're|you'll|yours|yourself|let's|everyone|(?:can|could|do|did|does|are|were|have|will|would|should|if|as) you|"
    r"you (?:can|could|should|need|will|would|might|may|have to|just))\b",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[,;:]|[.!?…]+|[—–]| - ")


@dataclass(frozen=True)
class Part:
    """One thing that is looked at. `child` and `other`: its usual value for real children and for all others."""

    name: str
    unit: str
    child: float
    other: float


@dataclass(frozen=True)
class Reading:
    """What was read from one answer or many.

    `score`: 0 to 1, 0 where `problem` is set. `parts`: name to value, see `PARTS`; empty where there are no words.
    `problem`: what it is when it is no English talk, else None. `answers`, `words`: how much was read.
    """

    score: float
    parts: Mapping[str, float]
    problem: str | None
    answers: int
    words: int

    @property
    def childlike(self) -> bool:
        """Whether it reads like a real child."""
        return self.problem is None and self.score >= CHILD_FROM

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        if self.problem is not None:
            return _PROBLEMS.get(self.problem.split(":")[0], "") + (
                f" It looks like{self.problem.split(':')[1]}." if ":" in self.problem else ""
            )
        if self.childlike:
            return "This reads like a real child."
        return "This does not read like a real child: " + why_not(self) + "."


_PROBLEMS = {
    not_talk.EMPTY: "There is no answer to read.",
    not_talk.GIBBERISH: "These are not words, or not sentences.",
    not_talk.REPETITION: "It says the same thing over and over.",
    not_talk.OTHER_LANGUAGE: "This is not English.",
}


def read(answers: Sequence[str]) -> Reading:
    """Reads a set of answers of one child or bot together. Empty answers count as nothing said."""
    spoken = _within_bounds(answers)
    trouble = not_talk.problem(spoken)
    if trouble in (not_talk.EMPTY,) or not any(words(answer) for answer in spoken):
        return Reading(0.0, {}, trouble or not_talk.EMPTY, len(answers), 0)
    parts = measure(spoken)
    count = sum(len(words(answer)) for answer in spoken)
    benefit = BENEFIT_OF_THE_DOUBT / len(spoken)
    score = 0.0 if trouble else _logistic(log_odds(parts) + benefit)
    return Reading(score, parts, trouble, len(answers), count)


def read_one(text: str) -> Reading:
    """Reads one answer. One is little to go by: use it to point at an answer, never to judge a bot."""
    return read([text])


def _within_bounds(answers: Sequence[str]) -> list[str]:
    kept, left = [], MOST_CHARACTERS
    for answer in answers:
        if answer.strip() and left > 0:
            kept.append(answer[:left])
            left -= len(answer)
    return kept


def measure(answers: Sequence[str]) -> dict[str, float]:
    """The parts of answers that hold at least one word, by name."""
    each = [_measure_one(answer) for answer in answers if words(answer)]
    means = {name: sum(one[name] for one in each) / len(each) for name in each[0]}
    return means | {"lexical diversity": _diversity(answers)}


def _measure_one(answer: str) -> dict[str, float]:
    found = [plain(word) for word in words(answer)]
    count = len(found)
    finished = sentences(answer)
    pieces = _run_on_pieces(answer, found)
    hard = sum(not is_familiar(word) and not sounds_familiar(word) for word in found)
    return {
        "words an answer": float(min(count / pieces, 40)),
        "words beyond twelve": float(min(max(0, count / pieces - 12), 30)),
        "sentences an answer": float(min(len(finished), 6)),
        "commas and stops beyond two": float(min(max(0, len(_MARKS.findall(answer)) - 2), 6)),
        "exclamation marks": float(
            min(sum("!" in one and len(words(one)) > 2 for one in finished), 4)
        ),
        "hedges": float(min(phrases.hedges(answer), 4)),
        "adult phrases": float(min(sum(times for _, times in phrases.adult_phrases(answer)), 3)),
        "teacher's phrases": float(min(phrases.teaching_phrases(answer), 3)),
        "speaks to the other": float(
            min(len(_TO_THE_OTHER.findall(answer.replace("’", "'"))), 3)
        ),
        "says you": 100 * sum(word == "you" for word in found) / max(count, 10),
        "joined by and, then, so": float(min(pieces - 1, 4)),
        "words beyond grade 2": 100 * hard / max(count, 10),
    }


def _run_on_pieces(answer: str, found: Sequence[str]) -> int:
    """In how many pieces a run-on story falls (no stop or comma inside, "and then ... and then"); 1 for any other answer."""
    inside = _MARKS.findall(answer.strip().rstrip(".!?…"))
    chain = sum(word in _CHAIN for word in found[1:])
    return 1 + chain if len(inside) <= 1 and chain >= 2 else 1


def _diversity(answers: Sequence[str]) -> float:
    """Different words among 30 in a row, in percent: the mean over all such stretches (MATTR). 70 where there are fewer."""
    found = [plain(word) for answer in answers for word in words(answer)][:6_000]
    if len(found) < 30:
        return 70.0
    starts = range(0, len(found) - 29, 5)
    shares = [len(set(found[at : at + 30])) / 30 for at in starts]
    return 100 * sum(shares) / len(shares)


@cache
def model() -> dict[str, Any]:
    """The fitted file: `intercept`, `parts` (name to weight, mean, scale, child, other, unit), `fitted_on`, `measured`."""
    text = (Path(__file__).parent / "data" / "childlikeness.json").read_text(encoding="utf-8")
    fitted: dict[str, Any] = json.loads(text)
    return fitted


def log_odds(parts: Mapping[str, float]) -> float:
    """The log odds that a real child said it."""
    fitted = model()
    total: float = fitted["intercept"]
    return total + sum(_push(name, value) for name, value in parts.items())


def _push(name: str, value: float) -> float:
    part = model()["parts"][name]
    push: float = part["weight"] * squash(value, part["mean"], part["scale"])
    return push


def squash(value: float, mean: float, scale: float) -> float:
    """A part's value in its own scale, held to -3..3: no single part decides alone."""
    return max(-3.0, min(3.0, (value - mean) / scale))


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def named_parts() -> list[Part]:
    """All parts with the values that are usual for real children and for others, for a page."""
    found = model()["parts"].items()
    return [Part(name, part["unit"], part["child"], part["other"]) for name, part in found]


def why_not(reading: Reading) -> str:
    """The two parts that speak most against a child, in words with their values."""
    against = sorted(
        reading.parts, key=lambda name: _push(name, reading.parts[name]) - _usual_push(name)
    )
    usual = model()["parts"]
    told = [
        f"{name} {reading.parts[name]:.1f} (a real child: {usual[name]['child']:.1f})"
        for name in against[:2]
        if _push(name, reading.parts[name]) < _usual_push(name)
    ]
    return ", ".join(told) or "all parts together"


def _usual_push(name: str) -> float:
    return _push(name, model()["parts"][name]["child"])
