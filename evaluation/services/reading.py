"""How the answers of a talk read: pooled over all of them, because the grade of one short answer is noise."""

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.models import Turn
from second_grade.childlikeness import read
from second_grade.familiar import unfamiliar_spans
from second_grade.reading_level import grade_of


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer; `hard`: a word that a second-grader would not know."""

    text: str
    hard: bool


@dataclass(frozen=True)
class Reading:
    """The pooled reading grade (Spache) of a talk, or why there is none yet."""

    grade: float | None
    words: int
    sentence: str


def pieces(text: str) -> list[Piece]:
    """The text cut at its hard words; put together again it is the text."""
    cut, at = [], 0
    for start, end, word in unfamiliar_spans(text):
        cut += [Piece(text[at:start], hard=False), Piece(word, hard=True)]
        at = end
    return [piece for piece in [*cut, Piece(text[at:], hard=False)] if piece.text]


def reading_of(turns: Iterable[Turn]) -> Reading:
    """Over the answers that came."""
    said = [turn.answer for turn in turns if turn.answer and not turn.is_streaming]
    found = grade_of(said)
    like = read(said)
    told = found.sentence if not said else f"{like.sentence} {found.sentence}"
    return Reading(found.grade, found.words, told)
