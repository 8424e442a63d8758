"""Rows that say the same: exactly, nearly (MinHash over word triples, candidates checked exactly), and leaks between
sets.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from datasketch import MinHash, MinHashLSH

from datasets.formats import Row

PERMUTATIONS = 64
MOST_COMPARED = 30_000
"""Near-duplicates are looked for among this many rows at most; a report says where there were more."""
MOST_IN_A_BUCKET = 8
"""Rows with equal parts of their signatures that a new row is compared with: else thousands of rows that are all somewhat
alike would each be compared with all the others. A group of doubles is found by any of its members."""
_AT_ONCE = 4096
"""Shingles mixed at once: each needs half a kilobyte for that."""
_LONGEST_OPENING = 120
_PLAIN = re.compile(r"[^\w]+")


def plain_text(row: Row) -> str:
    """What is said in a row, without the system message, in small letters and without punctuation."""
    said = " ".join(m["content"] for m in row.messages if m["role"] != "system")
    return _PLAIN.sub(" ", said.lower()).strip()


def exact_duplicates(rows: Sequence[Row]) -> list[list[int]]:
    """Groups (of two or more indexes) of rows that say the same, whatever their capitals, punctuation and labels."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[hashlib.sha256(plain_text(row).encode()).digest()].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _shingles(text: str) -> frozenset[int]:
    words = text.split()
    if len(words) < 3:
        return frozenset({crc32(text.encode())})
    return frozenset(crc32(" ".join(words[i : i + 3]).encode()) for i in range(len(words) - 2))


def _signature(shingles: frozenset[int], base: MinHash) -> MinHash:
    own = base.copy()
    all_values = np.fromiter(shingles, dtype=np.uint64, count=len(shingles))
    for start in range(0, len(all_values), _AT_ONCE):
        values = all_values[start : start + _AT_ONCE]
        mixed = (values[:, None] * base.permutations[0] + base.permutations[1]) % np.uint64(
            (1 << 61) - 1
        )
        own.hashvalues = np.minimum(
            own.hashvalues, (mixed & np.uint64((1 << 32) - 1)).min(axis=0)
        )
    return own


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


class _Index:
    """Signatures of rows, to be asked for the rows like one."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.base = MinHash(num_perm=PERMUTATIONS, seed=1)
        bands = MinHashLSH(
            threshold=max(0.3, threshold - 0.1), num_perm=PERMUTATIONS
        )  # asked for b and r only
        self.starts = range(0, bands.b * bands.r, bands.r)
        self.width = bands.r
        self.buckets: dict[tuple[int, bytes], list[int]] = {}
        self.shingles: dict[int, frozenset[int]] = {}

    def alike(self, shingles: frozenset[int], signature: MinHash) -> list[tuple[int, float]]:
        """(key, similarity) of rows at least as like as the threshold, among `MOST_IN_A_BUCKET` of each bucket."""
        candidates = {
            key for bucket in self._buckets(signature) for key in self.buckets.get(bucket, ())
        }
        found = []
        for key in sorted(candidates):
            similarity = self._similarity(shingles, self.shingles[key])
            if similarity >= self.threshold:
                found.append((key, similarity))
        return found

    def _similarity(self, one: frozenset[int], other: frozenset[int]) -> float:
        """0 where the sizes alone rule the threshold out."""
        smaller, larger = sorted((len(one), len(other)))
        return _jaccard(one, other) if smaller >= self.threshold * larger else 0.0

    def _buckets(self, signature: MinHash) -> Iterator[tuple[int, bytes]]:
        for start in self.starts:
            yield start, signature.hashvalues[start : start + self.width].tobytes()

    def add(self, key: int, shingles: frozenset[int], signature: MinHash) -> None:
        self.shingles[key] = shingles
        for bucket in self._buckets(signature):
            held = self.buckets.setdefault(bucket, [])
            if len(held) == MOST_IN_A_BUCKET:
                held.pop(
                    1
                )  # the first member stands for the oldest group, the others for what came last
            held.append(key)


class Groups:
    """Sets of indexes that belong together (union-find)."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def of(self, index: int) -> int:
        """The representative of an index's set: its smallest member."""
        while self.parent[index] != index:
            self.parent[index] = self.parent[self.parent[index]]
            index = self.parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.of(one), self.of(other)))
        self.parent[second] = first

    def members(self) -> list[list[int]]:
        """All sets, in the order of their smallest members."""
        sets: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self.parent)):
            sets[self.of(index)].append(index)
        return list(sets.values())


