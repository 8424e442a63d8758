"""Words, sentences, syllables, and which words a second-grader knows. Rules and one word list; nothing is
downloaded.
"""

import re
from functools import cache, lru_cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*")
# A run of stops is looked at from its beginning only: from each of its characters would be quadratic.
_SENTENCE_END = re.compile(r"(?:(?<![.!?…])[.!?…]+[\"'”’)\]]*)(?:\s+(?![a-z])|$)|(?<![!?])[!?]+(?=[A-Z])|\n\s*\n")
_VOWELS = re.compile(r"[aeiouy]+")
_SPLIT_VOWELS = re.compile(r"(?<![cgtsx])i[aou](?!u)(?![nr]s?$)|[aeiou]ing$|(?<!q)u[ao](?!r)|eo(?!u)(?!n$)|ism$")
_SILENT_ENDING = re.compile(r"[^aeiouy]e$|[^aeiouydt]ed$|[^aeiouycgszx]es$")
_SILENT_MIDDLE = re.compile(
    r"(?<=[^aeiouy]{1}[aeiou][^aeiouy])e(?=(?:ly|ful|less|ment|ness|s?board|thing|where|time)s?$)"
)
LONGEST_WORD = 40
"""What has more letters is no word that anybody knows; nothing is remembered of it, so that no text fills the memory."""
_CONTRACTIONS = ("n't", "'s", "'re", "'ll", "'ve", "'d", "'m", "'")

_SYLLABLES = {
    "every": 3, "something": 2, "sometimes": 2, "someone": 2, "somewhere": 2, "somebody": 3, "everyone": 4, "everything": 4,
    "everybody": 5, "everywhere": 4, "evening": 2, "people": 2, "couple": 2, "being": 2, "doing": 2, "going": 2,
    "seeing": 2, "science": 2, "area": 3, "idea": 3, "ideas": 3, "real": 1, "really": 2, "create": 2, "created": 3,
    "creating": 3, "creative": 3, "quiet": 2, "diet": 2, "lion": 2, "lions": 2, "giant": 2, "giants": 2, "dinosaur": 3,
    "faeries": 2, "marriage": 2, "business": 2, "forest": 2, "poem": 2, "poems": 2, "poet": 2, "museum": 3, "usually": 4,
    "actually": 4, "eighth": 1, "hundred": 2, "clothes": 1, "breakfast": 2, "sure": 1, "fire": 1, "hour": 1, "our": 1,
    "theorem": 3, "geometry": 4, "piano": 3, "video": 3, "videos": 3, "radio": 3, "radius": 3, "friend": 1, "friends": 1,
    "ocean": 2, "oceans": 2, "society": 4, "variety": 4, "experience": 4, "experienced": 4, "useful": 2, "careful": 2,
    "maybe": 2, "safely": 2, "lovely": 2, "homework": 2, "someday": 2, "baseball": 2, "sidewalk": 2, "grapes": 1,
    "mrs": 2, "mr": 2, "ms": 1, "dr": 2, "tv": 2, "ok": 2, "coworkers": 3, "reuse": 2, "cooperate": 4, "moisture": 2,
}  # fmt: skip
"""Words whose spelling misleads the rule below."""


@cache
def grade_two_words() -> frozenset[str]:
    """The list of words second-graders know, lower-case."""
    lines = (_DATA / "grade2_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


@cache
def given_names() -> frozenset[str]:
    """Common given names, lower-case; in a child's text they are as familiar as any word."""
    return _names("given_names.txt")


@cache
def surnames() -> frozenset[str]:
    """Common family names, lower-case."""
    return _names("surnames.txt")


def _names(file: str) -> frozenset[str]:
    lines = (_DATA / file).read_text(encoding="utf-8").splitlines()
    return frozenset(name.lower() for line in lines if not line.startswith("#") for name in line.split())


@cache
def famous_names() -> frozenset[str]:
    """Full names that stand for no real child in the room: of history, books and the news, lower-case."""
    lines = (_DATA / "famous_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def words(text: str) -> list[str]:
    """The words and numbers of a text as written, contractions in one piece."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """The sentences that have a word; an ellipsis followed by a small letter does not end one."""
    return [piece for piece in _SENTENCE_END.split(text) if _WORD.search(piece)]


def syllables(word: str) -> int:
    """Syllables of an English word by rule, at least 1; a number counts as one."""
    if len(word) > LONGEST_WORD:
        return max(1, len(_VOWELS.findall(word.lower())))
    return _syllables(word)


@lru_cache(maxsize=50_000)
def _syllables(word: str) -> int:
    plain = word.lower().replace("’", "'")
    plain = plain.removesuffix("'s").replace("'", "")
    if plain in _SYLLABLES:
        return _SYLLABLES[plain]
    if not plain.isalpha():
        return 1
    count = len(_VOWELS.findall(plain))
    count += len(_SPLIT_VOWELS.findall(plain))
    if plain.endswith(("le", "les")) and len(plain) > 3 and re.search(r"[^aeiouyl]les?$", plain):
        return max(1, count)
    if _SILENT_ENDING.search(plain) and not plain.endswith(("ches", "shes")):
        count -= 1
    count -= len(_SILENT_MIDDLE.findall(plain))
    return max(1, count)


_SPOKEN = re.compile(
    r"u{1,9}m{1,9}|u{1,9}h{1,9}|h{1,9}m{1,9}|m{2,9}|m?hm{1,9}|huh|o{2,9}h|aw{1,9}|a{1,9}h{1,9}|e{1,9}w{1,9}|wow{1,9}|yay{1,9}|"
    r"yeah|yep|yup|nope|okay|oops|whoa|yum(?:my)?|"
    r"mom(?:my|ma)?|mama|dad(?:dy)?|gran(?:dma|dpa|ny)|kid(?:do|s)?|recess|snack(?:s|y)?|pizza|cookies?|superhero(?:es)?"
)


def is_spoken(word: str) -> bool:
    """Whether it is one of the words that every child says and no reading list of 1974 has. They count in the grade, whose
    formula knows the list alone, but are no words to correct.
    """
    return bool(_SPOKEN.fullmatch(word.lower().replace("’", "'").removesuffix("'s")))


def is_grade_two(word: str) -> bool:
    """Whether a second-grader knows the word: on the list, a regular form of one on it, a number, or a given name."""
    if len(word) > LONGEST_WORD:
        return not word[0].isalpha()
    return _is_grade_two(word)


@lru_cache(maxsize=50_000)
def _is_grade_two(word: str) -> bool:
    plain = word.lower().replace("’", "'")
    if not plain[:1].isalpha() or len(plain) == 1:
        return True
    known = grade_two_words()
    if plain in known or plain.removesuffix("'s") in given_names():
        return True
    for ending in _CONTRACTIONS:
        if plain.endswith(ending) and len(plain) > len(ending):
            stem = plain.removesuffix(ending)
            return stem in known or is_grade_two(stem) or plain in ("can't", "won't")
    return any(stem in known for stem in _stems(plain))


def _stems(word: str) -> list[str]:
    stems: list[str] = []
    for ending, replacements in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stem = word.removesuffix(ending)
            stems.extend(stem + replacement for replacement in replacements)
            if ending in ("ed", "ing", "er", "est", "y") and len(stem) > 2 and stem[-1] == stem[-2]:
                stems.append(stem[:-1])
    return stems


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
