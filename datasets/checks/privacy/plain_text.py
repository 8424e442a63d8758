"""A text as its rules read it: one spelling for each dash, blank, quote and letter, and where each character came from.

Whoever writes a name with a letter of another alphabet that looks the same, or puts invisible characters into a number,
is read like everybody else.
"""

import re
import unicodedata
from dataclasses import dataclass

_DASHES = "‐‑‒–—―−﹘﹣－⁃"
_QUOTES = "’‘ʼʻ‛′`´＇ʹ"
_DOUBLE_QUOTES = "“”„‟″«»"
_DOTS = "․。｡"
_ONE_FOR_ONE = {
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys(_QUOTES, "'"),
    **dict.fromkeys(_DOUBLE_QUOTES, '"'),
    **dict.fromkeys(_DOTS, "."),
    "\u2028": "\n",
    "\u2029": "\n",
}
_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјокрсухһԁԛԝѵΑΒΕΖΗΙΚΜΝΟΡΤΥΧοικρυνχαɑɡ",
    "ABESIJKMHOPCTYXaesijokpcyxhdqwvABEZHIKMNOPTYXoikpuvxaag",
)
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_WORD = re.compile(r"[A-Za-z]{2}")
_LATIN_LETTER = re.compile(r"[A-Za-zÀ-ɏ]")
_MOST_MARKS = 8
"""Marks on one letter that are looked at: more stand on no letter of any alphabet, and putting them in order takes time."""


@dataclass(frozen=True)
class PlainText:
    """`text` is what rules read. Its character `at` stands for `starts[at]` up to `ends[at]` of the original."""

    text: str
    starts: list[int] | range
    ends: list[int] | range

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` (not empty) stands in the original."""
        return self.starts[start], self.ends[end - 1]


def plain_text(original: str) -> PlainText:
    """The text in one spelling. The time taken grows with its length and no faster."""
    if original.isascii():
        return PlainText(original, range(len(original)), range(1, len(original) + 1))
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at, length = 0, len(original)
    while at < length:
        end = at + 1
        while end < length and unicodedata.combining(original[end]):
            end += 1
        for character in _spelled(original[at : min(end, at + 1 + _MOST_MARKS)]):
            characters.append(character)
            starts.append(at)
            ends.append(end)
        at = end
    return PlainText(_in_latin("".join(characters)), starts, ends)


def _spelled(cluster: str) -> str:
    """One letter with its marks as the rules read it; nothing where it can't be seen."""
    if cluster.isascii():
        return cluster
    kept: list[str] = []
    for character in unicodedata.normalize("NFKC", cluster):
        category = unicodedata.category(character)
        if character in _ONE_FOR_ONE:
            kept.append(_ONE_FOR_ONE[character])
        elif category == "Zs":
            kept.append(" ")
        elif category == "Nd":
            kept.append(str(unicodedata.decimal(character)))
        elif category not in ("Cf", "Mn", "Me"):
            kept.append(character)
    return "".join(kept)


def _in_latin(text: str) -> str:
    """Letters of other alphabets that look like Latin ones, where they stand among Latin ones, made Latin."""
    if not _LATIN_WORD.search(text):
        return text
    return _WORD.sub(_word_in_latin, text)


def _word_in_latin(found: "re.Match[str]") -> str:
    word = found.group()
    if word.isascii():
        return word
    changed = word.translate(_LOOK_ALIKES)
    if changed == word:
        return word
    return changed if _LATIN_LETTER.search(word) or changed.isascii() else word
