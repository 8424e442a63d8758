"""The search of a DSPy run as its page shows it: candidates, newest first, each beside the one it was made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from training.models import TrainingRun

MOST_SHOWN = 30
MOST_WORDS = 700  # of an instruction, compared word by word


@dataclass(frozen=True)
class Piece:
    """A part of an instruction. `change`: "same", "added", or "gone" from the parent's."""

    change: str
    text: str


@dataclass(frozen=True)
class Candidate:
    """One program that was tried. `score` 0..1 on `of` turns, None where it was not scored; `cost` in micro-dollars."""

    number: int
    parent: int | None
    score: float | None
    of: int
    demos: int
    calls: int
    cost: int
    best: bool
    pieces: list[Piece]

    @property
    def changed(self) -> bool:
        """Whether its instruction differs from its parent's."""
        return any(piece.change != "same" for piece in self.pieces)


@dataclass(frozen=True)
class Search:
    """`shown` of `tried` candidates, the newest first."""

    shown: list[Candidate]
    tried: int


def search_of(run: TrainingRun) -> Search:
    """From the events of the last attempt: a run that starts again counts its candidates from 1 again."""
    told: dict[int, Mapping[str, Any]] = {}
    for data in run.events.filter(kind="candidate").values_list("data", flat=True):
        number = _whole(data.get("number"))
        if number <= 1:
            told = {}
        told[number] = data
    newest = sorted(told, reverse=True)[:MOST_SHOWN]
    best = _best(told)
    return Search([_candidate(number, told, best) for number in newest], len(told))


def _best(told: Mapping[int, Mapping[str, Any]]) -> int | None:
    scored = {
        number: score
        for number, data in told.items()
        if (score := _share(data.get("score"))) is not None
    }
    return max(scored, key=lambda number: scored[number]) if scored else None


def _candidate(
    number: int, told: Mapping[int, Mapping[str, Any]], best: int | None
) -> Candidate:
    data = told[number]
    named = data.get("parent")
    parent = named if isinstance(named, int) and named in told and named != number else None
    text = str(data.get("instructions", ""))
    before = str(told[parent].get("instructions", "")) if parent is not None else text
    return Candidate(
        number=number,
        parent=parent,
        score=_share(data.get("score")),
        of=_whole(data.get("of")),
        demos=_whole(data.get("demos")),
        calls=_whole(data.get("calls")),
        cost=_whole(data.get("cost_microdollars")),
        best=number == best,
        pieces=list(difference(before, text)),
    )


def difference(before: str, after: str) -> Iterable[Piece]:
    """`after` word by word, with what is gone from `before` in its place."""
    old, new = before.split()[:MOST_WORDS], after.split()[:MOST_WORDS]
    for change, old_from, old_to, new_from, new_to in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if change == "equal":
            yield Piece("same", " ".join(new[new_from:new_to]))
            continue
        if old_to > old_from:
            yield Piece("gone", " ".join(old[old_from:old_to]))
        if new_to > new_from:
            yield Piece("added", " ".join(new[new_from:new_to]))


def _share(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _whole(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else 0
