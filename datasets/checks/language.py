"""How a set of student answers sounds, as the quality page shows it. All figures come from `second_grade`; never per answer."""

from collections.abc import Sequence
from typing import Any

from second_grade import VERSION, childlikeness, familiar, phrases
from second_grade.reading_level import CHILD_AT_MOST, LEAST_WORDS, SENTENCES, band_of, count
from second_grade.words import words

REFERENCE = {"child_like": {"spache": 2.5}, "adult_like": {"spache": 6.2}}
"""Measured on pooled child-like and adult-like answers; shown beside a dataset's own figures."""
_MOST_LISTED = 20


def language(texts: Sequence[str]) -> dict[str, Any]:
    """The language figures of a set of student answers (see the package). Grades are None below `LEAST_WORDS` words."""
    counted = count(texts)
    enough = counted.words >= LEAST_WORDS
    spache = round(counted.spache(), 2) if enough else None
    band = band_of(spache)
    together = "\n".join(texts)
    beyond = familiar.unfamiliar(texts)
    per_hundred = 100 / counted.words if counted.words else 0.0
    written = (
        sum(len(words(text)) for text in texts) / counted.sentences if counted.sentences else 0.0
    )
    return {
        "version": VERSION,
        "words": counted.words,
        "spache": spache,
        "flesch_kincaid": round(counted.flesch_kincaid(), 2) if enough else None,
        "reason": ""
        if enough
        else f"{counted.words} words are too few for a reading grade; {LEAST_WORDS} are needed.",
        "band": band,
        "sentence": SENTENCES[band],
        "grade_2_band": [1.5, CHILD_AT_MOST],
        "beyond_grade_2": {
            "share": round(beyond.total() / counted.words, 4) if counted.words else 0.0,
            "top": [[word, times] for word, times in beyond.most_common(_MOST_LISTED)],
        },
        "mean_sentence_words": round(written, 2),
        "hedges_per_100_words": round(phrases.hedges(together) * per_hundred, 2),
        "self_corrections_per_100_words": round(phrases.corrections(together) * per_hundred, 2),
        "adult_phrases": [[phrase, times] for phrase, times in phrases.adult_phrases(together)],
        "as_an_ai": sum(1 for text in texts if phrases.says_it_is_an_ai(text)),
        "childlikeness": _childlikeness(texts),
        "reference": REFERENCE,
    }


def _childlikeness(texts: Sequence[str]) -> dict[str, Any]:
    """{"score": 0 to 1, "childlike", "problem": what it is when it is no talk, else "", "sentence", "parts": [[name, value, unit,
    a real child's, others']...]}."""
    read = childlikeness.read(texts)
    parts = [
        [part.name, round(read.parts[part.name], 1), part.unit, part.child, part.other]
        for part in childlikeness.named_parts()
        if part.name in read.parts
    ]
    return {
        "score": round(read.score, 3),
        "childlike": read.childlike,
        "problem": read.problem or "",
        "sentence": read.sentence,
        "parts": parts,
    }
