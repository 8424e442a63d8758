"""Which words a second-grader knows, for underlining the others.

A word is known when it is on a list of words that children learn early (`data/`), is a regular form of one, is made of two of
them ("snowball"), is a number or a name, or is a child's own spelling of one ("becuz").
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from second_grade.spelling import meant, sound, zipf
from second_grade.words import LONGEST_WORD, plain

_DATA = Path(__file__).parent / "data"
_CONTRACTIONS = ("n't", "'s", "'re", "'ll", "'ve", "'d", "'m", "'")
_SPOKEN = re.compile(
    r"u{1,9}m{1,9}|u{1,9}h{1,9}|h{1,9}m{1,9}|m{2,9}|m?hm{1,9}|huh|o{2,9}h|aw{1,9}|a{1,9}h{1,9}|e{1,9}w{1,9}|wow{1,9}|ya{1,9}y{1,9}|"
    r"(?:ha){1,9}h?|(?:he){2,9}|lol|idk|thx|pls"
)
_ENDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ies", ("y",)),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ied", ("y",)),
    ("ed", ("", "e")),
    ("ing", ("", "e")),
    ("ier", ("y",)),
    ("er", ("", "e")),
    ("iest", ("y",)),
    ("est", ("", "e")),
    ("ily", ("y",)),
    ("ly", ("",)),
    ("y", ("", "e")),
)
_NO_PARTS = frozenset(
    ["more", "further", "fore", "with", "there", "where", "never", "none", "here", "less"]
)
"""Small words that make grown-up words of known ones: furthermore, therefore, nevertheless."""
_NEAR = 8  # characters before a word in which the end of a sentence is looked for
_LEAST_STEM = 3
_RARE = 2.9  # Zipf: what is rarer may be a child's spelling of a word that it knows


_EVERY_CHILD_SAYS = re.compile(
    r"yeah|yep|yup|nope|okay|oops|whoa|yum(?:my)?|mom(?:my|ma)?|mama|dad(?:dy)?|gran(?:dma|dpa|ny)|kid(?:do|s)?|recess|"
    r"snack(?:s|y)?|pizza|cookies?|superhero(?:es)?"
)


def is_spoken(word: str) -> bool:
    """Whether it is a cry ("um", "wow") or one of the few words that every child says."""
    said = plain(word).removesuffix("'s")
    return _SPOKEN.fullmatch(said) is not None or _EVERY_CHILD_SAYS.fullmatch(said) is not None


@cache
def young_words() -> frozenset[str]:
    """All words of the lists, lower-case."""
    found: set[str] = set()
    for name in ("school_words.txt", "young_words.txt"):
        for line in (_DATA / name).read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                found.update(line.lower().split())
    return frozenset(found)


@cache
def given_names() -> frozenset[str]:
    """Common given names, lower-case; in a child's text they are as familiar as any word."""
    lines = (_DATA / "given_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        name.lower() for line in lines if not line.startswith("#") for name in line.split()
    )


def is_familiar(word: str) -> bool:
    """Whether a second-grader knows the word."""
    if len(word) > LONGEST_WORD:
        return not word[0].isalpha()
    return _is_familiar(plain(word))


@lru_cache(maxsize=50_000)
def _is_familiar(word: str) -> bool:
    if not word[:1].isalpha() or len(word) <= 2 or _SPOKEN.fullmatch(word):
        return True
    if _is_listed(word) or word.removesuffix("'s") in given_names():
        return True
    for ending in _CONTRACTIONS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return _is_familiar(word.removesuffix(ending))
    if _is_made_of_two(word):
        return True
    instead = meant(word) if zipf(word) < _RARE else None
    return instead is not None and _is_listed(instead)


def sounds_familiar(word: str) -> bool:
    """Whether a short word is spelled as a word that a second-grader knows sounds ("sed": said, "kat": cat)."""
    return len(word) <= 6 and word.isalpha() and sound(word) in _young_sounds()


@cache
def _young_sounds() -> frozenset[str]:
    return frozenset(sound(word) for word in young_words() if len(word) > 1)


@cache
def spache_words() -> frozenset[str]:
    """The revised list that Spache's formula counts by; for that formula only."""
    lines = (_DATA / "spache_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        line.strip().lower() for line in lines if line.strip() and not line.startswith("#")
    )


def is_on_spache_list(word: str) -> bool:
    """Whether Spache's formula counts the word as known: on its list, a regular form, a number, or a given name."""
    if len(word) > LONGEST_WORD:
        return not word[0].isalpha()
    return _is_on_spache_list(plain(word))


@lru_cache(maxsize=50_000)
def _is_on_spache_list(word: str) -> bool:
    known = spache_words()
    if (
        not word[:1].isalpha()
        or len(word) == 1
        or word in known
        or word.removesuffix("'s") in given_names()
    ):
        return True
    for ending in _CONTRACTIONS:
        if word.endswith(ending) and len(word) > len(ending):
            stem = word.removesuffix(ending)
            return (
                word in ("can't", "won't")
                or stem in known
                or any(one in known for one in _stems(stem))
            )
    return any(stem in known for stem in _stems(word))


def _is_listed(word: str) -> bool:
    known = young_words()
    if word in known:
        return True
    return any(stem in known for stem in _stems(word))


def _stems(word: str) -> list[str]:
    stems: list[str] = []
    for ending, replacements in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2:
            continue
        stems.extend(stem + replacement for replacement in replacements)
        if len(stem) >= _LEAST_STEM and stem[-1] == stem[-2]:
            stems.append(stem[:-1])
    return stems


def _is_made_of_two(word: str) -> bool:
    """Whether it is a compound of two known words of three letters or more ("snowball", "firefighters")."""
    known = young_words()
    cuts = range(_LEAST_STEM, len(word) - _LEAST_STEM + 1)
    return any(
        word[:cut] in known
        and word[:cut] not in _NO_PARTS
        and word[cut:] not in _NO_PARTS
        and _is_listed(word[cut:])
        for cut in cuts
    )


def unfamiliar_spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, word) of each word beyond second grade, for underlining. Names are left out."""
    spans = []
    for found in re.finditer(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text):
        word = found.group()
        if not is_familiar(word) and not _is_name(text, found):
            spans.append((found.start(), found.end(), word))
    return spans


def _is_name(text: str, found: re.Match[str]) -> bool:
    """Whether it has a capital in the middle of a sentence and stands among words in small letters: a name."""
    word, before = found.group(), text[max(0, found.start() - _NEAR) : found.start()].rstrip()
    if not word[0].isupper() or word.isupper() or not before:
        return False
    return before[-1] not in '.!?…"“:' and word[1:].islower()


def unfamiliar(texts: Iterable[str]) -> Counter[str]:
    """How often each word beyond second grade is said, lower-case."""
    return Counter(
        plain(word)[:LONGEST_WORD] for text in texts for _, _, word in unfamiliar_spans(text)
    )
