"""Rows with half a pair, and rows of KTO: one answer, and whether it is one to learn (`label: false`: it is not)."""

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
        fix="Leave the row out; or put the bad answer beside a good one to the same question, as a preference row.",
        excerpt=excerpt_of(repr(value)[:200]),
    )


_PLAIN_QUESTIONS = (
    "instruction",
    "question",
    "prompt",
    "teacher",
    "teacher_prompt",
    "teacher_question",
    "user",
)
_PLAIN_ANSWERS = (
    "answer",
    "response",
    "completion",
    "student",
    "student_response",
    "student_answer",
    "assistant",
)


def half_a_pair(line: int, value: dict[str, Any], by_name: dict[str, str]) -> Problem | None:
    """A row with a question and no answer, or the other way round, is told so rather than “no known kind”."""
    asked = next((by_name[name] for name in _PLAIN_QUESTIONS if name in by_name), None)
    answered = next((by_name[name] for name in _PLAIN_ANSWERS if name in by_name), None)
    if (asked is None) == (answered is None):
        return None
    has, lacks = (
        (asked, "what the student answers")
        if asked is not None
        else (answered, "what the teacher says")
    )
    return Problem(
        line=line,
        column=None,
        field="",
        code="half_a_pair",
        severity="error",
        message=f"The row has `{has}`, but not {lacks}.",
        fix="Add what is missing, or delete the row.",
        excerpt=excerpt_of(repr(value)[:200]),
    )
