"""Plants personal data in clean talk, to measure how much of it is found: by kind, culture, case and spelling.

    for plant in plants(seed=1, of_each=12): plant.text, plant.start, plant.end, plant.kind, plant.culture, plant.way

The talk around the plants is `tests/privacy/clean.py`'s. The tables are of this folder alone.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.privacy.names import NICKNAMES, PEOPLE, held_out, people
from tests.privacy.things import CARRIERS, MADE, NAME_CARRIERS


@dataclass(frozen=True)
class Plant:
    """`text[start:end]` is what was planted."""

    kind: str
    culture: str
    way: str
    """How it is written: as usual, in small letters, with a no-break space …"""
    text: str
    start: int
    end: int

    @property
    def item(self) -> str:
        return self.text[self.start : self.end]


Rng = random.Random
LOOK_ALIKES = str.maketrans("aeopcyxAEOPCTHKMB", "аеорсухАЕОРСТНКМВ")


def _usual(item: str, _: Rng) -> str:
    return item


def _small(item: str, _: Rng) -> str:
    return item.lower()


def _capitals(item: str, _: Rng) -> str:
    return item.upper()


def _no_break(item: str, _: Rng) -> str:
    return item.replace(" ", "\u00a0").replace("-", "\u2011")


def _invisible(item: str, rng: Rng) -> str:
    at = rng.randrange(1, len(item))
    return item[:at] + rng.choice("\u200b\u200d\u2060\u00ad") + item[at:]


def _look_alike(item: str, rng: Rng) -> str:
    places = [at for at, letter in enumerate(item) if letter.translate(LOOK_ALIKES) != letter]
    if not places:
        return item
    at = rng.choice(places)
    return item[:at] + item[at].translate(LOOK_ALIKES) + item[at + 1 :]


def _wide(item: str, _: Rng) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in item)


def _typeset(item: str, _: Rng) -> str:
    return item.replace("'", "’").replace("-", "–").replace('"', "“")


WAYS: dict[str, Callable[[str, Rng], str]] = {
    "as usual": _usual,
    "small letters": _small,
    "capitals": _capitals,
    "no-break spaces": _no_break,
    "invisible characters": _invisible,
    "look-alike letters": _look_alike,
    "full width": _wide,
    "typeset": _typeset,
}
KEEPS_CASE = {"email", "handle"}


def _full_name(culture: str, rng: Rng, source: Callable[[str], tuple[Sequence[str], Sequence[str]]]) -> str:
    given, family = source(culture)
    first, last = rng.choice(given), rng.choice(family)
    form = rng.randrange(12)
    if form == 0:
        return f"{last}, {first}"
    if form == 1:
        return f"{first} {rng.choice(given)} {last}"
    if form == 2:
        return f"{rng.choice(NICKNAMES.split())} {last}"
    if form == 3:
        return f"{first} {last}-{rng.choice(family)}" if "-" not in last else f"{first} {last}"
    if form == 4:
        return f"{first} {rng.choice('BCDFGHJKLMNPRST')}. {last}"
    if form == 5 and culture in ("chinese", "korean", "japanese", "vietnamese"):
        return f"{last} {first}"
    return f"{first} {last}"


def _planted(carrier: str, item: str, way: str, rng: Rng, *, whole: bool) -> tuple[str, int, int]:
    """The carrier with the item in its place; in capitals or small letters sometimes as a whole."""
    before, after = carrier.split("{}")
    written = WAYS[way](item, rng)
    if whole and way == "small letters":
        before, after = before.lower(), after.lower()
    if whole and way == "capitals":
        before, after = before.upper(), after.upper()
    return f"{before}{written}{after}", len(before), len(before) + len(written)


def plants(*, seed: int, of_each: int, unseen: bool = True, talk: Sequence[str] = ()) -> Iterator[Plant]:
    """`of_each` names of each culture and way of writing, and as many of each other kind and way.

    `unseen`: only names that the rules' lists do not have. `talk`: clean utterances to plant beside.
    """
    rng = random.Random(seed)
    source = held_out if unseen else people
    for culture in PEOPLE:
        for way in WAYS:
            for _ in range(of_each):
                item = _full_name(culture, rng, source)
                yield _in_talk("name", culture, way, rng.choice(NAME_CARRIERS), item, rng, talk)
    for kind, make in MADE.items():
        for way in WAYS:
            for _ in range(of_each * 3):
                yield _in_talk(kind, "", way, rng.choice(CARRIERS[kind]), make(rng), rng, talk)


def _in_talk(kind: str, culture: str, way: str, carrier: str, item: str, rng: Rng, talk: Sequence[str]) -> Plant:
    if kind in KEEPS_CASE and way == "capitals":
        way = "as usual"
    text, start, end = _planted(carrier, item, way, rng, whole=rng.random() < 0.5)
    if talk and rng.random() < 0.5:
        beside = rng.choice(talk)
        text, start, end = f"{beside} {text}", start + len(beside) + 1, end + len(beside) + 1
    return Plant(kind, culture, way, text, start, end)
