"""Plain measures of how hard a text is to read. Pure: no dependencies, no network.

Per-answer reading grades of short answers are noise, so callers weigh them softly (see `metric.py`).
"""

import re
from functools import cache
from pathlib import Path

_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+(?:\s|$)|\n+")
_VOWEL_GROUP = re.compile(r"[aeiouy]+")
_ENDINGS = ("'s", "s'", "’s", "es", "ed", "er", "ly", "ing", "est", "s", "d", "y")
# "l" + consonant + "le" adds a syllable that the vowel groups already hold ("lit-tle"); other final e's are silent.
_SILENT_E = re.compile(r"[^aeiouyl]e$|[aeiouy]le$|(?<![td])ed$|[^aeiouyscxzg]es$|(?:[^c]|^)hes$")
_CONTRACTION = re.compile(r"n?['’]\w*$")


def words(text: str) -> list[str]:
    """Lower-case words of `text`; digits and punctuation are dropped."""
    return _WORD.findall(text.lower())


def sentences(text: str) -> list[str]:
    """Sentences of `text`, split after . ! ? … and at line breaks; empty ones are dropped."""
    return [part for part in (piece.strip() for piece in _SENTENCE_END.split(text)) if part]


@cache
def syllables(word: str) -> int:
    """Syllables of one English word, by rule: vowel groups, less a silent e. At least 1."""
    stem = re.sub(r"['’]\w*$", "", word.lower())
    count = len(_VOWEL_GROUP.findall(stem))
    if count > 1 and _SILENT_E.search(stem):
        count -= 1
    if re.search(r"(?:[^aeiou]ia|[^aeiouqg]ua|iou|eo|[^aeiou]io)(?!us$|n$|ns$)", stem):
        count += 1
    return max(count, 1)


def grade(text: str) -> float:
    """Flesch-Kincaid grade of `text` (J. P. Kincaid, 1975): 0.39 words/sentence + 11.8 syllables/word - 15.59.

    Returns 0.0 for a text without words.
    """
    found = words(text)
    if not found:
        return 0.0
    per_sentence = len(found) / max(len(sentences(text)), 1)
    return 0.39 * per_sentence + 11.8 * sum(map(syllables, found)) / len(found) - 15.59


@cache
def simple_words() -> frozenset[str]:
    """The words a second-grader is expected to know (`simple_words.txt`, which names its source and licence)."""
    lines = Path(__file__).with_name("simple_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _stems(word: str) -> set[str]:
    found = {word, _CONTRACTION.sub("", word)}
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stem = word[: -len(ending)]
            found |= {stem, stem + "e", stem + "y"}
            if stem.endswith("i"):
                found.add(stem[:-1] + "y")
            if len(stem) > 2 and stem[-1] == stem[-2]:
                found.add(stem[:-1])
    return found


def is_simple(word: str) -> bool:
    """Whether `word` (lower case) or its stem is on the simple list."""
    return not simple_words().isdisjoint(_stems(word))


def hard_share(text: str) -> float:
    """Share (0 to 1) of the different words of `text` that are beyond the simple list and have two or more syllables.

    The first such word is free: a child who says "A triangle!" does not talk like a book. 0.0 without words.
    """
    different = set(words(text))
    hard = sum(not is_simple(word) and syllables(word) > 1 for word in different)
    return max(hard - 1, 0) / len(different) if different else 0.0


def sentence_length(text: str) -> float:
    """Mean words per sentence; 0.0 for a text without words."""
    found = words(text)
    return len(found) / max(len(sentences(text)), 1) if found else 0.0
