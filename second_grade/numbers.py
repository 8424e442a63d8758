"""Numbers as children say and spell them, turned into digits."""

import re
from functools import cache

from second_grade.spelling import sound

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_CHILDS = {
    "fourty": 40,
    "forteen": 14,
    "twenny": 20,
    "thirdy": 30,
    "sevn": 7,
    "thre": 3,
    "fiv": 5,
    "sicks": 6,
    "nin": 9,
    "elevin": 11,
    "twelv": 12,
    "eigth": 8,
    "fordy": 40,
    "forti": 40,
    "fiften": 15,
    "fifteen": 15,
    "fife": 5,
    "siven": 7,
    "seben": 7,
    "ait": 8,
    "nien": 9,
    "thurteen": 13,
    "tirteen": 13,
    "fifdy": 50,
    "fivty": 50,
    "sixdy": 60,
    "sevendy": 70,
    "ninedy": 90,
    "leven": 11,
    "twelf": 12,
}
"""Spellings by ear that count as numbers where a number is expected."""
_ALONE = {
    "ate": 8,
    "fore": 4,
    "for": 4,
    "tree": 3,
    "won": 1,
    "tow": 2,
    "to": 2,
    "too": 2,
    "tin": 10,
    "free": 3,
}
"""Other words that stand for a number where they are the whole answer."""


@cache
def _values() -> dict[str, int]:
    found = {word: value for value, word in enumerate(_ONES.split())}
    found.update({word: 20 + 10 * place for place, word in enumerate(_TENS.split())})
    return found


@cache
def _sounds() -> dict[str, int]:
    return {sound(word): value for word, value in _values().items() if len(word) >= 5}


def value_of(word: str, expected: bool = False) -> int | None:
    """The number that one word names (below 100), or None. `expected`: a number is what was asked for."""
    if word in _values():
        return _values()[word]
    if not expected:
        return None
    if word in _CHILDS:
        return _CHILDS[word]
    return _sounds().get(sound(word)) if len(word) >= 5 and word.isalpha() else None


def in_digits(text: str, expected: bool = False) -> str:
    """The text with its number words as digits: "three hundred fifty" 350, "twenty-three" 23. `text` is in lower case."""
    alone = _ALONE.get(text.strip(" .!?")) if expected else None
    if alone is not None:
        return str(alone)
    pieces = re.split(r"([^\W\d_]+)", re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text))
    told: list[str] = []
    at = 0
    while at < len(pieces):
        value, after = _number_at(pieces, at, expected) if at % 2 else (None, at + 1)
        told.append(pieces[at] if value is None else str(value))
        at = after if value is not None else at + 1
    return "".join(told)


def _number_at(pieces: list[str], at: int, expected: bool) -> tuple[int | None, int]:
    """(the number that begins at this word, the piece after it)."""
    first = value_of(pieces[at], expected)
    if first is None:
        return None, at + 1
    total, after = first, at + 1
    following = _word_after(pieces, after)
    if first >= 20 and first % 10 == 0 and following is not None:
        ones = value_of(following, expected)
        if ones is not None and 0 < ones < 10:
            total, after = first + ones, after + 2
    following = _word_after(pieces, after)
    tens = value_of(following) if following is not None and 0 < first < 10 else None
    if tens is not None and tens >= 20:  # "three fifty"
        return total * 100 + tens, after + 2
    if following == "hundred" and total < 10:
        total, after = total * 100, after + 2
        skip = 2 if _word_after(pieces, after) == "and" else 0
        if _word_after(pieces, after + skip) is not None:
            rest, end = _number_at(pieces, after + skip + 1, expected)
            if rest is not None and rest < 100:
                total, after = total + rest, end
    return total, after


def _word_after(pieces: list[str], at: int) -> str | None:
    """The word after a separator that is only space."""
    if at + 1 < len(pieces) and not pieces[at].strip():
        return pieces[at + 1]
    return None