def near_duplicates(rows: Sequence[Row], threshold: float = 0.8) -> list[list[int]]:
    """Groups (of two or more indexes) of rows whose word triples agree by `threshold` (Jaccard) or more, exact ones
    included.
    """
    index, groups = _Index(threshold), Groups(len(rows))
    seen: dict[frozenset[int], int] = {}
    for position, row in enumerate(rows[:MOST_COMPARED]):
        shingles = _shingles(plain_text(row))
        if shingles in seen:
            groups.join(position, seen[shingles])
            continue
        seen[shingles] = position
        signature = _signature(shingles, index.base)
        for other, _ in index.alike(shingles, signature):
            groups.join(position, other)
        index.add(position, shingles, signature)
    return [group for group in groups.members() if len(group) > 1]


class Likeness:
    """Rows that single new ones are compared with, one after the other: `find` one that says nearly the same."""

    def __init__(self, rows: Sequence[Row], threshold: float = 0.8) -> None:
        self.rows: list[Row] = []
        self.index = _Index(threshold)
        for row in rows:
            self.add(row)

    def find(self, row: Row) -> Row | None:
        """A row as like as the threshold, or None."""
        shingles = _shingles(plain_text(row))
        alike = self.index.alike(shingles, _signature(shingles, self.index.base))
        return self.rows[alike[0][0]] if alike else None

    def add(self, row: Row) -> None:
        shingles = _shingles(plain_text(row))
        self.index.add(len(self.rows), shingles, _signature(shingles, self.index.base))
        self.rows.append(row)


def leakage(
    train: Sequence[Row], validation: Sequence[Row], threshold: float = 0.8
) -> list[dict[str, Any]]:
    """Validation rows that are (nearly) in the training rows: {"line", "validation_line", "similarity"}."""
    index = _Index(threshold)
    for position, row in enumerate(train[:MOST_COMPARED]):
        shingles = _shingles(plain_text(row))
        index.add(position, shingles, _signature(shingles, index.base))
    found = []
    for row in validation[:MOST_COMPARED]:
        shingles = _shingles(plain_text(row))
        alike = index.alike(shingles, _signature(shingles, index.base))
        if alike:
            position, similarity = max(alike, key=lambda pair: pair[1])
            found.append(
                {
                    "line": train[position].line,
                    "validation_line": row.line,
                    "similarity": round(similarity, 3),
                }
            )
    return found


def openings(rows: Sequence[Row], words: int = 3, least: int = 3) -> list[dict[str, Any]]:
    """The first words of student answers that `least` answers or more share: {"words", "count", "share"}, most
    first.
    """
    counted: Counter[str] = Counter()
    total = 0
    for row in rows:
        for text in row.student_text():
            total += 1
            counted[
                " ".join(_PLAIN.sub(" ", text.lower()).split()[:words])[:_LONGEST_OPENING]
            ] += 1
    common = [
        (start, times) for start, times in counted.most_common(20) if times >= least and start
    ]
    return [
        {"words": start, "count": times, "share": round(times / total, 4)}
        for start, times in common
    ]


def question_key(row: Row) -> str:
    """The teacher's first question without capitals and punctuation: rows with the same one belong on one side of a
    split.
    """
    return _PLAIN.sub(" ", row.prompt().lower()).strip()
