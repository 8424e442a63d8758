"""How much of what is planted is found: by `make privacy-recall`, kept with its date, shown beside "nothing found"."""

from functools import cache
from pathlib import Path

import msgspec

_FILE = Path(__file__).parents[1] / "data" / "privacy_recall.json"


class Share(msgspec.Struct, frozen=True):
    """`recall` of `n` planted items, from 0 to 1."""

    recall: float
    n: int

    @property
    def percent(self) -> int:
        """Rounded down: nobody is promised more than was found."""
        return int(100 * self.recall)


class Clean(msgspec.Struct, frozen=True):
    """Utterances in which nothing stands, and how often something was found in them."""

    n: int
    alarms: int
    per_1000: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    measured_on: str
    rules_version: int
    looked_by: str
    all: Share
    kinds: dict[str, Share]
    cultures: dict[str, Share]
    ways: dict[str, Share]
    listed_names_too: Share
    clean: Clean

    @property
    def weakest_culture(self) -> str:
        return min(self.cultures, key=lambda culture: self.cultures[culture].recall)

    def sentence(self) -> str:
        """What "nothing found" is worth, for a person."""
        weakest = self.weakest_culture
        return (
            f"Of {self.all.n:,} made-up names, numbers, addresses and the like planted in children's talk, {self.all.percent} % "
            f"were found ({self.looked_by}, version {self.rules_version}, measured {self.measured_on}); of names, "
            f"{self.kinds['name'].percent} %, fewest of those that are {weakest}: {self.cultures[weakest].percent} %."
        )


@cache
def _all() -> dict[str, Figures]:
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, Figures])


def measured(*, with_model: bool) -> Figures:
    """The figures of the rules, or of rules and name model together."""
    figures = _all()
    return figures["rules_and_model" if with_model and "rules_and_model" in figures else "rules"]
