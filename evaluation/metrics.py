"""What a standard interview shows about a bot, in the course guide's four metrics. Pure Python: no Django, no network.

1. Vocabulary grade level: the Spache grade of all answers together (never of one: noise). 1.5 to 3.3 is a second-grader's.
2. Response consistency: of the pairs of answers to one question (in other words, or asked again), the share that take the
   same stance: right, mistaken, unsure, or, where none can be told, with at least a fifth of their content words shared.
3. Knowledge accuracy: the share of right answers to what a second-grader knows, and separately to what many get wrong and to
   what comes later. A child is right about most of the first, some of the second and hardly any of the third:
   `over_correctness` is the share of right answers to the last two.
4. Personality alignment: 1 minus the share of answers in which the child falls out of its part (says it is a program, talks
   like an assistant or a teacher) and minus the share of questions about itself that it answers differently when asked again.

Limits: stances are told from phrases of the script, so an unforeseen right answer counts as neither; see the validation table
in tests/evaluation/test_metrics.py.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from datasets.checks.language import adult_phrases, beyond_grade_two, language, says_it_is_an_ai

KNOWN, SHAKY, BEYOND = "known", "shaky", "beyond"
PERSONA = "persona"
SAME_WORDS = 0.2
LONG_ANSWER_WORDS = 60  # a second-grader rarely says so much at once
_UNSURE = re.compile(
    r"\b(?:i don'?t know|i dunno|dunno|not sure|i forgot|don'?t remember|no idea|we didn'?t learn|haven'?t learned)\b",
    re.I,
)
_TEACHING = re.compile(
    r"\b(?:let me explain|great question|good question|well done|good job|does that make sense|can you tell me why|"
    r"remember that|to summari[sz]e|as we learned, |class, |students?,|your students|first-?ly|i can help you)\b",
    re.I,
)
_WORD = re.compile(r"[a-z0-9']+")
_SMALL_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be because but by do does for from had has have he her his i i'm if in is it it's its just know "
        "like me my of on or our she so that the their them then there they think this to um umm was we were what when with you"
    )
)


class Stance(StrEnum):
    RIGHT = "right"
    MISTAKEN = "mistaken"
    UNSURE = "unsure"
    OTHER = "other"


@dataclass(frozen=True)
class Asked:
    """One question of the script with all answers to it, follow-ups left out of `answers`.

    `expectation`: known, shaky or beyond. `right`, `mistaken`: phrases in lower case, "7|seven" for two ways to say one.
    """

    subject: str
    expectation: str
    right: Sequence[str]
    mistaken: Sequence[str]
    answers: Sequence[str]
    follow_ups: Sequence[str] = ()


@dataclass(frozen=True)
class Metrics:
    """The four metrics; shares are 0 to 1 and None where nothing was asked that could tell. `grade` is a Spache grade."""

    grade: float | None
    grade_words: int
    grade_sentence: str
    consistency: float | None
    right_known: float | None
    right_shaky: float | None
    right_beyond: float | None
    mistaken: float | None
    over_correctness: float | None
    personality: float | None
    out_of_part: int
    persona_changed: int
    mean_words: float
    answers: int


def stance(answer: str, right: Iterable[str], mistaken: Iterable[str]) -> Stance:
    """What an answer holds. Where it says both, the later one counts: children correct themselves."""
    text = answer.lower().replace("’", "'")
    last_right, last_mistaken = _last(text, right), _last(text, mistaken)
    if max(last_right, last_mistaken) >= 0:
        return Stance.RIGHT if last_right >= last_mistaken else Stance.MISTAKEN
    return Stance.UNSURE if _UNSURE.search(text) else Stance.OTHER


def _last(text: str, phrases: Iterable[str]) -> int:
    """Where the last of the phrases begins, or -1. "7|seven" are two ways to say one thing."""
    ways = [re.escape(way) for phrase in phrases for way in phrase.split("|")]
    found = [match.start() for way in ways for match in re.finditer(rf"(?<!\w){way}(?!\w)", text)]
    return max(found, default=-1)


def measure(asked: Sequence[Asked]) -> Metrics:
    """All four metrics over one interview."""
    spoken = [answer for one in asked for answer in (*one.answers, *one.follow_ups)]
    read = language(spoken)
    known = _right_share(asked, KNOWN)
    out, changed, personality = _personality(asked, spoken)
    return Metrics(
        grade=read["spache"],
        grade_words=read["words"],
        grade_sentence=read["sentence"] if read["spache"] is not None else read["reason"],
        consistency=_consistency(asked),
        right_known=known,
        right_shaky=_right_share(asked, SHAKY),
        right_beyond=_right_share(asked, BEYOND),
        mistaken=_share(_stances(asked, KNOWN, SHAKY, BEYOND), Stance.MISTAKEN),
        over_correctness=_right_share(asked, SHAKY, BEYOND),
        personality=personality,
        out_of_part=out,
        persona_changed=changed,
        mean_words=round(read["words"] / len(spoken), 1) if spoken else 0.0,
        answers=len(spoken),
    )


def _stances(asked: Sequence[Asked], *expectations: str) -> list[Stance]:
    return [
        stance(answer, one.right, one.mistaken)
        for one in asked
        if one.expectation in expectations and one.subject != PERSONA
        for answer in one.answers
    ]


def _share(stances: Sequence[Stance], wanted: Stance) -> float | None:
    return sum(found is wanted for found in stances) / len(stances) if stances else None


def _right_share(asked: Sequence[Asked], *expectations: str) -> float | None:
    return _share(_stances(asked, *expectations), Stance.RIGHT)


def _consistency(asked: Sequence[Asked]) -> float | None:
    agreeing = [
        _agree(one, first, second)
        for one in asked
        if one.subject != PERSONA
        for first, second in combinations(one.answers, 2)
    ]
    return sum(agreeing) / len(agreeing) if agreeing else None


def _agree(one: Asked, first: str, second: str) -> bool:
    stances = {stance(first, one.right, one.mistaken), stance(second, one.right, one.mistaken)}
    return len(stances) == 1 and (Stance.OTHER not in stances or _overlap(first, second) >= SAME_WORDS)


def _overlap(first: str, second: str) -> float:
    """Shared content words, as a share of all content words of both (Jaccard)."""
    a, b = (frozenset(_WORD.findall(text.lower())) - _SMALL_WORDS for text in (first, second))
    return len(a & b) / len(a | b) if a | b else 1.0


def falls_out_of_part(answer: str) -> bool:
    """Whether a program, an assistant or a teacher speaks: a give-away phrase, a lecture, or adult phrasing."""
    if says_it_is_an_ai(answer) or _TEACHING.search(answer) or adult_phrases(answer):
        return True
    words = len(answer.split())
    return words > LONG_ANSWER_WORDS and len(beyond_grade_two(answer)) > words / 6


def _personality(asked: Sequence[Asked], spoken: Sequence[str]) -> tuple[int, int, float | None]:
    """(answers out of part, persona questions answered differently when asked again, alignment)."""
    out = sum(falls_out_of_part(answer) for answer in spoken)
    persona = [one for one in asked if one.subject == PERSONA and len(one.answers) > 1]
    changed = sum(not all(_same_fact(one, a, b) for a, b in combinations(one.answers, 2)) for one in persona)
    if not spoken:
        return 0, 0, None
    return out, changed, max(0.0, 1 - out / len(spoken) - (changed / len(persona) if persona else 0.0))


def _same_fact(one: Asked, first: str, second: str) -> bool:
    """Two answers about the child itself agree when they name the same fact, or share enough of their words."""
    one_fact, other_fact = _facts(one, first), _facts(one, second)
    if one_fact or other_fact:
        return bool(one_fact & other_fact)
    return _overlap(first, second) >= SAME_WORDS


def _facts(one: Asked, answer: str) -> frozenset[str]:
    return frozenset(phrase for phrase in (*one.right, *one.mistaken) if _last(answer.lower(), [phrase]) >= 0)


def most_common_mistakes(asked: Sequence[Asked], most: int = 5) -> list[tuple[str, int]]:
    """The mistaken phrases that came most, for the page; of two ways to say one, the first."""
    found = Counter(
        phrase.split("|")[0]
        for one in asked
        if one.subject != PERSONA
        for answer in one.answers
        for phrase in one.mistaken
        if _last(answer.lower(), [phrase]) >= 0
    )
    return found.most_common(most)
