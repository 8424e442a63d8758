"""The questions of the verdict: fresh for each dataset, the same for each run of it with the same seed.

Fourteen are drawn by topic from a bank of our own, those first that are least like anything in the training rows; six are sums.
Equal questions for equal rows and seed let the runs of a team be compared, and let the base's answers be asked only once. None
of the sample questions is among them: those stand on the page, and a team could write rows for them.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from training.services.engine_rows import conversations

BANK = Path(__file__).parents[1] / "data" / "fresh_questions.tsv"
PER_TOPIC = {"science": 3, "reading": 3, "feelings": 2, "life": 3, "world": 2, "counting": 1}
SUMS = 6
COUNT = sum(PER_TOPIC.values()) + SUMS
FAR_HALF = 0.5  # of a topic's questions, the least like the rows: drawn from
SUM_WORDS = ("What is {} + {}?", "How much is {} plus {}?", "Can you add {} and {}?")
TAKE_WORDS = ("What is {} - {}?", "How much is {} take away {}?")
SMALL_WORDS = frozenset(
    (
        *(
            "a",
            "an",
            "the",
            "is",
            "are",
            "was",
            "do",
            "does",
            "did",
            "you",
            "your",
            "we",
            "to",
            "of",
            "in",
            "on",
            "at",
        ),
        *(
            "for",
            "and",
            "or",
            "it",
            "that",
            "what",
            "why",
            "how",
            "when",
            "where",
            "who",
            "which",
            "can",
        ),
    )
)
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Fresh:
    """A question of the verdict. `total`: the right number where it is a sum."""

    topic: str
    question: str
    total: int | None = None


def draw(rows: Path, *, seed: int, content_hash: str) -> list[Fresh]:
    """COUNT questions for a run. `rows`: its training rows, JSON lines of messages; `content_hash`: of its dataset version."""
    teacher = list(_teacher_says(rows))
    known = [words for text in teacher if (words := _content(text))]
    chance = random.Random(f"verdict {content_hash} {seed}")  # noqa: S311  # repeatable, not secret
    chosen: list[Fresh] = []
    for topic, count in PER_TOPIC.items():
        near = {question: _nearness(_content(question), known) for question in bank()[topic]}
        farthest = sorted(near, key=lambda question: (near[question], question))
        half = farthest[: max(count, round(len(farthest) * FAR_HALF))]
        chosen += [Fresh(topic, question) for question in chance.sample(half, count)]
    chosen += _sums(chance, _operands(teacher))
    chance.shuffle(chosen)
    return chosen


@cache
def bank() -> dict[str, tuple[str, ...]]:
    """Questions by topic."""
    found: dict[str, list[str]] = {}
    for line in BANK.read_text(encoding="utf-8").splitlines():
        topic, question = line.split("\t")
        found.setdefault(topic, []).append(question)
    return {topic: tuple(questions) for topic, questions in found.items()}


def _sums(chance: random.Random, taken: set[frozenset[int]]) -> list[Fresh]:
    """Sums and differences within a second-grader's reach, of numbers that no row puts together."""
    made: list[Fresh] = []
    while len(made) < SUMS:
        left, right = chance.randint(3, 20), chance.randint(2, 9)
        pair = frozenset((left, right))
        if left <= right or pair in taken:
            continue
        taken = taken | {pair}
        if len(made) % 3 == 2:
            made.append(
                Fresh("sums", chance.choice(TAKE_WORDS).format(left, right), left - right)
            )
        else:
            made.append(
                Fresh("sums", chance.choice(SUM_WORDS).format(left, right), left + right)
            )
    return made


def _operands(teacher: Iterable[str]) -> set[frozenset[int]]:
    """The pairs of numbers that questions put together, so far as a sum could be drawn of them."""
    found: set[frozenset[int]] = set()
    for text in teacher:
        numbers = [int(number) for number in re.findall(r"\b\d{1,2}\b", text)]
        found |= {frozenset(pair) for pair in pairwise(numbers)}
    possible = {number for pair in found for number in pair}
    # Rows that hold nearly every pair leave too few: then any may be drawn.
    return set() if len(found) > 60 and len(possible) > 15 else found


def _nearness(words: frozenset[str], known: Sequence[frozenset[str]]) -> float:
    """The share of words that it has in common with the row that is most like it; 0 to 1."""
    return max((len(words & other) / len(words | other) for other in known), default=0.0)


def _content(text: str) -> frozenset[str]:
    return frozenset(word for word in WORD.findall(text.lower()) if word not in SMALL_WORDS)


def _teacher_says(rows: Path) -> Iterable[str]:
    for messages in conversations(rows):
        for message in messages:
            if message["role"] == "user":
                yield str(message["content"])
