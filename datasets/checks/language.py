"""How a set of student answers sounds: reading grade, words beyond grade 2, hedges, adult phrasing. Pooled, never per
answer.

Spache's formula of 1953 (0.141 words a sentence + 0.086 percent hard words + 0.839), hard words counted as textstat
counts them: not known in grade 2 and of two syllables or more. Flesch-Kincaid: 0.39, 11.8, -15.59.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from datasets.checks.words import LONGEST_WORD, given_names, is_grade_two, is_spoken, sentences, syllables, words

LEAST_WORDS = 100
"""Below this many words a reading grade is noise and is not given."""
CHILD_AT_MOST, ADULT_FROM = 3.3, 4.0
REFERENCE = {"child_like": {"spache": 2.5}, "adult_like": {"spache": 6.2}}
"""Measured on pooled child-like and adult-like answers; shown beside a dataset's own figures."""

_HEDGES = re.compile(
    r"\b(?:i think|i guess|maybe|i don'?t know|i'?m not sure|not sure|probably|um+|uh+|hmm+|kind of|sort of|i forgot|"
    r"i don'?t remember|i bet|i wonder)\b",
    re.IGNORECASE,
)
_CORRECTIONS = re.compile(
    r"\b(?:wait|oops|i mean|no,? (?:wait|that)|let me (?:try|count|think|start)|oh,? (?:no|i know|now i)|actually|"
    r"i messed up|i got mixed up)\b",
    re.IGNORECASE,
)
_ADULT = re.compile(
    r"\b(?:furthermore|moreover|additionally|therefore|thus|hence|consequently|nevertheless|in conclusion|in summary|"
    r"in other words|for instance|specifically|essentially|fundamentally|subsequently|however,|it is important to|"
    r"it'?s important to|it is worth|keep in mind|as a result|in order to|plays? a (?:crucial|vital|key|"
    r"important) role|"
    r"on the other hand|a variety of|such as the|refers? to|is defined as|due to|utili[sz]e\w{0,3}|demonstrate\w{0,3}|"
    r"that'?s (?:a )?(?:great|excellent|wonderful|good|interesting) question|great question|i'?d be happy to|"
    r"would you like me to|let'?s work through|does that make sense|certainly!|of course!|i hope this helps|feel free to)",
    re.IGNORECASE,
)
_AS_AN_AI = re.compile(
    r"\b(?:as an ai|as a (?:large )?language model|i'?m an ai|i am an ai|ai (?:language )?(?:model|assistant)|"
    r"language model|"
    r"i'?m just a (?:bot|computer|program)|i am a (?:bot|chatbot)|chatgpt|openai|my training data|i (?:can'?t|"
    r"cannot) assist|"
    r"i do not have personal|i don'?t have (?:personal|feelings))\b",
    re.IGNORECASE,
)


class Counts:
    """Words, sentences and hard words of a text or of many."""

    def __init__(self) -> None:
        self.words = self.sentences = self.syllables = self.hard = 0
        self.beyond: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Counts one more text in."""
        found = words(text)
        self.words += len(found)
        self.sentences += len(sentences(text))
        for word in found:
            count = syllables(word)
            self.syllables += count
            if not is_grade_two(word):
                self.hard += count > 1
                if not is_spoken(word):
                    self.beyond[word[:LONGEST_WORD].lower().replace("’", "'")] += 1

    def spache(self) -> float:
        """The Spache grade of what was counted (any amount of it; see `language` for when that means something)."""
        if not self.words or not self.sentences:
            return 0.0
        return 0.141 * self.words / self.sentences + 8.6 * self.hard / self.words + 0.839

    def flesch_kincaid(self) -> float:
        """The Flesch-Kincaid grade of what was counted."""
        if not self.words or not self.sentences:
            return 0.0
        return 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59


def count(texts: Iterable[str]) -> Counts:
    """One count over all texts together."""
    counts = Counts()
    for text in texts:
        counts.add(text)
    return counts


def language(texts: Sequence[str]) -> dict[str, Any]:
    """The language figures of a set of student answers (see the package). Grades are None below `LEAST_WORDS` words."""
    counts = count(texts)
    enough = counts.words >= LEAST_WORDS
    spache = round(counts.spache(), 2) if enough else None
    beyond = sum(counts.beyond.values())
    together = "\n".join(texts)
    per_hundred = 100 / counts.words if counts.words else 0.0
    band = band_of(spache)
    reason = "" if enough else f"{counts.words} words are too few for a reading grade; {LEAST_WORDS} are needed."
    return {
        "words": counts.words,
        "spache": spache,
        "flesch_kincaid": round(counts.flesch_kincaid(), 2) if enough else None,
        "reason": reason,
        "band": band,
        "sentence": _SENTENCES[band],
        "grade_2_band": [1.5, CHILD_AT_MOST],
        "beyond_grade_2": {
            "share": round(beyond / counts.words, 4) if counts.words else 0.0,
            "top": [[word, times] for word, times in counts.beyond.most_common(20)],
        },
        "mean_sentence_words": round(counts.words / counts.sentences, 2) if counts.sentences else 0.0,
        "hedges_per_100_words": round(len(_HEDGES.findall(together)) * per_hundred, 2),
        "self_corrections_per_100_words": round(len(_CORRECTIONS.findall(together)) * per_hundred, 2),
        "adult_phrases": adult_phrases(together),
        "as_an_ai": sum(1 for text in texts if _AS_AN_AI.search(text)),
        "reference": REFERENCE,
    }


_SENTENCES = {
    "child": "The answers read like a second-grader's.",
    "older": "The answers read somewhat above second grade: shorten sentences and use plainer words.",
    "adult": "The answers read like an adult's, far above second grade.",
    "unknown": "There is too little text for a reading grade.",
}


def band_of(spache: float | None) -> str:
    """child, older, adult, or unknown where there is no grade."""
    if spache is None:
        return "unknown"
    return "child" if spache <= CHILD_AT_MOST else "adult" if spache >= ADULT_FROM else "older"


def adult_phrases(text: str) -> list[list[Any]]:
    """[phrase, times] of what adults and assistants say, most frequent first, at most 20."""
    found = Counter(match.group().lower().replace("’", "'") for match in _ADULT.finditer(text))
    return [[phrase, times] for phrase, times in found.most_common(20)]


def says_it_is_an_ai(text: str) -> str | None:
    """The words in which a text gives itself away as a program, or None."""
    found = _AS_AN_AI.search(text)
    return found.group() if found else None


def beyond_grade_two(text: str) -> list[tuple[int, int, str]]:
    """(start, end, word) of each word a second-grader would not know, for underlining; names are left out."""
    spans = []
    for found in re.finditer(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text):
        word = found.group()
        if not is_grade_two(word) and not is_spoken(word) and word.lower() not in given_names():
            spans.append((found.start(), found.end(), word))
    return spans
