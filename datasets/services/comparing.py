"""What differs between two versions, row by row, found by the ids that rows keep."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from datasets import formats
from datasets.models import DatasetVersion
from datasets.services.blocks import StoredRow, unpack
from datasets.services.reading import places, plain


@dataclass(frozen=True)
class Difference:
    """One row that is not the same. `number` is its place in the newer version, or in the older one where removed."""

    kind: str
    """added, removed or changed"""
    number: int
    before: StoredRow | None
    after: StoredRow | None

    @property
    def words(self) -> list[tuple[str, str]]:
        """The change word by word: (same | gone | new, text), for rows that were changed."""
        if self.before is None or self.after is None:
            return []
        return word_changes(as_text(self.before), as_text(self.after))


@dataclass(frozen=True)
class Comparison:
    differences: list[Difference]
    same: int
    moved: bool

    def count(self, kind: str) -> int:
        return sum(difference.kind == kind for difference in self.differences)

    @property
    def added(self) -> int:
        return self.count("added")

    @property
    def removed(self) -> int:
        return self.count("removed")

    @property
    def changed(self) -> int:
        return self.count("changed")


def compare(older: DatasetVersion, newer: DatasetVersion) -> Comparison:
    """All differences in the order of the newer version, removed rows last. Blocks that both share are not unpacked."""
    shared = _hashes(older) & _hashes(newer)
    before = {row.id: (number, row) for number, row in _rows_outside(older, shared)}
    after = {row.id: (number, row) for number, row in _rows_outside(newer, shared)}
    found = []
    for row_id, (number, row) in after.items():
        old = before.get(row_id)
        if old is None:
            found.append(Difference("added", number, None, row))
        elif formats.fingerprint(plain(old[1])) != formats.fingerprint(plain(row)):
            found.append(Difference("changed", number, old[1], row))
    gone = [
        Difference("removed", number, row, None)
        for row_id, (number, row) in before.items()
        if row_id not in after
    ]
    same = newer.row_count - len(found)
    kept_before = [row_id for row_id in before if row_id in after]
    kept_after = [row_id for row_id in after if row_id in before]
    return Comparison(found + gone, same, kept_before != kept_after)


def _hashes(version: DatasetVersion) -> set[str]:
    return set(version.blocks.values_list("block__content_hash", flat=True))


def _rows_outside(version: DatasetVersion, shared: set[str]) -> Iterator[tuple[int, StoredRow]]:
    for place in places(version).exclude(block__content_hash__in=shared).iterator(chunk_size=8):
        yield from enumerate(unpack(bytes(place.block.rows)), place.first_row + 1)


_WORD = re.compile(r"[^ \n]+ *| +|\n")
MOST_COMPARED = 60_000
"""Words times words between the first and the last change; longer ones are shown whole, one after the other. The comparison
can take the third power of the words: hostile rows of 1,000 words took 4 seconds each, and a page shows twenty."""
SPEAKERS = {"user": "Teacher", "assistant": "Student", "system": "About the bot"}


def as_text(row: StoredRow) -> str:
    """A row as a person reads it, labels last."""
    said = [
        f"{SPEAKERS.get(message['role'], message['role'])}: {message['content']}"
        for message in row.messages
    ]
    return "\n".join(said + [f"{name}: {value}" for name, value in sorted(row.labels.items())])


def word_changes(before: str, after: str) -> list[tuple[str, str]]:
    """The way from one text to the other in runs of words: (same | gone | new, text)."""
    old, new = _words(before), _words(after)
    start = _equal_at_start(old, new)
    end = _equal_at_start(old[start:][::-1], new[start:][::-1])
    middle = _changes(old[start : len(old) - end], new[start : len(new) - end])
    runs = [("same", "".join(old[:start])), *middle, ("same", "".join(old[len(old) - end :]))]
    return [(kind, text) for kind, text in runs if text]


def _equal_at_start(old: list[str], new: list[str]) -> int:
    count = 0
    while count < min(len(old), len(new)) and old[count] == new[count]:
        count += 1
    return count


def _changes(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    if len(old) * len(new) > MOST_COMPARED:
        return [("gone", "".join(old)), ("new", "".join(new))]
    runs: list[tuple[str, str]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            runs.append(("same", "".join(old[a:b])))
            continue
        if b > a:
            runs.append(("gone", "".join(old[a:b])))
        if d > c:
            runs.append(("new", "".join(new[c:d])))
    return runs


def _words(text: str) -> list[str]:
    """Words with the blanks behind them; a line's end is a word of its own, so that a cut line leaves its neighbour alone."""
    return _WORD.findall(text)
