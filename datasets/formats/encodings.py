"""Which encoding the bytes of a text are in, where nothing in the file says it: UTF-8, UTF-16, Windows or Mac."""

import codecs
from dataclasses import dataclass
from typing import Literal

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252, Western Europe",
    "mac_roman": "Mac Roman, Western Europe",
    "cp1250": "Windows-1250, Central Europe",
    "cp1251": "Windows-1251, Cyrillic",
    "cp1253": "Windows-1253, Greek",
    "cp1254": "Windows-1254, Turkish",
}
CHOICES = (
    "utf-8",
    "cp1252",
    "mac_roman",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "utf-16-le",
    "utf-16-be",
)
"""What a person may choose."""
ONE_BYTE = frozenset({"cp1252", "mac_roman", "cp1250", "cp1251", "cp1253", "cp1254"})
_GUESSED = ("cp1252", "mac_roman")  # the first wins where both fit
_SURE_MARGIN = 0.25
"""Points per special character by which the better guess must lead to be sure."""

Sure = Literal["certain", "likely", "unsure"]


@dataclass(frozen=True)
class Guess:
    """`name`: a codec of Python. `samples`: encoding -> a line with special characters, as that encoding reads it."""

    name: str
    sure: Sure = "certain"
    samples: tuple[tuple[str, str], ...] = ()


def encoding_of(first: bytes) -> str:
    """utf-8, utf-8-sig, utf-16(-le/-be) or utf-32 by byte order mark, else by where the zero bytes stand."""
    for bom, name in BOMS:
        if first.startswith(bom):
            return name
    sample = first[: 400 - 400 % 2]
    half = len(sample) // 2
    if half >= 4:
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if odd > half * 0.6 and even < half * 0.1:
            return "utf-16-le"
        if even > half * 0.6 and odd < half * 0.1:
            return "utf-16-be"
    return "utf-8"


def guessed(first: bytes) -> Guess:
    """The encoding of a text by its first bytes. A text of which most special characters are good UTF-8 is UTF-8 with
    damaged places; its rows say where.
    """
    name = encoding_of(first)
    if name != "utf-8" or is_utf8(first):
        return Guess(name)
    replaced = first.decode("utf-8", "replace")
    bad = replaced.count("\ufffd")
    good = sum(ord(char) > 127 for char in replaced) - bad
    if good > bad:
        return Guess("utf-8")
    scores = {encoding: _score(first, encoding) for encoding in _GUESSED}
    best = max(_GUESSED, key=lambda encoding: scores[encoding])
    other = max(score for encoding, score in scores.items() if encoding != best)
    special = sum(byte > 127 for byte in first)
    margin = scores[best] - other
    sure: Sure = "likely" if scores[best] > 0 and margin >= _SURE_MARGIN * special else "unsure"
    return Guess(best, sure, samples(first))


def is_utf8(first: bytes) -> bool:
    """Whether all of it is UTF-8; a character that the end cuts through does not count."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(first)
    except UnicodeDecodeError:
        return False
    return True


def samples(first: bytes) -> tuple[tuple[str, str], ...]:
    """The first line with special characters as each encoding that a person may choose reads it."""
    lines = first[:65536].replace(b"\r", b"\n").split(b"\n")
    line = next((line for line in lines if any(byte > 127 for byte in line)), b"")
    at = next((place for place, byte in enumerate(line) if byte > 127), 0)
    piece = line[max(0, at - 30) : at + 50]
    shown = []
    for encoding in CHOICES:
        if encoding in ONE_BYTE or encoding == "utf-8":
            shown.append((encoding, piece.decode(encoding, "replace")))
    return tuple(shown)


_COMMON_LETTERS = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœ")
_OTHER_LETTERS = frozenset("šžðþı")
_PLAIN_SIGNS = frozenset("€£°½¼¾²³×÷¡¿«»•©®™§")


def _score(first: bytes, encoding: str) -> float:
    """How well the special characters fit where they stand: more is better, less than zero is nonsense."""
    try:
        text = first.decode(encoding)
    except UnicodeDecodeError:
        return -float(len(first))
    framed = f" {text} "
    return sum(
        _fits(framed[place - 1], framed[place], framed[place + 1])
        for place in range(1, len(framed) - 1)
        if ord(framed[place]) > 127
    )


def _fits(before: str, char: str, after: str) -> float:
    if char == "\u00a0":
        return 0.5
    if char in "’‘“”„…–—":
        return 2.0 if _mark_fits(before, char, after) else -0.5
    if char.lower() in _COMMON_LETTERS or char.lower() in _OTHER_LETTERS:
        return _letter_fits(before, char, after)
    return 0.5 if char in _PLAIN_SIGNS and not (before.isalpha() and after.isalpha()) else -1.0


def _mark_fits(before: str, char: str, after: str) -> bool:
    opens = not before.isalnum() and (after.isalnum() or after in "¡¿'‘“…")
    closes = not before.isspace() and not after.isalnum()
    if char == "’":
        return (before.isalpha() and after.isalpha()) or closes or opens  # It’s, dogs’, ’em
    if char in "‘“„":
        return opens
    if char in "–—":
        return before.isspace() == after.isspace() and not (before.isalpha() and after.isalpha())
    return closes or (char == "…" and not after.isalnum())


def _letter_fits(before: str, char: str, after: str) -> float:
    alone = not before.isalpha() and not after.isalpha()
    if char.isupper() and (before.islower() or (before.isalpha() and after.islower())):
        return -1.0  # cafÈ, ItÕs
    if alone and char not in "àèéòóùAÀÉ":
        return -1.0
    return 1.0 if char.lower() in _COMMON_LETTERS else 0.3
