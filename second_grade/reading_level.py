"""The Spache and Flesch-Kincaid grades of texts taken together: how hard they are to read, not who wrote them.

Spache's formula of 1953 (0.141 words a sentence + 0.086 percent hard words + 0.839), hard words counted as textstat
counts them: not known in grade 2 and of two syllables or more. Flesch-Kincaid: 0.39, 11.8, -15.59. A grade tells a child from
an adult badly (most adults who talk to children are "grade 2" too); `childlikeness.py` does that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from second_grade.familiar import is_on_spache_list
from second_grade.syllables import syllables
from second_grade.words import sentences, words

LEAST_WORDS = 100
"""Below this many words a reading grade is noise and is not given."""
CHILD_AT_MOST = 3.3
ADULT_FROM = 4.0


@dataclass(frozen=True)
class Counted:
    """Counts over texts: `hard` are words of two syllables or more that are not on Spache's list."""

    words: int
    sentences: int
    syllables: int
    hard: int

    def spache(self) -> float:
        """The Spache grade; 0 without words."""
        if not self.words or not self.sentences:
            return 0.0
        return 0.141 * self.words / self.sentences + 8.6 * self.hard / self.words + 0.839

    def flesch_kincaid(self) -> float:
        """The Flesch-Kincaid grade; 0 without words."""
        if not self.words or not self.sentences:
            return 0.0
        return 0.39 * self.words / self.sentences + 11.8 * self.syllables / self.words - 15.59


@dataclass(frozen=True)
class Grade:
    """`grade`: None where there are too few words; `sentence`: what to tell a person in either case."""

    grade: float | None
    words: int
    sentence: str


def count(texts: Iterable[str]) -> Counted:
    """One count over all texts together."""
    found_words = found_sentences = found_syllables = hard = 0
    for text in texts:
        for sentence in sentences(text):
            said = words(sentence)
            beats = [syllables(word) for word in said]
            found_words += len(said)
            found_syllables += sum(beats)
            hard += sum(
                beat > 1 and not is_on_spache_list(word)
                for word, beat in zip(said, beats, strict=True)
            )
            found_sentences += 1
    return Counted(found_words, found_sentences, found_syllables, hard)


def grade_of(texts: Sequence[str]) -> Grade:
    """The pooled Spache grade of a set of answers."""
    counted = count(texts)
    if counted.words < LEAST_WORDS:
        few = "1 word is" if counted.words == 1 else f"{counted.words} words are"
        told = f"{few} too few for a reading grade; {LEAST_WORDS} are needed."
        return Grade(None, counted.words, told)
    grade = round(counted.spache(), 2)
    return Grade(grade, counted.words, SENTENCES[band_of(grade)])


SENTENCES = {
    "child": "The words and sentences are as easy as a second-grader's.",
    "older": "The words and sentences are somewhat above second grade: shorten sentences and use plainer words.",
    "adult": "The words and sentences are an adult's, far above second grade.",
    "unknown": "There is too little text for a reading grade.",
}


def band_of(spache: float | None) -> str:
    """child, older, adult, or unknown where there is no grade."""
    if spache is None:
        return "unknown"
    return "child" if spache <= CHILD_AT_MOST else "adult" if spache >= ADULT_FROM else "older"
