"""What is known of words: whether people write one with a small letter, whether it is part of names, how like a name it is.

The lists are made by `tools/build_name_data.py` (sources and licences stand there) and `data/not_people.txt` by hand.
"""

import gzip
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from datasets.checks.names import given_names, surnames
from datasets.checks.privacy.kinds import word_set
from second_grade.familiar import spache_words

_DATA = Path(__file__).parents[1] / "data"
_SPECIAL = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
    }
)
LONGEST = 30
"""What has more letters is no name; nothing is remembered of it."""
_FUNCTION_WORDS = word_set(
    "a about across after again against all along already also although always am among an and another "
    "any anyone anything are aren't around as ask at away back be became because been before began behind "
    "being below beside best better between both but by call called came can can't cannot come could "
    "couldn't cried day did didn't do does doesn't doing don't done down drew during each either else "
    "enough even ever every everybody everyone everything except far few find first for from gave get "
    "gets getting give go goes going gone gonna good got had hadn't hardly has hasn't have haven't he "
    "he'd he'll he's hello help helped her here here's hers herself hey hi him himself his how i i'd i'll "
    "i'm i've if in inside into is isn't it it'd it'll it's its itself just kept knew know knows last "
    "later least less let let's like liked lived lives look looked looks made make makes many maybe me "
    "mine more most much must my myself name named names near need needs never next no nobody none nor "
    "not nothing now of off often oh ok okay on once one ones only onto or other others our ours out "
    "outside over play played plays please put quite ran rather read really run said same sat saw say "
    "says see sees seems set shall she she'd she'll she's should shouldn't since sit sits sitting so some "
    "somebody someone something sometimes soon stay still such sure take taken takes tell tells than "
    "thank thanks that that's the their theirs them themselves then there there's these they they'd "
    "they'll they're they've thing things think this those though through to today told tomorrow tonight "
    "too took toward tried try two um uh under until up upon us use used very wait want wanted wants was "
    "wasn't way we we'd we'll we're we've well went were weren't what what's when where where's whether "
    "which while who who's whole whom whose why with within without won't wow would wouldn't yeah yes "
    "yesterday yet you you'd you'll you're you've your yours yourself yay mr mrs ms miss mx dr three four "
    "five six seven eight nine ten hence thus however therefore moreover otherwise meanwhile finally "
    "suppose notice remember imagine guess correct incorrect great nice awesome super cool alright eleven "
    "twelve twenty thirty hundred zero class classroom school teacher student students pupil kid kids "
    "child children boy girl friend friends mom mum mommy dad daddy mother father brother sister cousin "
    "aunt uncle grandma grandpa"
)


def folded(word: str) -> str:
    """Lower case, without accents."""
    lower = word.lower()
    if lower.isascii():
        return lower
    apart = unicodedata.normalize("NFKD", lower.translate(_SPECIAL))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _lines(name: str) -> list[str]:
    return gzip.decompress((_DATA / name).read_bytes()).decode().splitlines()


@cache
def _plain_words() -> frozenset[str]:
    return frozenset(_lines("plain_words.txt.gz"))


@cache
def _parts() -> tuple[frozenset[str], frozenset[str]]:
    """Given names and family names, folded."""
    given, family = set(map(folded, given_names())), set(map(folded, surnames()))
    for line in _lines("name_parts.txt.gz"):
        name, _, kinds = line.partition(" ")
        if "g" in kinds:
            given.add(name)
        if "s" in kinds:
            family.add(name)
    return frozenset(given), frozenset(family)


@cache
def _letters() -> dict[str, int]:
    return msgspec.json.decode((_DATA / "name_letters.json").read_bytes(), type=dict[str, int])


@cache
def not_people() -> tuple[frozenset[str], frozenset[str]]:
    """Places, holidays, brands and figures of stories that begin with a capital letter: (single words, whole phrases)."""
    text = (_DATA / "not_people.txt").read_text(encoding="utf-8")
    phrases = [
        line.strip().lower()
        for line in text.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    singles = {phrase for phrase in phrases if " " not in phrase}
    return frozenset(singles), frozenset(phrase for phrase in phrases if " " in phrase)


def is_function_word(word: str) -> bool:
    """Whether a word holds sentences together; it is part of no name."""
    return word.lower() in _FUNCTION_WORDS


@lru_cache(maxsize=100_000)
def _is_plain(lower: str) -> bool:
    known = _plain_words()
    if lower in known or lower in _FUNCTION_WORDS:
        return True
    for ending in ("'s", "n't", "'re", "'ve", "'ll", "'d", "'m"):
        if lower.endswith(ending) and len(lower) > len(ending):
            return lower.removesuffix(ending) in known
    if "-" in lower:
        return all(part in known for part in lower.split("-"))
    return _squeezed(lower) in known


def _squeezed(word: str) -> str:
    """`soooo` as `so`: letters that stand more than twice in a row, once."""
    kept: list[str] = []
    for at, letter in enumerate(word):
        if at > 1 and letter == word[at - 1] == word[at - 2]:
            continue
        kept.append(letter)
    short = "".join(kept)
    if short == word:
        return word
    once = "".join(
        letter for at, letter in enumerate(short) if not at or letter != short[at - 1]
    )
    return short if short in _plain_words() else once


def is_plain(word: str) -> bool:
    """Whether people mostly write it with a small letter: a word of the language, or a common misspelling of one."""
    return len(word) <= LONGEST and _is_plain(word.lower())


def is_given(word: str) -> bool:
    """Whether a list of given names has it."""
    return folded(word) in _parts()[0]


def is_family(word: str) -> bool:
    """Whether a list of family names has it."""
    return folded(word) in _parts()[1]


def is_listed(word: str) -> bool:
    """Whether any list of names has it."""
    given, family = _parts()
    plain = folded(word)
    return plain in given or plain in family


@lru_cache(maxsize=100_000)
def _likeness(plain: str) -> float:
    framed = f"^{plain}$"
    found = [_letters().get(framed[at : at + 3], 0) for at in range(len(framed) - 2)]
    return sum(found) / (100 * len(found)) if found else 0.0


def likeness(word: str) -> float:
    """How like a name its letters are: above 0 more than like another rare word (mean of natural logarithms)."""
    return _likeness(folded(word)) if 1 < len(word) <= LONGEST else 0.0


@cache
def _shortened() -> frozenset[str]:
    """Words that second-graders know, each with one letter less, and whole."""
    words = [
        word for word in spache_words() | _FUNCTION_WORDS if len(word) > 3 and word.isalpha()
    ]
    return frozenset(short for word in words for short in _one_less(word))


def _one_less(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


@lru_cache(maxsize=50_000)
def is_misspelled(word: str) -> bool:
    """Whether a word in small letters is within a letter of a word that second-graders know: `squre`, `thier`, `dinosor`."""
    return 3 < len(word) <= LONGEST and not _one_less(word).isdisjoint(_shortened())
