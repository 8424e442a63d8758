"""A question of an interview, and what an answer to it claims."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Stance(StrEnum):
    RIGHT = "right"
    MISTAKEN = "mistaken"
    UNSURE = "unsure"
    OTHER = "other"


class Kind(StrEnum):
    NUMBER = "number"
    YES_NO = "yes or no"
    CHOICE = "choice"
    OPEN = "open"


@dataclass(frozen=True)
class Question:
    """A question of a script: `asked`, the wordings in which it was put (what was asked last first), and its phrases."""

    asked: tuple[str, ...]
    right: tuple[str, ...]
    mistaken: tuple[str, ...]

    @property
    def wordings(self) -> str:
        """All of them in lower case, to be searched."""
        return " ".join(self.asked).lower()


@dataclass(frozen=True)
class Claim:
    """`what`: the phrase (the first of its ways) or the number that was claimed; empty where nothing was."""

    stance: Stance
    what: str = ""


def name_of(phrase: str) -> str:
    """The first of a phrase's ways, as it is shown."""
    return phrase.split("|")[0].removeprefix("=")


def kappa(pairs: Iterable[tuple[str, str]]) -> float:
    """Cohen's kappa of two labellings, given as pairs."""
    listed = list(pairs)
    labels = {label for pair in listed for label in pair}
    agreed = sum(a == b for a, b in listed) / len(listed)
    chance = sum(
        sum(a == label for a, _ in listed)
        * sum(b == label for _, b in listed)
        / len(listed) ** 2
        for label in labels
    )
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
