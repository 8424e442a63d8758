"""What the text generator makes: short exchanges between a teacher and somebody who answers, in one of two voices."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Voice(StrEnum):
    """Who answers: PLAIN is a neutral adult, CHILD a second-grader."""

    PLAIN = "plain"
    CHILD = "child"


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """One subject talked about for one or more turns; `topic` tells apart what two lessons are about."""

    subject: str
    topic: str
    turns: tuple[Turn, ...]


LessonMaker = Callable[[Random, Voice], Lesson]

STORY_NAMES = (
    "Mia",
    "Leo",
    "Ana",
    "Tom",
    "Zoe",
    "Sam",
    "Eva",
    "Max",
    "Lily",
    "Ben",
    "Nora",
    "Omar",
    "Ruby",
    "Jack",
    "Maya",
    "Finn",
    "Ella",
    "Noah",
    "Ivy",
    "Luis",
    "Aisha",
    "Kofi",
    "Mei",
    "Theo",
)
"""First names of story characters. They belong to nobody."""


def said_by(voice: Voice, plain: tuple[str, ...], child: tuple[str, ...], rng: Random) -> str:
    """Return one of the answers that `voice` would give."""
    return rng.choice(plain if voice is Voice.PLAIN else child)
