"""Where the phrases of a question stand in a clause of an answer, however they are spelled, and whether they are denied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from second_grade import numbers
from second_grade.questions import Claim, Question, Stance, name_of
from second_grade.spelling import meant, sound, zipf

_A_WORD = 3.6  # Zipf: what is more common is a word of its own, not another one spelled by ear
NEGATION = re.compile(
    r"\b(?:too \w+ to|no way|not|isn'?t|aren'?t|won'?t|wont|doesn'?t|don'?t|didn'?t|can'?t|wasn'?t|never|instead of|rather than)\b"
)


@dataclass(frozen=True)
class Match:
    """A phrase found in a clause: where it begins and ends, how many words it has, and whether it denies in itself."""

    place: int
    end: int
    length: int
    claim: Claim
    denies: bool


@dataclass(frozen=True)
class Told:
    """A word: as written, its stem, what stands for its meaning, its place, its sounds, and the stem of what was meant by it."""

    word: str
    stem: str
    meaning: str
    place: int
    sounds: frozenset[str]
    meant: str


_NO_WORD = 2.9  # Zipf: what is rarer is looked at as a misspelling, even where it has only three letters
MOST_BETWEEN = 2
_LIGHT_TEXT = (
    "just really very all so too kind of like right always is are was be gets get your my our his her its their it we "
    "you us some up down out around way lot more much big little only will would can to in on and i this that then"
)
_LIGHT = frozenset(_LIGHT_TEXT.split())
"""Words that may stand between the words of a phrase."""
_ALIKE = (
    "turn spin rotat twirl rotation spinn",
    "big larg huge giant gigantic hug",
    "bigger larger",
    "small littl tiny teeny",
    "smaller littler tinier",
    "mom mommy mum mama mother mommi",
    "dad daddy papa father",
    "make made mak",
    "giv gave",
    "tell told",
    "say said",
    "keep kept",
    "fall fell",
    "hold held",
    "freez froz frozen",
    "run ran",
    "feel felt",
    "closer nearer",
    "close near",
    "far farther further away",
    "kid child children",
    "people everybody everyone person folk",
    "stuff thing",
    "earth world planet glob",
    "ground floor",
    "next besid",
    "you u us",
    "are r",
    "its his her their ther your my our it's",
    "him them",
    "go went goe",
    "come came",
    "sit sat",
    "sunlight sunshin sunlite",
    "scientist scienc",
    "police polic",
    "teacher teach",
    "picture pictur photo",
    "word werd",
    "friend frend buddy",
    "hurt injur",
    "angry mad",
    "sad unhappy",
    "light lite",
    "ask aks",
    "talk speak",
    "grow grew",
)
_MEANINGS = {stem: alike.split()[0] for alike in _ALIKE for stem in alike.split()}
"""Stem to the stem that stands for all that mean about the same."""


_SCOPE_END = re.compile(r"\b(?:i|it'?s|its|it|he|she|we|they|but|and)\b")


def is_denied(clause: str, match: Match) -> bool:
    """Whether a "not" before the phrase reaches it, or one right after it takes it back ("dog doesn't rhyme")."""
    before = list(NEGATION.finditer(clause, 0, match.place))
    if before:
        between = clause[before[-1].end() : match.place]
        reaches = before[-1].group() == "no way" or not _SCOPE_END.search(between)
        if len(between.split()) <= 4 and reaches:
            return True
    after = NEGATION.search(clause, match.end)
    if after is None or clause[match.end : after.start()].strip(" ,") not in (
        "",
        "is",
        "are",
        "does",
        "do",
        "s",
    ):
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
                wanted = _wanted(way)
                at = _find(told, wanted) if wanted else None
                if at is None:
                    continue
                first, last = told[at[0]], told[at[1]]
                denies = NEGATION.search(way) is not None
                end = last.place + len(last.word)
                found.append(
                    Match(first.place, end, len(wanted), Claim(stance, name_of(phrase)), denies)
                )
    found.sort(key=lambda match: (match.place, -match.length))
    return [one for one in found if not any(_covers(other, one) for other in found)]


@lru_cache(maxsize=20_000)
def _wanted(way: str) -> tuple[Told, ...]:
    """The words of one way to say a phrase."""
    return tuple(_stems(numbers.in_digits(way)))


def _covers(longer: Match, one: Match) -> bool:
    """Whether a longer phrase holds this one inside it: "town is smaller" holds "smaller"."""
    return longer.length > one.length and longer.place <= one.place and one.end <= longer.end


def _find(told: Sequence[Told], wanted: Sequence[Told]) -> tuple[int, int] | None:
    """(where the wanted stems begin, where they end) with no more than two light words between, or None."""
    for at in range(len(told)):
        last = _end_of(told, at, wanted)
        if last is not None:
            return at, last
    return None


def _end_of(told: Sequence[Told], at: int, wanted: Sequence[Told]) -> int | None:
    """The place of the last wanted stem, where the first stands at `at`."""
    if not _same(told[at], wanted[0], alone=len(wanted) == 1):
        return None
    for one in wanted[1:]:
        at += 1
        skipped = 0
        while (
            at < len(told)
            and not _same(told[at], one)
            and told[at].stem in _LIGHT
            and skipped < MOST_BETWEEN
        ):
            at, skipped = at + 1, skipped + 1
        if at >= len(told) or not _same(told[at], one):
            return None
    return at


def _same(told: Told, wanted: Told, alone: bool = False) -> bool:
    """The same stem or, in a phrase of several words, another word for it; or a word that is none of its own and sounds like it."""
    if told.stem == wanted.stem or (not alone and told.meaning == wanted.meaning):
        return True
    if (
        len(wanted.stem) < 3
        or len(told.stem) < 3
        or not wanted.stem.isalpha()
        or not told.stem.isalpha()
    ):
        return False
    is_known = zipf(told.word) >= (_A_WORD if len(wanted.stem) >= 4 else _NO_WORD)
    return not is_known and (bool(told.sounds & wanted.sounds) or told.meant == wanted.stem)


def _stems(text: str) -> list[Told]:
    """The words of a text without articles."""
    found = []
    for match in re.finditer(r"[a-z](?:-[a-z])+(?![a-z])|\d+/\d+|[^\W_]+(?:'[^\W_]+)*", text):
        if match.group() not in ("a", "an", "the"):
            found.append(_told(match.group(), match.start()))
    return found


def _told(word: str, place: int) -> Told:
    stem, sounds, meant_stem = _parts(word)
    return Told(word, stem, _MEANINGS.get(stem, stem), place, sounds, meant_stem)


@lru_cache(maxsize=20_000)
def _parts(word: str) -> tuple[str, frozenset[str], str]:
    """(the stem, how the word and its stem sound, the stem of the common word that it is a misspelling of or "")."""
    stem = _stem(word)
    if not stem.isalpha():
        return stem, frozenset([stem]), ""
    sounds = frozenset(re.sub("d$", "t", sound(one)) for one in (word, stem))
    meant_word = meant(word) if len(word) >= 4 and zipf(word) < _NO_WORD else None
    return stem, sounds, _stem(meant_word) if meant_word else ""


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
