"""Findings replaced: the same person gets the same made-up name everywhere in a dataset, numbers get numbers nobody has."""

import hashlib
import re
from collections import defaultdict
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
_TITLE = re.compile(r"^(Mr|Mrs|Ms|Miss|Mx|Dr|Coach|Principal)\.? ")


class Pseudonyms:
    """What each piece of personal data becomes. One object a dataset; the same text always becomes the same.

    `salt` makes the choice of names a dataset's own, so that they can't be looked up from another's.
    """

    def __init__(self, salt: str = "") -> None:
        self.salt = salt
        self.first: dict[str, str] = {}
        self.last: dict[str, str] = {}
        self.other: dict[tuple[str, str], str] = {}

    def of(self, finding: Finding) -> str:
        """The replacement for a finding's text."""
        if finding.kind == "name":
            return self._name(finding.text)
        key = (finding.kind, re.sub(r"\W+", "", finding.text).lower())
        if key not in self.other:
            count = sum(1 for kind, _ in self.other if kind == finding.kind)
            self.other[key] = _stand_in(finding.kind, count)
        return self.other[key]

    def _name(self, text: str) -> str:
        title = _TITLE.match(text)
        parts = text[title.end() :].split() if title else text.split()
        if title and len(parts) == 1:
            return title.group() + self._pick(self.last, parts[0], _LAST)
        replaced = [self._pick(self.first, parts[0], _FIRST)]
        if len(parts) > 1:
            replaced.append(self._pick(self.last, parts[-1], _LAST))
        return (title.group() if title else "") + " ".join(replaced)

    def _pick(self, chosen: dict[str, str], name: str, pool: tuple[str, ...]) -> str:
        key = name.lower()
        if key not in chosen:
            start = int.from_bytes(hashlib.sha256(f"{self.salt}:{key}".encode()).digest()[:4], "big")
            taken = set(chosen.values())
            for step in range(len(pool)):
                candidate = pool[(start + step) % len(pool)]
                if candidate not in taken and candidate.lower() != key:
                    break
            else:
                candidate = f"{pool[start % len(pool)]}{len(chosen)}"
            chosen[key] = candidate
        return chosen[key]


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
        changed = text
        for finding in sorted(by_field.get(field, []), key=lambda item: -item.start):
            changed = changed[: finding.start] + chosen.of(finding) + changed[finding.end :]
        for name, replacement in alone.items():
            changed = re.sub(rf"\b{re.escape(name)}\b", replacement, changed)
        if changed != text:
            _put(copy, field, changed)
    return copy


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
