"""What stands in for personal data: names that are things of nature, and numbers and addresses that nobody has.

They are known as stand-ins when they are met again, so that a version with pseudonyms has nothing left to find.
"""

import hashlib
import hmac
import re
from collections.abc import MutableMapping

FIRST = (
    "Robin",
    "Sky",
    "River",
    "Sunny",
    "Sage",
    "Wren",
    "Juniper",
    "Clover",
    "Marlo",
    "Pip",
    "Fern",
    "Indigo",
    "Bo",
    "Lark",
    "Maple",
    "Ash",
    "Briar",
    "Dune",
    "Echo",
    "Flint",
    "Haven",
    "Jules",
    "Kit",
    "Lane",
    "Moss",
    "Nova",
    "Ocean",
    "Poppy",
    "Reed",
    "Sol",
    "Teal",
    "Vale",
    "Winter",
    "Zephyr",
    "Blue",
    "Birch",
    "Cricket",
    "Dove",
    "Ember",
    "Frost",
)
LAST = (
    "Meadow",
    "Brookside",
    "Hillcrest",
    "Birdsong",
    "Lanternfield",
    "Moonbeam",
    "Applewood",
    "Starling",
    "Pebble",
    "Thistle",
    "Willowby",
    "Acorn",
    "Bluebell",
    "Cloudberry",
    "Daybreak",
    "Evergreen",
    "Foxglove",
    "Goldleaf",
    "Honeycomb",
    "Ivywood",
)
_POOLS = {"given": FIRST, "family": LAST}
_PARTS = frozenset(name.lower() for pool in _POOLS.values() for name in pool)
_THING = re.compile(
    r"555-01\d\d(?:-\d{1,6})?|person\d{1,9}@school\.example|\d{1,9} Example Street|Example School(?: \d{1,9})?"
    r"|ID-EXAMPLE-\d{1,9}|player-example-\d{1,9}|some day in spring",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"^(?:mr|mrs|ms|miss|mx|dr|coach|principal|prof|professor|señora?|senora?)\.? ",
    re.IGNORECASE,
)
_MOST = 80
"""Characters of a stand-in at most."""


def is_stand_in(text: str) -> bool:
    """Whether it is a name, number or address that a pseudonym put there."""
    if len(text) > _MOST:
        return False
    bare = text.strip()
    if _THING.fullmatch(bare.rstrip(".")):
        return True
    words = re.findall(r"\w+", _TITLE.sub("", bare))
    return bool(words) and all(word.lower() in _PARTS for word in words)


class StandIns:
    """Which stand-in each piece of personal data has. The same piece always has the same one, two pieces never one.

    `kept` says what was chosen before, for a dataset's earlier versions: it names pieces by a keyed hash, so that nobody can
    read from it who they were. New choices are added to it. `salt` is that key, and decides which names come first.
    """

    def __init__(self, salt: str, kept: MutableMapping[str, int]) -> None:
        self.salt, self.kept = salt, kept
        self.next: dict[str, int] = {}
        for key, place in kept.items():
            group = key.partition(":")[0]
            self.next[group] = max(self.next.get(group, 0), place + 1)

    def name(self, group: str, real: str) -> str:
        """The made-up name for a given or family name."""
        key = self._key(group, real)
        if key not in self.kept:
            place = self.next.get(group, 0)
            while (
                self._key(group, self._name_at(group, place)) in self.kept
                or self._name_at(group, place).lower() == real
            ):
                place += 1  # somebody in this dataset is really called so
            self.kept[key] = place
            self.next[group] = place + 1
        return self._name_at(group, self.kept[key])

    def thing(self, kind: str, real: str) -> str:
        """The number, address or school that stands in for a real one."""
        key = self._key(kind, real)
        if key not in self.kept:
            self.kept[key] = self.next.get(kind, 0)
            self.next[kind] = self.kept[key] + 1
        return stand_in(kind, self.kept[key])

    def _key(self, group: str, real: str) -> str:
        digest = hmac.new(
            self.salt.encode(),
            f"{group}:{real.lower()}".encode("utf-8", "replace"),
            hashlib.sha256,
        )
        return f"{group}:{digest.hexdigest()[:20]}"

    def _name_at(self, group: str, place: int) -> str:
        """Single names first, then pairs of them (`Sage-Wren`), then pairs with a number."""
        pool = _POOLS[group]
        size = len(pool)
        shift = int.from_bytes(
            hashlib.sha256(f"{self.salt}:{group}".encode()).digest()[:4], "big"
        )
        first = pool[(place + shift) % size]
        if place < size:
            return first
        lap, number = place // size, ""
        if lap >= size:
            lap, number = 1 + lap % (size - 1), str(place // size)
        second = pool[(place + shift + lap) % size]
        return f"{first}-{second}{number}"


def stand_in(kind: str, place: int) -> str:
    """The `place`-th stand-in of a kind."""
    extension = f"-{place // 100}" if place >= 100 else ""
    stand_ins = {
        "phone": f"555-01{place % 100:02d}{extension}",
        "email": f"person{place + 1}@school.example",
        "handle": f"player-example-{place + 1}",
        "address": f"{place + 1} Example Street",
        "school": f"Example School {place + 1}" if place else "Example School",
        "id_number": f"ID-EXAMPLE-{place + 1}",
        "birthdate": "some day in spring",
    }
    return stand_ins[kind]


HAS_STAND_INS = frozenset(
    ("name", "phone", "email", "handle", "address", "school", "id_number", "birthdate")
)
"""Kinds that can be replaced. Of a family's troubles and an illness there is no made-up version: a person rewrites the row."""
