"""Where the phrases of a question stand in a clause of an answer, however they are spelled, and whether they are denied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from second_grade import numbers
from second_grade.questions import Claim, Question, Stance, name_of
from second_grade.spelling import sound, zipf

_A_WORD = 3.6  # Zipf: what is more common is a word of its own, not another one spelled by ear
NEGATION = re.compile(
    r"\b(?:too \w+ to|not|isn'?t|aren'?t|won'?t|wont|doesn'?t|don'?t|didn'?t|can'?t|wasn'?t|never|instead of|rather than)\b"
)


@dataclass(frozen=True)
class Match:
    """A phrase found in a clause: where it begins and ends, how many words it has, and whether it denies in itself."""

    place: int
    end: int
    length: int
    claim: Claim
    denies: bool


_SCOPE_END = re.compile(r"\b(?:i|it'?s|its|it|he|she|we|they|but|and)\b")


def is_denied(clause: str, match: Match) -> bool:
    """Whether a "not" before the phrase reaches it, or one right after it takes it back ("dog doesn't rhyme")."""
    before = list(NEGATION.finditer(clause, 0, match.place))
    if before:
        between = clause[before[-1].end() : match.place]
        if len(between.split()) <= 4 and not _SCOPE_END.search(between):
            return True
    after = NEGATION.search(clause, match.end)
    if after is None or clause[match.end : after.start()].strip(" ,") not in ("", "is", "are", "does", "do", "s"):
        return False
    return after.group() not in ("not", "instead of", "rather than", "never")


def matches_in(clause: str, question: Question) -> list[Match]:
    """All phrases in a clause, by place; of those at one place, the longest first."""
    told = _stems(clause)
    found: list[Match] = []
    for stance, listed in ((Stance.RIGHT, question.right), (Stance.MISTAKEN, question.mistaken)):
        for phrase in listed:
            for way in phrase.split("|"):
                if way.startswith("="):
                    continue
                wanted = [(stem, heard) for stem, _, heard in _stems(numbers.in_digits(way))]
                at = _find(told, wanted)
                if at is None:
                    continue
                word, place, _ = told[at + len(wanted) - 1]
                denies = NEGATION.search(way) is not None
                found.append(Match(told[at][1], place + len(word), len(wanted), Claim(stance, name_of(phrase)), denies))
    found.sort(key=lambda match: (match.place, -match.length))
    return [one for one in found if not any(_covers(other, one) for other in found)]


def _covers(longer: Match, one: Match) -> bool:
    """Whether a longer phrase holds this one inside it: "town is smaller" holds "smaller"."""
    return longer.length > one.length and longer.place <= one.place and one.end <= longer.end


def _find(told: Sequence[tuple[str, int, str]], wanted: Sequence[tuple[str, str]]) -> int | None:
    """Where the wanted stems stand in a row, or None. A word of four letters or more may be spelled as it sounds."""
    for at in range(len(told) - len(wanted) + 1):
        if all(_same(told[at + step], stem, heard) for step, (stem, heard) in enumerate(wanted)):
            return at
    return None


def _same(told: tuple[str, int, str], stem: str, sounds: str) -> bool:
    """The same stem; or a word that is none of its own and sounds like it."""
    word, _, heard = told
    if word == stem:
        return True
    return len(stem) >= 4 and len(word) >= 3 and stem.isalpha() and heard == sounds and zipf(word) < _A_WORD


def _stems(text: str) -> list[tuple[str, int, str]]:
    """(stem, place, sound) of each word."""
    found = []
    for match in re.finditer(r"[a-z](?:-[a-z])+(?![a-z])|\d+/\d+|[^\W_]+(?:'[^\W_]+)*", text):
        if match.group() in ("a", "an", "the"):
            continue
        stem = _stem(match.group())
        found.append((stem, match.start(), sound(match.group()) if stem.isalpha() else stem))
    return found


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    straight = word.replace("'", "")
    for ending in ("ing", "ed", "es", "s"):
        stem = straight.removesuffix(ending)
        if stem != straight and len(stem) >= 3 and not straight.endswith("ss"):
            return (
                stem[:-1]
                if len(stem) > 3 and stem[-1] == stem[-2] and ending in ("ing", "ed")
                else stem.removesuffix("e")
            )
    return straight.removesuffix("e") if len(straight) > 3 else straight
