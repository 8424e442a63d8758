"""Findings replaced: the same person gets the same made-up name everywhere in a dataset, numbers get numbers nobody has."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from datasets.checks.privacy import Finding, texts_of
from datasets.formats import Row

_FIRST = (
    "Robin", "Sky", "River", "Sunny", "Sage", "Wren", "Juniper", "Clover", "Marlo", "Pip", "Fern", "Indigo",
    "Bo", "Lark", "Maple", "Ash", "Briar", "Dune", "Echo", "Flint", "Haven", "Jules", "Kit", "Lane", "Moss",
    "Nova", "Ocean", "Poppy", "Reed", "Sol", "Teal", "Vale", "Winter", "Zephyr", "Blue", "Birch", "Cricket",
    "Dove", "Ember", "Frost",
)  # fmt: skip
_LAST = (
    "Meadow", "Brookside", "Hillcrest", "Birdsong", "Lanternfield", "Moonbeam", "Applewood", "Starling",
    "Pebble", "Thistle", "Willowby", "Acorn", "Bluebell", "Cloudberry", "Daybreak", "Evergreen", "Foxglove",
    "Goldleaf", "Honeycomb", "Ivywood",
)  # fmt: skip
_WORD = re.compile(r"\w+")
_COMPOUND = re.compile(r"\w+(?:[-'’]\w+)?")
_TITLE = re.compile(r"^(Mr|Mrs|Ms|Miss|Mx|Dr|Coach|Principal)\.? ")


class Pseudonyms:
    """What each piece of personal data becomes. One object a dataset; the same text always becomes the same.

    `salt` makes the choice of names a dataset's own, so that they can't be looked up from another's.
    """

    def __init__(self, salt: str = "") -> None:
        self.first = _Names(salt, _FIRST)
        self.last = _Names(salt, _LAST)
        self.other: dict[tuple[str, str], str] = {}
        self.count_of: Counter[str] = Counter()

    def of(self, finding: Finding) -> str:
        """The replacement for a finding's text."""
        if finding.kind == "name":
            return self._name(finding.text)
        key = (finding.kind, re.sub(r"\W+", "", finding.text).lower())
        if key not in self.other:
            self.other[key] = _stand_in(finding.kind, self.count_of[finding.kind])
            self.count_of[finding.kind] += 1
        return self.other[key]

    def _name(self, text: str) -> str:
        title = _TITLE.match(text)
        parts = text[title.end() :].split() if title else text.split()
        if title and len(parts) == 1:
            return title.group() + self.last.of(parts[0])
        replaced = [self.first.of(parts[0])]
        if len(parts) > 1:
            replaced.append(self.last.of(parts[-1]))
        return (title.group() if title else "") + " ".join(replaced)


class _Names:
    """Made-up names out of a pool, each used for one real name; with a number behind it where the pool is used up."""

    def __init__(self, salt: str, pool: tuple[str, ...]) -> None:
        self.salt, self.pool = salt, pool
        self.chosen: dict[str, str] = {}
        self.taken: set[str] = set()

    def of(self, name: str) -> str:
        key = name.lower()
        if key not in self.chosen:
            self.chosen[key] = self._new(key)
            self.taken.add(self.chosen[key])
        return self.chosen[key]

    def _new(self, key: str) -> str:
        start = int.from_bytes(hashlib.sha256(f"{self.salt}:{key}".encode()).digest()[:4], "big")
        for step in range(len(self.pool)):
            candidate = self.pool[(start + step) % len(self.pool)]
            if candidate not in self.taken and candidate.lower() != key:
                return candidate
        return f"{self.pool[start % len(self.pool)]}{len(self.chosen)}"


def _stand_in(kind: str, count: int) -> str:
    stand_ins = {
        "phone": f"555-01{count % 100:02d}",
        "email": f"person{count + 1}@school.example",
        "address": f"{count + 1} Example Street",
        "school": f"Example School {count + 1}" if count else "Example School",
        "id_number": f"ID-EXAMPLE-{count + 1}",
        "birthdate": "some day in spring",
    }
    return stand_ins[kind]


def pseudonyms(rows: Sequence[Row], findings: Sequence[Finding], *, salt: str = "") -> list[Row]:
    """New rows in the same order with every finding replaced; rows without findings are the same objects.

    A child found by full name is also renamed where only the first name stands, in the rows in which it was found.
    """
    chosen = Pseudonyms(salt)
    by_row: dict[int, dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in findings:
        by_row[finding.index][finding.field].append(finding)
    return [_renamed(row, by_row[index], chosen) if index in by_row else row for index, row in enumerate(rows)]


def _renamed(row: Row, by_field: dict[str, list[Finding]], chosen: Pseudonyms) -> Row:
    copy = msgspec.convert(msgspec.to_builtins(row), Row)
    alone: dict[str, str] = {}
    for found in by_field.values():
        for finding in found:
            if finding.kind == "name" and finding.severity == "high":
                alone[finding.text.split()[0]] = chosen.of(finding).split()[0]
    for field, text in list(texts_of(copy)):
        changed = _replaced(text, by_field.get(field, []), alone, chosen)
        if changed != text:
            _put(copy, field, changed)
    return copy


def _replaced(text: str, findings: list[Finding], alone: dict[str, str], chosen: Pseudonyms) -> str:
    """The text with its findings and, between them, the first names `alone` changed, in one go from left to right."""
    pieces: list[str] = []
    end = 0
    for finding in sorted(findings, key=lambda item: item.start):
        pieces.append(_without_first_names(text[end : finding.start], alone))
        pieces.append(chosen.of(finding))
        end = finding.end
    pieces.append(_without_first_names(text[end:], alone))
    return "".join(pieces)


def _without_first_names(text: str, alone: dict[str, str]) -> str:
    """Words that are one of the names changed; of Emma-Lee, where only Emma is one, the first part."""
    if not alone:
        return text

    def change(found: re.Match[str]) -> str:
        whole = found.group()
        return alone.get(whole) or _WORD.sub(lambda part: alone.get(part.group(), part.group()), whole)

    return _COMPOUND.sub(change, text)


def _put(row: Row, field: str, text: str) -> None:
    place, _, key = field.partition(".")
    if place == "labels":
        row.labels[key] = text
    elif place == "extra":
        outer, _, inner = key.partition(".")
        if isinstance(row.extra.get(outer), dict) and not isinstance(row.extra.get(key), str):
            row.extra[outer][inner] = text
        else:
            row.extra[key] = text
    else:
        name, _, index = place.rstrip("]").partition("[")
        messages = {
            "messages": row.messages,
            "preferred_output": row.preferred_output,
            "non_preferred_output": row.non_preferred_output,
        }[name]
        assert messages is not None
        messages[int(index)][key] = text  # type: ignore[literal-required]
