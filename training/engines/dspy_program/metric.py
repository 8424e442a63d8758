"""How well an answer does what the second-grader did: answers this question, as a child. Pure: no DSPy, no network, no state.

The score is a weighted mean of five parts, each 0 (bad) to 1 (good), times two factors: an answer that says something
else than the child did, or whose words are in no order, can't score well however childlike it sounds. It steers the
optimiser and compares programs with each other; it is not a grade for the team.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dspy_program import reading, relation
from dspy_program.design import Phrases

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
PHRASES, PHRASES_WEIGHT = "phrases", 0.2  # where a team has phrases of its own
JUDGE_WEIGHT = 0.3  # of the part "judge", where a model judges as well

_CHILD_MARKS = re.compile(
    r"\b(?:i|i'm|i'll|i've|i'd|my|me|mine|we|our|mom|mommy|dad|daddy|grandma|grandpa|teacher|um+|hmm+|oh|yay|wow|"
    r"maybe|like|kinda|'cause|cuz|because|recess|favorite)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i'll|i've|i'd|my|me|mine|we)\b", re.IGNORECASE)
_ADULT_WORDS = re.compile(
    r"\b(?:however|therefore|furthermore|moreover|additionally|consequently|specifically|essentially|generally|"
    r"in conclusion|in summary|in other words|for instance|refers to|referred to as|is defined as|is a process|"
    r"represents|provides?|indicates?|require[sd]?)\b",
    re.IGNORECASE,
)
_ASSISTANT_PHRASES = (
    r"\bas an ai\b",
    r"\blanguage model\b",
    r"\bi(?:'m| am) (?:just )?(?:an? )?(?:ai|assistant|chatbot|virtual)\b",
    r"\bhow (?:can|may) i (?:help|assist)\b",
    r"\b(?:i'd|i would) be happy to\b",
    r"\bi(?:'m| am) here to (?:help|assist)\b",
    r"\bfeel free to\b",
    r"\blet me know if\b",
    r"\bi (?:cannot assist|can't assist|apologi[sz]e)\b",
    r"^(?:certainly|absolutely|of course)[!,.]",
    r"\bthank you for (?:asking|your)\b",
    r"\bdo not hesitate\b",
    r"\bi hope (?:that )?this\b",
    r"\bi do not have personal\b",
)
_TEACHER_PHRASES = (
    r"\b(?:great|good|excellent|wonderful) (?:question|job|work|thinking|effort)\b",
    r"\bwell done\b",
    r"\bthat's (?:right|correct)[!.,]",
    r"\bcan you (?:tell me|explain|think of|try|show me)\b",
    r"\bwhat do you (?:think|already know|notice)\b",
    r"\bwould you like\b",
    r"\blet's (?:explore|review|practice|look at|break)\b",
    r"\bremember (?:that|to)\b",
    r"\byou(?:'re| are) (?:doing|on the right track|absolutely right)\b",
    r"\b(?:students|class|boys and girls|my student)\b",
)
_MARKUP = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S|\*\*|^#{1,6}\s|```", re.MULTILINE)
_OUT_OF_CHARACTER = [re.compile(pattern, re.IGNORECASE) for pattern in (*_ASSISTANT_PHRASES, *_TEACHER_PHRASES)]


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
    if not reading.words(answer) and not re.search(r"\d", answer):
        return Score(0.0, dict.fromkeys(DEFAULT_WEIGHTS, 0.0), ())
    theirs = {leak.lower() for leak in out_of_character(reference)}
    leaks = tuple(leak for leak in out_of_character(answer) if leak.lower() not in theirs)
    parts = {
        # Where the child spoke little of itself, no more is asked of the answer.
        "persona": min(1.0, _persona(answer, leaks) / max(_persona(reference, ()), 0.6)),
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


def _factor(answer: str, reference: str, parts: Mapping[str, float], used: Mapping[str, float]) -> float:
    sense = 0.3 + 0.7 * relation.makes_sense(answer, reference)
    if not used[ANSWERS]:
        return sense
    on_topic = OFF_TOPIC_KEEPS + (1.0 - OFF_TOPIC_KEEPS) * parts[ANSWERS]
    return sense * on_topic


def out_of_character(answer: str) -> tuple[str, ...]:
    """Phrases and layout of `answer` that no child would use: assistant talk, teacher talk, lists and headings."""
    straight = answer.replace("’", "'")
    found = [match.group(0).strip() for pattern in _OUT_OF_CHARACTER if (match := pattern.search(straight))]
    if match := _MARKUP.search(straight):
        found.append(match.group(0).strip())
    return tuple(found)


def advice(result: Score) -> str:
    """What to change, in a sentence or two, for optimisers that read feedback."""
    hints = []
    if result.leaks:
        hints.append("It falls out of character: " + "; ".join(f'"{leak}"' for leak in result.leaks[:3]) + ".")
    if result.parts["persona"] < 0.7:
        hints.append("It does not sound like a child speaking of themselves (I, my, Mom, maybe, um).")
    if result.parts["reading"] < 0.7:
        hints.append("Words or sentences are too hard for a second-grader: use short, everyday words.")
    if result.parts["length"] < 0.7:
        hints.append("The length is far from how much the real child says.")
    if result.parts[ANSWERS] < 0.4:
        hints.append("It does not answer the teacher as the real child did.")
    return " ".join(hints) or "It sounds like the child. Keep this."


def _persona(answer: str, leaks: tuple[str, ...]) -> float:
    straight = answer.replace("’", "'")
    marks = {mark.lower() for mark in _CHILD_MARKS.findall(straight)}
    value = 0.3 + (0.4 if _FIRST_PERSON.search(straight) else 0.0) + min(0.3, 0.15 * len(marks))
    value -= 0.25 * len(_ADULT_WORDS.findall(straight)) + 0.4 * len(leaks)
    return min(1.0, max(0.0, value))


def _reading(answer: str) -> float:
    # Soft ramps: a single answer is too short for its grade to be trusted to a point.
    grade = _ramp(reading.grade(answer), good=4.0, bad=9.0)
    hard = _ramp(reading.hard_share(answer), good=0.05, bad=0.25)
    length = _ramp(reading.sentence_length(answer), good=11.0, bad=20.0)
    return 0.25 * grade + 0.5 * hard + 0.25 * length


def _length(answer: str, reference: str) -> float:
    said, wanted = max(len(relation.words_of(answer)), 1), max(len(relation.words_of(reference)), 1)
    low, high = wanted / 2, max(wanted * 2, wanted + 8)
    if low <= said <= high:
        return 1.0
    return said / low if said < low else high / said


def _ramp(value: float, *, good: float, bad: float) -> float:
    return min(1.0, max(0.0, (bad - value) / (bad - good)))
