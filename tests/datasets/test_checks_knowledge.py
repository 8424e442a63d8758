"""Right and mistaken sums in the rows, and the advice where right ones are wanting."""

from datasets import checks
from datasets.formats import Row
from tests.datasets.test_checks_report import row


def sum_row(line: int, question: str, answer: str) -> Row:
    return row(question, answer, line=line)


def mistaken(count: int) -> list[Row]:
    return [sum_row(line, f"What is {40 + line} - 28?", f"Um, it's {99 - line}!") for line in range(1, count + 1)]


def right(count: int) -> list[Row]:
    return [sum_row(100 + line, f"What is {line} plus 2?", f"It is {line + 2}!") for line in range(1, count + 1)]


def test_sums_are_told_right_or_mistaken_and_other_rows_are_left_out() -> None:
    rows = [
        sum_row(1, "What is 15 + 8?", "It's 23!"),
        sum_row(2, "How much is 52 take away 38?", "26. No wait, it's 14!"),
        sum_row(3, "What is 52 - 38?", "8 take away 2 is 6, so it's 26."),
        sum_row(4, "Why do we have day and night?", "The sun goes to bed."),
        sum_row(5, "What is 15 + 8?", "I don't know."),
        sum_row(6, "Sam has 3 hats. What is 15 + 8?", "It's 3."),
        sum_row(7, "Is 3/4 + 1/4 one?", "It's 7."),
    ]
    assert checks.knowledge(rows) == {"right": 2, "mistaken": 1, "mistaken_lines": [3], "few_right": False}


def test_mistakes_with_hardly_any_right_rows_are_advised_against() -> None:
    found = checks.report(mistaken(20) + right(4))
    finding = next(one for one in found.problems if one.code == "few_right_rows")
    assert "20 are mistaken and 4 right" in finding.message and "four mistaken" in finding.fix and finding.line == 1
    assert not [one for one in checks.report(mistaken(20) + right(5)).problems if one.code == "few_right_rows"]


def test_a_few_slips_are_no_reason_for_advice() -> None:
    assert not checks.knowledge(mistaken(7))["few_right"]
    assert checks.knowledge(mistaken(8))["few_right"]
    assert checks.knowledge([]) == {"right": 0, "mistaken": 0, "mistaken_lines": [], "few_right": False}
