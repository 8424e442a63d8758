"""How common a word is, and which word a child meant by one that it spelled as it sounds.

Frequencies come from `wordfreq` (Apache-2.0; its data CC BY-SA 4.0), on its Zipf scale: 3 is once in a million words, 6 once
in a thousand.
"""

import math
import re
from functools import cache, lru_cache

from second_grade.words import LONGEST_WORD, plain

UNKNOWN = 1.0
"""The Zipf frequency given to a word that is not in the list at all."""
_COMMON = 3.0  # a child spells by ear only words that it says: those above this frequency
_LEAST_LIKELY = (
    -3.0
)  # mean log10 share of letter pairs; of 20,000 common words one in a hundred is below
_KNOWN = 2.9  # a rarer word is first looked at as one that was spelled by ear
_FOLDED = (
    (re.compile(r"tion|sion|shun|shin"), "SN"),
    (re.compile(r"ough|augh"), "O"),
    (re.compile(r"^kn|^gn"), "n"),
    (re.compile(r"^wr"), "r"),
    (re.compile(r"^wh"), "w"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"tch|ch"), "C"),
    (re.compile(r"sh"), "S"),
    (re.compile(r"th"), "T"),
    (re.compile(r"ck|qu?|x|c(?![eiyh])|k"), "k"),
    (re.compile(r"c|z|s"), "s"),
    (re.compile(r"dge?|j|g(?=[eiy])"), "j"),
    (re.compile(r"gh"), ""),
    (re.compile(r"mb$"), "m"),
    (re.compile(r"v"), "f"),
    (re.compile(r"(?<=.)ed$"), "d"),
    (re.compile(r"(?<=.)e$"), ""),
    (re.compile(r"(?<=.)[aeiouyw]+|^[aeiou][aeiouyw]*"), "a"),
    (re.compile(r"a?r"), "r"),
    (re.compile(r"a?l"), "l"),
    (re.compile(r"(.)\1+"), r"\1"),
)


@cache
def _frequencies() -> dict[str, float]:
    from wordfreq import get_frequency_dict

    return get_frequency_dict("en", wordlist="best")


def zipf(word: str) -> float:
    """The Zipf frequency of a word (about 1 to 8); `UNKNOWN` where it is not known; a number is as common as "the"."""
    if len(word) > LONGEST_WORD:
        return UNKNOWN
    if word[:1].isdigit():
        return 7.0
    return _zipf(plain(word))


@lru_cache(maxsize=50_000)
def _zipf(word: str) -> float:
    known = _frequencies()
    found = known.get(word) or known.get(word.removesuffix("'s"))
    return math.log10(found) + 9 if found else UNKNOWN


@cache
def _by_sound() -> dict[str, tuple[str, ...]]:
    sounds: dict[str, list[str]] = {}
    for word, frequency in _frequencies().items():
        if math.log10(frequency) + 9 >= _COMMON and word.isalpha() and len(word) > 1:
            sounds.setdefault(sound(word), []).append(word)
    return {key: tuple(found) for key, found in sounds.items()}


def sound(word: str) -> str:
    """How a word sounds, roughly: consonants in classes, every run of vowels as one."""
    key = plain(word).replace("'", "")
    for pattern, instead in _FOLDED:
        key = pattern.sub(instead, key)
    return key


def meant(word: str) -> str | None:
    """The common word that a child may have meant by this unknown one ("becuz": because), or None.

    It has to sound alike, or to differ from a common word by one letter too many, too few or wrong, with the first letter right.
    """
    if not word.isalpha():
        return None
    if len(word) > LONGEST_WORD:
        word = re.sub(r"(.)\1{2,}", r"\1", word[:400])
    return _meant(plain(word)) if len(word) <= LONGEST_WORD else None


@lru_cache(maxsize=20_000)
def _meant(word: str) -> str | None:
    stretched = re.sub(r"(.)\1{2,}", r"\1", word)
    if stretched != word and zipf(stretched) >= _COMMON:
        return stretched
    alike = [other for other in _by_sound().get(sound(word), ()) if _near(word, other)]
    if alike:
        return max(alike, key=zipf)
    if len(word) < 4:
        return None
    one_off = [other for other in _one_letter_off(word) if zipf(other) >= _COMMON]
    return max(one_off, key=zipf) if one_off else None


def _near(word: str, other: str) -> bool:
    """Alike enough in letters as well: at least half of the letter pairs of the shorter are in the longer."""
    consonants, others = re.sub(r"[aeiouy]", "", word), re.sub(r"[aeiouy]", "", other)
    return abs(len(word) - len(other)) <= 3 and abs(len(consonants) - len(others)) <= 2


@cache
def _by_letters() -> dict[str, str]:
    """Each common word of four letters or more, whole and with any one letter but the first left out, to the commonest such word.

    Two words that are one letter apart share an entry, so that looking one up costs as many steps as it has letters:
    trying every letter in every place cost 600 steps, and half a minute for 200 KB of words that are none.
    """
    common = [word for word, share in _frequencies().items() if math.log10(share) + 9 >= _COMMON]
    index: dict[str, str] = {}
    for word in common:  # the commonest first, as the list has them
        if len(word) >= 4 and word.isalpha() and word.isascii():
            for key in _with_one_less(word):
                index.setdefault(key, word)
    return index


def _with_one_less(word: str) -> list[str]:
    return [word, *(word[:at] + word[at + 1 :] for at in range(1, len(word)))]


def _one_letter_off(word: str) -> set[str]:
    index = _by_letters()
    return {index[key] for key in _with_one_less(word) if key in index}


@cache
def _letter_pairs() -> dict[str, float]:
    """Log10 share of each pair of neighbouring letters in the 20,000 most common words; "^" and "$" stand for the ends."""
    pairs: dict[str, int] = {}
    for word in list(_frequencies())[:20_000]:
        if word.isascii() and word.isalpha() and len(word) > 2:
            for pair in _pairs(word):
                pairs[pair] = pairs.get(pair, 0) + 1
    whole = sum(pairs.values())
    return {pair: math.log10(times / whole) for pair, times in pairs.items()}


def _pairs(word: str) -> list[str]:
    ended = f"^{word}$"
    return [ended[at : at + 2] for at in range(len(ended) - 1)]


def looks_spelled(word: str) -> bool:
    """Whether the letters follow each other as in English words ("hudrid" does, "kjh" and "asdf" do not)."""
    letters = plain(word)[:LONGEST_WORD]
    if not letters.isalpha():
        return True
    known = _letter_pairs()
    likely = [known.get(pair, -6.0) for pair in _pairs(letters)]
    return sum(likely) / len(likely) > _LEAST_LIKELY
