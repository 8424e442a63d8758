"""Which training rows an answer may have come from: the rows whose words are nearest. Pure Python: no Django.

Term frequency times inverse document frequency, cosine similarity, over lower-case words and pairs of neighbouring words (so
that the same words in the same order count for more). Source: Manning, Raghavan & Schütze 2008, chapter 6.
"""

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Near:
    """`position` of the row in what was searched; `similarity` 0 to 1, where 1 is the same words."""

    position: int
    similarity: float


def terms(text: str) -> Counter[str]:
    """Words and pairs of neighbours, counted."""
    words = [word.replace("’", "'") for word in WORD.findall(text.lower())]
    return Counter([*words, *(f"{one} {two}" for one, two in pairwise(words))])


def nearest(text: str, rows: Callable[[], Iterable[str]], most: int = 3) -> list[Near]:
    """The `most` nearest rows, nearest first; rows that share no word with `text` never. `rows()` is read twice."""
    found_in: Counter[str] = Counter()
    total = 0
    for row in rows():
        found_in.update(set(terms(row)))
        total += 1
    asked = _weighed(terms(text), found_in, total)
    near = (
        Near(position, _cosine(asked, _weighed(terms(row), found_in, total)))
        for position, row in enumerate(rows())
    )
    return heapq.nsmallest(
        most,
        (one for one in near if one.similarity > 0),
        key=lambda one: (-one.similarity, one.position),
    )


def _weighed(counted: Counter[str], found_in: Counter[str], total: int) -> dict[str, float]:
    """Smoothed as if one more row had every term: no weight is zero and none is infinite."""
    return {
        term: (1 + math.log(times)) * (1 + math.log((1 + total) / (1 + found_in[term])))
        for term, times in counted.items()
    }


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    shared = sum(weight * other[term] for term, weight in one.items() if term in other)
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return min(1.0, shared / lengths) if lengths else 0.0
