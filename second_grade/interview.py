"""What a standard interview shows about a bot: the course guide's four metrics, and one figure of all.

1. Language: child-likeness of all answers together (`childlikeness.py`), and the Spache grade beside it.
2. Consistency: of the pairs of answers to one question that claim something, the share that claims the same. "I don't know" twice
   is no agreement: a bot that always says so would look steady.
3. Knowledge: the share of right answers to what a second-grader knows; and of what comes later, where a child's is low.
4. Personality: the share of answers about itself that a child of seven or eight in second grade gives, less what changes when it
   is asked again, less the answers in which a program, an assistant or a teacher speaks.

`quality` is the weighted geometric mean of these and of two guards, `answering` (it claims something about what was asked)
and `variety` (it says different things to different questions): what is nothing in one of them is nothing in all, so that no
constant, list or copy comes out well. Tested on the 32 made bots of `tests/second_grade/bots.py` against an order that was
written down before.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from second_grade import VERSION, childlikeness, phrases
from second_grade.familiar import unfamiliar_spans
from second_grade.learning import Corrected, FlipScore, feedback, flip_score, item_for
from second_grade.matching import matches_in
from second_grade.questions import Claim, Question, Stance
from second_grade.reading_level import grade_of
from second_grade.stance import claim
from second_grade.words import plain, words

KNOWN = "known"
SHAKY = "shaky"
BEYOND = "beyond"
PERSONA = "persona"
LONG_ANSWER_WORDS = 60  # a second-grader rarely says so much at once
ENOUGH_KNOWN = 0.7
ENOUGH_ANSWERED = 0.6
ENOUGH_VARIETY = 0.8
"""From these shares on a part has full marks: a child need not know all, answer all, or never say the same twice."""
WEIGHTS = {
    "language": 1.5,
    "answering": 1.5,
    "variety": 1.0,
    "consistency": 1.0,
    "knowledge": 1.0,
    "personality": 1.5,
}
LEAST = 0.02  # a part that is nothing counts as this, so that bots below the worst child keep an order
LIST_FROM = 3
"""An answer that names so many phrases, right and mistaken ones, and nothing else claims none of them."""


@dataclass(frozen=True)
class Asked:
    """One question of the script with all answers to it, follow-ups left out of `answers`.

    `expectation`: known, shaky or beyond. `right`, `mistaken`: phrases in lower case, "7|seven" for two ways to say one.
    `wordings`: how it was asked. `corrected`: answers after each kind of feedback on a mistake (`learning.FEEDBACKS`).
    """

    subject: str
    expectation: str
    right: Sequence[str]
    mistaken: Sequence[str]
    answers: Sequence[str]
    follow_ups: Sequence[str] = ()
    wordings: Sequence[str] = ()
    corrected: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        return Question(tuple(self.wordings), tuple(self.right), tuple(self.mistaken))


@dataclass(frozen=True)
class Metrics:
    """The metrics; shares are 0 to 1 and None where nothing was asked that could tell. `grade` is a Spache grade.

    `childlike`: the child-likeness score; `language_problem`: what the answers are when they are no English talk, else empty.
    `quality`: all in one, 0 to 1. `flips`: the selective flip score, which is no part of `quality`. `version`: of the package
    that measured; figures of different versions are not compared.
    """

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
    childlike: float | None = None
    language_problem: str = ""
    language_sentence: str = ""
    answering: float | None = None
    variety: float | None = None
    quality: float | None = None
    version: str = ""
    flips: FlipScore | None = None


def measure(asked: Sequence[Asked]) -> Metrics:
    """All metrics over one interview."""
    spoken = [answer for one in asked for answer in (*one.answers, *one.follow_ups)]
    taught = [one for one in asked if one.subject != PERSONA]
    read = grade_of(spoken)
    language = childlikeness.read(spoken) if spoken else None
    claims = {id(one): [what_it_claims(one, answer) for answer in one.answers] for one in asked}
    out, changed, personality = _personality(asked, claims, spoken)
    known = _right_share(taught, claims, KNOWN)
    over = _right_share(taught, claims, SHAKY, BEYOND)
    parts = {
        "language": language.score if language else None,
        "answering": _answering(taught, claims),
        "variety": _variety(asked),
        "consistency": _consistency(taught, claims),
        "knowledge": _knowledge(known, over),
        "personality": personality,
    }
    return Metrics(
        grade=read.grade,
        grade_words=read.words,
        grade_sentence=read.sentence,
        consistency=parts["consistency"],
        right_known=known,
        right_shaky=_right_share(taught, claims, SHAKY),
        right_beyond=_right_share(taught, claims, BEYOND),
        mistaken=_share(_stances(taught, claims, KNOWN, SHAKY, BEYOND), Stance.MISTAKEN),
        over_correctness=over,
        personality=personality,
        out_of_part=out,
        persona_changed=changed,
        mean_words=round(read.words / len(spoken), 1) if spoken else 0.0,
        answers=len(spoken),
        childlike=parts["language"],
        language_problem=(language.problem or "") if language else "",
        language_sentence=language.sentence if language else "",
        answering=parts["answering"],
        variety=parts["variety"],
        quality=_quality(parts, is_talk=language.problem is None) if language else None,
        version=VERSION,
        flips=flip_score([_corrected(one) for one in taught if one.corrected]),
    )


Claims = dict[int, list[Claim]]


def _corrected(one: Asked) -> Corrected:
    return Corrected(
        {
            kind: [stance_after_feedback(one, kind, answer) for answer in answers]
            for kind, answers in one.corrected.items()
        }
    )


def stance_after_feedback(one: Asked, kind: str, answer: str) -> Stance:
    """What an answer claims after that feedback (`learning.FEEDBACKS`). To repeat what the teacher said is no answer."""
    item = item_for(one.wordings[0]) if one.wordings else None
    if item is None or _copies(answer, (feedback(item, kind),)):
        return Stance.OTHER
    return what_it_claims(one, answer).stance


def what_it_claims(one: Asked, answer: str) -> Claim:
    """What an answer claims; nothing where it only copies the question or lists phrases."""
    if _copies(answer, one.wordings) or _lists(answer, one.question):
        return Claim(Stance.OTHER)
    return claim(answer, one.question)


def _copies(answer: str, wordings: Sequence[str]) -> bool:
    """Whether nearly all that it says was in the question, and nearly all of the question is in it."""
    said = {plain(word) for word in words(answer)}
    for wording in wordings:
        asked = {plain(word) for word in words(wording)}
        if len(said) >= 4 and asked and len(said & asked) >= 0.8 * max(len(said), len(asked)):
            return True
    return False


def _lists(answer: str, question: Question) -> bool:
    """Whether it names right and mistaken phrases in a row without a sentence around them."""
    named = matches_in(answer.lower(), question)
    stances = {match.claim.stance for match in named}
    if len(named) < LIST_FROM or len(stances) < 2:
        return False
    in_phrases = sum(match.length for match in named)
    return in_phrases >= 0.7 * len(words(answer)) or len(words(answer)) > 2 * LONG_ANSWER_WORDS


def _stances(asked: Sequence[Asked], claims: Claims, *expectations: str) -> list[Stance]:
    return [
        found.stance
        for one in asked
        if one.expectation in expectations
        for found in claims[id(one)]
    ]


def _share(stances: Sequence[Stance], wanted: Stance) -> float | None:
    return sum(found is wanted for found in stances) / len(stances) if stances else None


def _right_share(asked: Sequence[Asked], claims: Claims, *expectations: str) -> float | None:
    return _share(_stances(asked, claims, *expectations), Stance.RIGHT)


def _answering(asked: Sequence[Asked], claims: Claims) -> float | None:
    """The share of answers that claim something right or mistaken; those that say "I don't know" count a third."""
    stances = _stances(asked, claims, KNOWN, SHAKY, BEYOND)
    if not stances:
        return None
    claimed = sum(found in (Stance.RIGHT, Stance.MISTAKEN) for found in stances)
    return (claimed + sum(found is Stance.UNSURE for found in stances) / 3) / len(stances)


def _variety(asked: Sequence[Asked]) -> float | None:
    """How many different answers there are to different questions, as a share of the questions."""
    firsts = [
        " ".join(plain(word) for word in words(one.answers[0])) for one in asked if one.answers
    ]
    return len(set(firsts)) / len(firsts) if len(firsts) > 1 else None


def _consistency(asked: Sequence[Asked], claims: Claims) -> float | None:
    """Of the pairs in which at least one answer claims something, the share that claims the same."""
    agreeing = [
        first.stance is second.stance
        for one in asked
        for first, second in combinations(claims[id(one)], 2)
        if {first.stance, second.stance} & {Stance.RIGHT, Stance.MISTAKEN}
    ]
    return sum(agreeing) / len(agreeing) if agreeing else None


def _knowledge(known: float | None, over: float | None) -> float | None:
    """What it should know, less for knowing what comes later: knowing all of that takes half."""
    if known is None:
        return None
    too_much = max(0.0, (over or 0.0) - 0.5)
    return min(1.0, known / ENOUGH_KNOWN) * (1 - too_much)


def falls_out_of_part(answer: str) -> bool:
    """Whether a program, an assistant or a teacher speaks: a give-away phrase, a lecture, or adult phrasing."""
    if (
        phrases.says_it_is_an_ai(answer)
        or phrases.teaching_phrases(answer)
        or phrases.adult_phrases(answer)
    ):
        return True
    count = len(words(answer))
    return count > LONG_ANSWER_WORDS and len(unfamiliar_spans(answer)) > count / 6


def _personality(
    asked: Sequence[Asked], claims: Claims, spoken: Sequence[str]
) -> tuple[int, int, float | None]:
    """(answers out of part, facts about itself that changed, alignment)."""
    out = sum(falls_out_of_part(answer) for answer in spoken)
    about_itself = [one for one in asked if one.subject == PERSONA and one.answers]
    changed = sum(_has_changed(one, claims[id(one)]) for one in about_itself)
    if not spoken:
        return 0, 0, None
    fits = 1.0
    if about_itself:
        stances = [found.stance for one in about_itself for found in claims[id(one)]]
        false_ones = sum(stance is Stance.MISTAKEN for stance in stances)
        nothing_said = sum(stance in (Stance.OTHER, Stance.UNSURE) for stance in stances)
        fits = 1 - (2 * false_ones + nothing_said) / len(stances) - changed / len(about_itself)
    return out, changed, max(0.0, fits - 2 * out / len(spoken))


def _has_changed(one: Asked, claims: Sequence[Claim]) -> bool:
    """Whether it gave two different facts about itself."""
    told = {found.what for found in claims if found.stance in (Stance.RIGHT, Stance.MISTAKEN)}
    if len(told) < 2:
        return False
    named = [
        {match.claim.what for match in matches_in(answer.lower(), one.question)}
        for answer in one.answers
    ]
    shared = [
        set.intersection(a, b) for a, b in combinations([names for names in named if names], 2)
    ]
    return not shared or not all(shared)


def _quality(parts: dict[str, float | None], *, is_talk: bool) -> float:
    """The weighted geometric mean of the parts that exist. Gibberish, loops and other languages have nothing in any part,
    whatever words are in them.
    """
    if not is_talk:
        parts = {
            name: 0.0 if value is not None and name != "variety" else value
            for name, value in parts.items()
        }
    full = {"answering": ENOUGH_ANSWERED, "variety": ENOUGH_VARIETY}
    there = {
        name: min(1.0, value / full.get(name, 1.0))
        for name, value in parts.items()
        if value is not None
    }
    # A part that could have been told and was not (it never claims anything twice) is worth nothing.
    if "consistency" not in there and "answering" in there:
        there["consistency"] = 0.0
    weight = sum(WEIGHTS[name] for name in there)
    logs = sum(WEIGHTS[name] * math.log(max(LEAST, value)) for name, value in there.items())
    return round(math.exp(logs / weight), 4)


def most_common_mistakes(asked: Sequence[Asked], most: int = 5) -> list[tuple[str, int]]:
    """The misconceptions that were claimed most, for the page; of two ways to say one, the first."""
    found = Counter(
        made.what
        for one in asked
        if one.subject != PERSONA
        for made in _mistakes(one)
        if re.search(r"\D", made.what)
    )
    return found.most_common(most)


def _mistakes(one: Asked) -> Iterable[Claim]:
    claims = (what_it_claims(one, answer) for answer in one.answers)
    return [found for found in claims if found.stance is Stance.MISTAKEN]
