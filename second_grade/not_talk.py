"""What a text is when it is no English talk: empty, another language, gibberish, or the same thing over and over."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from second_grade.spelling import looks_spelled, meant, zipf
from second_grade.words import plain, sentences, words

EMPTY = "empty"
GIBBERISH = "gibberish"
REPETITION = "repetition"
OTHER_LANGUAGE = "other language"

_LATIN_LANGUAGES = {
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "pl": "Polish",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "id": "Indonesian",
    "sv": "Swedish",
    "fi": "Finnish",
}
_SCRIPTS = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Russian",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Hindi",
    "GREEK": "Greek",
    "THAI": "Thai",
    "BENGALI": "Bengali",
}


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_DETERMINERS = _set("a an the my your his her its our their")
_NEVER_AFTER_DETERMINER = _set(
    "a an the is are was were am be been to of in on at for with and or but because i you he she it we they me him them us "
    "does did do has have had if when then that who why how not can will would could don't isn't it's i'm"
)
_NEVER_AFTER_OF = _set(
    "is are was were am and or but because to of does do did i he she we they if then"
)
_NEVER_AFTER_I = _set(
    "a an the is are me my him his her them us of to in at on for with and or but does has be been very"
)
_NEVER_LAST = _set("a an the my your our their of because")


@cache
def _language(code: str) -> dict[str, float]:
    from wordfreq import get_frequency_dict

    return get_frequency_dict(code, wordlist="small")


def problem(answers: Sequence[str]) -> str | None:
    """What the answers are instead of English talk, in a few words ("gibberish", "other language: Chinese"), or None."""
    spoken = [answer for answer in answers if answer.strip()]
    if not spoken:
        return EMPTY
    together = "\n".join(spoken)
    script = _other_script(together)
    if script:
        return f"{OTHER_LANGUAGE}: {script}"
    found = [plain(word) for word in words(together)]
    if not found:
        return GIBBERISH if re.search(r"\w", together) else EMPTY
    language = _other_language(found)
    if language:
        return f"{OTHER_LANGUAGE}: {language}"
    if _is_gibberish(found, spoken):
        return GIBBERISH
    if _repeats(spoken):
        return REPETITION
    return None


def _other_script(text: str) -> str | None:
    """The language of a text most of whose letters are not Latin."""
    letters = [character for character in text[:20_000] if character.isalpha()]
    foreign = Counter(
        script
        for character in letters
        if character > "ɏ"
        and (script := unicodedata.name(character, "").split(" ")[0]) in _SCRIPTS
    )
    # A Chinese character stands for a whole word; letters of other scripts stand for sounds.
    weight = sum(times * (3 if script == "CJK" else 1) for script, times in foreign.items())
    if weight * 2 <= len(letters):
        return None
    if foreign["HIRAGANA"] + foreign["KATAKANA"]:
        return "Japanese"
    return _SCRIPTS[foreign.most_common(1)[0][0]]


def _other_language(found: Sequence[str]) -> str | None:
    """The language of Latin letters whose common words these are, where English explains them clearly worse."""
    letters = [word for word in found if word.isalpha() and len(word) > 1]
    if len(set(letters)) < 5:
        return None
    sample = letters[:400]
    english = _explained(sample, "en")
    if english > 0.75:
        return None
    shares = {code: _explained(sample, code) for code in _LATIN_LANGUAGES}
    best = max(shares, key=lambda code: shares[code])
    is_clear = shares[best] >= 0.5 and shares[best] - english >= 0.25
    return _LATIN_LANGUAGES[best] if is_clear else None


def _explained(found: Sequence[str], code: str) -> float:
    """The share of the words that are common in a language (ten times in a million, or more)."""
    common = 1e-5 if code != "en" else 2e-5
    known = _language(code)
    return sum(known.get(word, 0.0) >= common for word in found) / len(found)


def _is_gibberish(found: Sequence[str], spoken: Sequence[str]) -> bool:
    letters = [word for word in found if not word[0].isdigit()]
    if not letters:
        return False
    unknown = [word for word in letters if _is_no_word(word)]
    unspelled = [word for word in unknown if not looks_spelled(word)]
    if len(unknown) >= 3 and len(unknown) / len(letters) > 0.4:
        return True
    if unspelled and len(unspelled) / len(letters) > 0.4:
        return True
    return _is_shuffled(spoken)


def _is_no_word(word: str) -> bool:
    if len(word) == 1:
        return False
    if zipf(word) >= 2.2:
        return False
    return meant(word) is None


def _is_shuffled(spoken: Sequence[str]) -> bool:
    """Whether small words stand where English never has them ("the of is tree my"): words without a sentence."""
    wrong, places = 0, 0
    for answer in spoken:
        for sentence in sentences(answer):
            more_wrong, more_places = _misplaced([plain(word) for word in words(sentence)])
            wrong += more_wrong
            places += more_places
    return wrong >= 2 and wrong / places > 0.3


def _misplaced(found: Sequence[str]) -> tuple[int, int]:
    """(small words in a place where they never stand, small words that were looked at)."""
    wrong, places = 0, 0
    for at, word in enumerate(found):
        after = found[at + 1] if at + 1 < len(found) else None
        never = _never_after(word)
        if never is None:
            continue
        places += 1
        if after is None:
            wrong += word in _NEVER_LAST and len(found) > 2
        elif after != word:
            wrong += after in never
    return wrong, places


def _never_after(word: str) -> frozenset[str] | None:
    if word in _DETERMINERS:
        # "Her" and "his" also stand alone ("I like her and him").
        return _NEVER_AFTER_OF if word in ("her", "his") else _NEVER_AFTER_DETERMINER
    if word in ("of", "from", "into"):
        return _NEVER_AFTER_OF
    return _NEVER_AFTER_I if word == "i" else None


def _repeats(spoken: Sequence[str]) -> bool:
    looping = sum(_loops([plain(word) for word in words(answer)]) for answer in spoken)
    if looping * 2 > len(spoken):
        return True
    said = Counter(" ".join(plain(word) for word in words(answer)) for answer in spoken)
    longer = {text: times for text, times in said.items() if len(text.split()) >= 3}
    most = max(longer.values(), default=0)
    if most >= 4 and most * 2 > len(spoken):
        return True
    return len(spoken) >= 12 and max(said.values()) > 0.9 * len(spoken)


def _loops(found: Sequence[str]) -> bool:
    """Whether most of a longer answer is one stretch of up to eight words, again and again."""
    if len(found) < 10:
        return False
    for size in range(1, 9):
        stretches = Counter(tuple(found[at : at + size]) for at in range(len(found) - size + 1))
        stretch, times = stretches.most_common(1)[0]
        counts_double = size > 1 or len(set(stretch)) == size
        if counts_double and times >= 3 and times * size > 0.6 * len(found):
            return True
    return False
