"""How many rows teach a right answer and how many a mistake, where a rule can tell: at sums of two numbers.

What a row about the world teaches is left to people: no rule here knows. Right rows matter, because a model that sees
only mistakes makes them everywhere, also where a child with that mistaken idea would be right (arXiv 2410.12294). There
a quarter as many right rows as mistaken ones could be enough, and below that the advice speaks. In a small series of our
own (`tests/benchmarks/misconception_ratio.py`, docs/misconception-rows.md) it took as many right rows as mistaken ones.
"""

import re
from collections.abc import Sequence
from typing import Any

from datasets.formats import Row
from second_grade import verdict

_SUM = re.compile(
    r"(?<![\d.,/])(\d{1,3}) ?(\+|-|−|plus|minus|take away) ?(\d{1,3})(?![\d.,/]*\d)"
)
_ANOTHER = re.compile(r"\d")
FEWEST_MISTAKEN = 8
"""Below so many mistaken sums nothing is said: a few slips are what children make."""
RIGHT_PER_MISTAKEN = 0.25
LONGEST_QUESTION = 2_000
_MOST_LISTED = 100


def knowledge(rows: Sequence[Row]) -> dict[str, Any]:
    """{"right", "mistaken": turns, "mistaken_lines": lines of rows, "few_right": whether right rows are wanting}."""
    right, mistaken = 0, 0
    lines: list[int] = []
    for row in rows:
        for question, answer in _exchanges(row):
            total = _total(question)
            claimed = (
                None
                if total is None
                else verdict.claimed(answer[:LONGEST_QUESTION], question[:LONGEST_QUESTION])
            )
            if claimed is None:
                continue
            if claimed == total:
                right += 1
                continue
            mistaken += 1
            if len(lines) < _MOST_LISTED and row.line not in lines[-1:]:
                lines.append(row.line)
    few = mistaken >= FEWEST_MISTAKEN and right < RIGHT_PER_MISTAKEN * mistaken
    return {"right": right, "mistaken": mistaken, "mistaken_lines": lines, "few_right": few}


def _exchanges(row: Row) -> list[tuple[str, str]]:
    """(what the teacher said, what the student answered to it)."""
    found, asked = [], ""
    for message in row.messages:
        if message["role"] == "assistant" and asked:
            found.append((asked, message["content"]))
        asked = message["content"] if message["role"] == "user" else ""
    return found


def _total(question: str) -> int | None:
    """The right number, where exactly one sum of two numbers is asked and no other number stands there."""
    asked = question[:LONGEST_QUESTION].lower()
    found = _SUM.search(asked)
    if (
        found is None
        or _ANOTHER.search(asked[: found.start()])
        or _ANOTHER.search(asked[found.end() :])
    ):
        return None
    left, right = int(found[1]), int(found[3])
    return left + right if found[2] in ("+", "plus") else left - right
