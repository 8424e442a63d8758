"""How well an answer does what the second-grader did: answers this question, as a child. Pure: no DSPy, no network, no state.

The score is a weighted mean of five parts, each 0 (bad) to 1 (good), times two factors: an answer that says something
else than the child did, or whose words are in no order, can't score well however childlike it sounds. It steers the
optimiser and compares programs with each other; it is not a grade for the team.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import second_grade
from dspy_program import relation
from dspy_program.design import Phrases
from second_grade import childlikeness, familiar, reading_level
from second_grade import phrases as spoken
from second_grade.words import plain, words

ANSWERS = "answers"
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "persona": 0.15,
    "in_character": 0.15,
    "reading": 0.15,
    ANSWERS: 0.4,
    "length": 0.15,
}
EARLIER_NAMES = {"similarity": ANSWERS}
"""Parts as they were called in settings of earlier runs."""
OFF_TOPIC_KEEPS = 0.3
"""Share of its score that an answer keeps which has nothing to do with what the child said."""
# where a team has phrases of its own
PHRASES = "phrases"
PHRASES_WEIGHT = 0.2
JUDGE_WEIGHT = 0.3  # of the part "judge", where a model judges as well

VERSION = "3"
"""Of the formula; scores of different versions are not compared. Version 3 reads answers with `second_grade`."""
MEASURE = f"{VERSION}/{second_grade.VERSION}"
"""Stored with every score: of the formula, and of the measures of second grade that it is made of."""
LIKELY_CHILD = 0.5
"""A child-likeness from which on the part "persona" is full: one answer is too short to ask for more."""


@dataclass(frozen=True)
class Score:
    """One answer's score.

    `total` and every value of `parts` lie in 0..1; `parts` has the keys of `DEFAULT_WEIGHTS`, and "judge" where one
    judged; `leaks` are the out-of-character phrases found, as they stand in the answer.
    """

    total: float
    parts: Mapping[str, float]
    leaks: tuple[str, ...]


def score(
    answer: str,
    reference: str,
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    judged: float | None = None,
    *,
    question: str = "",
    phrases: Phrases | None = None,
) -> Score:
    """Score `answer` against the team's own `reference` answer to the same teacher turn, `question`.

    `weights` maps part names to weights >= 0 (missing parts count 0); at least one must be positive. Where "answers" has
    no weight, the relation to the reference counts nowhere. `judged` (0..1) is a judge's verdict, the part "judge";
    `phrases` are the team's own, the part "phrases". An empty answer scores 0 on every part.
    """
    if not words(answer):
        return Score(0.0, dict.fromkeys(DEFAULT_WEIGHTS, 0.0), ())
    theirs = {leak.lower() for leak in out_of_character(reference)}
    leaks = tuple(leak for leak in out_of_character(answer) if leak.lower() not in theirs)
    parts = {
        "persona": _persona(answer, reference),
        "in_character": max(0.0, 1.0 - 0.5 * len(leaks)),
        "reading": _reading(answer),
        ANSWERS: relation.answered(answer, reference, question),
        "length": _length(answer, reference),
    }
    if judged is not None:
        parts["judge"] = judged
    if phrases is not None:
        parts[PHRASES] = said_phrases(answer, phrases)
    used = {name: float(weights.get(name, 0.0)) for name in parts}
    mean = sum(used[name] * parts[name] for name in parts) / sum(used.values())
    return Score(mean * _factor(answer, reference, parts, used), parts, leaks)


def said_phrases(answer: str, phrases: Phrases) -> float:
    """1 where the answer has one of the wanted phrases (or none is wanted) and none of the banned ones; 0 with a banned one.

    Compared word by word without case: a phrase is text, whatever signs are in it.
    """
    said = f" {_plain(answer)} "
    if any(_is_in(phrase, said) for phrase in phrases.banned):
        return 0.0
    return float(not phrases.wanted or any(_is_in(phrase, said) for phrase in phrases.wanted))


def _is_in(phrase: str, said: str) -> bool:
    plain = _plain(phrase)
    return bool(plain) and f" {plain} " in said


def _plain(text: str) -> str:
    return " ".join(relation.words_of(text))


def _factor(
    answer: str, reference: str, parts: Mapping[str, float], used: Mapping[str, float]
) -> float:
    sense = 0.3 + 0.7 * relation.makes_sense(answer, reference)
    if not used[ANSWERS]:
        return sense
    on_topic = OFF_TOPIC_KEEPS + (1.0 - OFF_TOPIC_KEEPS) * parts[ANSWERS]
    return sense * on_topic


def out_of_character(answer: str) -> tuple[str, ...]:
    """Phrases and layout of `answer` that no child would use, as the interview's measures find them."""
    return spoken.out_of_character(answer)


def advice(result: Score) -> str:
    """What to change, in a sentence or two, for optimisers that read feedback."""
    hints = []
    if result.leaks:
        hints.append(
            "It falls out of character: "
            + "; ".join(f'"{leak}"' for leak in result.leaks[:3])
            + "."
        )
    if result.parts["persona"] < 0.7:
        hints.append(
            "It does not read like a real child: shorter, plainer, without commas and polish."
        )
    if result.parts["reading"] < 0.7:
        hints.append(
            "Words or sentences are too hard for a second-grader: use short, everyday words."
        )
    if result.parts["length"] < 0.7:
        hints.append("The length is far from how much the real child says.")
    if result.parts[ANSWERS] < 0.4:
        hints.append("It does not answer the teacher as the real child did.")
    return " ".join(hints) or "It sounds like the child. Keep this."


def _persona(answer: str, reference: str) -> float:
    """How much it reads like a real child, of what is asked: no more than the child's own answer does.

    By the root, because one answer is little to tell a child by: an eighth of the child-likeness keeps a third.
    """
    said = childlikeness.read_one(answer).score
    wanted = min(LIKELY_CHILD, childlikeness.read_one(reference).score)
    return 1.0 if said >= wanted else math.sqrt(said / wanted)


def _reading(answer: str) -> float:
    # Soft ramps: a single answer is too short for its grade to be trusted to a point.
    counted = reading_level.count([answer])
    grade = _ramp(counted.flesch_kincaid(), good=4.0, bad=9.0)
    hard = _ramp(_hard_share(answer), good=0.05, bad=0.25)
    length = _ramp(counted.words / max(counted.sentences, 1), good=11.0, bad=20.0)
    return 0.25 * grade + 0.5 * hard + 0.25 * length


def _hard_share(answer: str) -> float:
    """Share (0 to 1) of the different words that are beyond second grade. The first such word is free: a child who says
    "A triangle!" does not talk like a book."""
    different = {plain(word) for word in words(answer)}
    hard = {plain(word) for _, _, word in familiar.unfamiliar_spans(answer)}
    return max(len(hard) - 1, 0) / len(different) if different else 0.0


def _length(answer: str, reference: str) -> float:
    said, wanted = (
        max(len(relation.words_of(answer)), 1),
        max(len(relation.words_of(reference)), 1),
    )
    low, high = wanted / 2, max(wanted * 2, wanted + 8)
    if low <= said <= high:
        return 1.0
    return said / low if said < low else high / said


def _ramp(value: float, *, good: float, bad: float) -> float:
    return min(1.0, max(0.0, (bad - value) / (bad - good)))
