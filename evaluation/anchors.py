"""What an anchor interview is, on which a professor sets her scale before she grades. Free of Django."""

from dataclasses import dataclass

# Keys of the built-in rubric, in its order.
CRITERIA = (
    "vocabulary",
    "reasoning",
    "misconceptions",
    "flow",
    "curriculum",
    "progression",
    "understanding",
    "engagement",
)


@dataclass(frozen=True)
class Agreed:
    """The intended level and why, in one sentence that a teacher would say."""

    level: int
    reason: str


@dataclass(frozen=True)
class AnchorTranscript:
    """`turns`: (teacher, student). `agreed`: by criterion key.

    `key` is for ever: an interview whose turns or levels change in meaning gets a new one, so that old levels are not
    compared with new intentions.
    """

    key: str
    title: str
    turns: tuple[tuple[str, str], ...]
    agreed: dict[str, Agreed]
