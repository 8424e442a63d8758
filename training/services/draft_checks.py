"""What is looked at in a row that a model wrote, before a person reads it: the same checks that uploaded rows get."""

from collections.abc import Iterable
from typing import TypedDict

from datasets import checks, formats
from datasets.checks.duplicates import Likeness, question_key
from second_grade import childlikeness
from second_grade.interview import falls_out_of_part

MOST_COMPARED = 5_000
"""Rows of the dataset that drafts are compared with: the newest ones, because those are what was worked on."""


class DraftFinding(TypedDict):
    """`serious`: the row is unfit as it stands; else it is worth a second look."""

    code: str
    words: str
    serious: bool


class Checker:
    """Checks drafted rows one after the other, against the dataset's rows and against the drafts before."""

    def __init__(self, rows: Iterable[formats.Row]) -> None:
        compared = list(rows)[-MOST_COMPARED:]
        self.known = Likeness(compared)
        self.asked = {question_key(row) for row in compared}

    def look(self, row: formats.Row) -> list[DraftFinding]:
        """Of the row alone and beside all that came before; it is known from now on."""
        found = [*_rules(row), *_privacy(row), *_child(row), *_sums(row)]
        twin, key = self.known.find(row), question_key(row)
        if twin is not None:
            words = f"It says nearly the same as another row: “{_short(twin.prompt())}”"
            found.append(_finding("duplicate", words))
        elif key in self.asked:
            words = "Another row asks this already. Keep it only where the answer shows something new."
            found.append(_finding("same_question", words, serious=False))
        self.asked.add(key)
        self.known.add(row)
        return found


def _finding(code: str, words: str, *, serious: bool = True) -> DraftFinding:
    return {"code": code, "words": words, "serious": serious}


def _rules(row: formats.Row) -> list[DraftFinding]:
    problems = formats.check_row(row, formats.Limits())
    return [
        _finding("rule", problem.message) for problem in problems if problem.severity == "error"
    ]


def _privacy(row: formats.Row) -> list[DraftFinding]:
    return [
        _finding(
            "privacy",
            f"“{_short(one.text)}” may be somebody's personal data: {one.reason}",
            serious=one.severity != "low",
        )
        for one in checks.find_private([row])
    ]


def _child(row: formats.Row) -> list[DraftFinding]:
    said = " ".join(row.student_text())
    if falls_out_of_part(said):
        return [
            _finding(
                "out_of_part", "This is not a child: a program, a teacher or a grown-up speaks."
            )
        ]
    reading = childlikeness.read_one(said)
    if reading.childlike:
        return []
    return [_finding("no_child", reading.sentence)]


def _sums(row: formats.Row) -> list[DraftFinding]:
    if not checks.knowledge([row])["mistaken"]:
        return []
    words = "The sum is wrong. Keep it only if it is a mistake that you want the child to make."
    return [_finding("mistaken_sum", words, serious=False)]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
