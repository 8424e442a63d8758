"""Rows of KTO: one answer, and whether it is one to learn. `label: false` says that it is not."""

from typing import Any

from datasets.formats.names import plain_key
from datasets.formats.rows import Problem, excerpt_of

_BAD = ("false", "bad", "undesirable")


def is_bad_answer(value: dict[str, Any]) -> bool:
    """Whether a row has an answer (`completion`) that is marked as bad."""
    by_name = {plain_key(key): key for key in value}
    if "completion" not in by_name or "label" not in by_name:
        return False
    label = value[by_name["label"]]
    return label is False or (isinstance(label, str) and label.strip().lower() in _BAD)


def bad_answer(line: int, value: dict[str, Any]) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="label",
        code="bad_answer",
        severity="error",
        message="The answer is marked as a bad one (`label` is false), so nothing may learn to give it.",
        mend="Leave the row out; or put the bad answer beside a good one to the same question, as a preference row.",
        excerpt=excerpt_of(repr(value)[:200]),
    )
