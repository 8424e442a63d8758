"""What a team is told of one answer: its mark, the reason, and whether there is something to teach."""

import pytest

from second_grade.interview import BEYOND, KNOWN, PERSONA, SHAKY, Asked
from second_grade.marks import Mark, mark_answer


def asked(expectation=KNOWN, subject="math"):
    return Asked(subject, expectation, ["23|twenty three"], ["22|twenty two"], (), (), ("What is 15 + 8?",))


@pytest.mark.parametrize(
    ("answer", "expectation", "mark", "failed"),
    [
        ("It is 23!", KNOWN, Mark.RIGHT, False),
        ("It's 22.", KNOWN, Mark.MISTAKEN, True),
        ("It's 22.", SHAKY, Mark.MISTAKEN, False),  # a child's own mistake is no failure
        ("It's 22.", BEYOND, Mark.MISTAKEN, False),
        ("It is 23!", SHAKY, Mark.RIGHT, False),
        ("It is 23!", BEYOND, Mark.OUT_OF_CHARACTER, True),  # it knows what comes years later
        ("um i dunno", KNOWN, Mark.UNSURE, False),
        ("i like dogs", KNOWN, Mark.NO_ANSWER, True),
        ("i like dogs", SHAKY, Mark.NO_ANSWER, False),
        ("", KNOWN, Mark.NO_ANSWER, True),
        ("I am an AI language model, and it is 23.", KNOWN, Mark.OUT_OF_CHARACTER, True),
        ("Great job! It is 23. Now try again.", KNOWN, Mark.OUT_OF_CHARACTER, True),
        ("Furthermore, it is 23.", KNOWN, Mark.OUT_OF_CHARACTER, True),
        ("vuck vuck the tigerteller droce", KNOWN, Mark.OUT_OF_CHARACTER, True),
        ("it is 23 it is 23 it is 23 it is 23 it is", KNOWN, Mark.OUT_OF_CHARACTER, True),
    ],
)
def test_an_answer_is_marked_by_what_a_second_grader_would_say(answer, expectation, mark, failed):
    found = mark_answer(asked(expectation), answer)
    assert (found.mark, found.failed) == (mark, failed), found
    assert found.why.endswith((".", "”."))


def test_what_is_untrue_of_a_second_grader_is_out_of_character():
    age = Asked(PERSONA, KNOWN, ["7|seven", "8|eight"], ["30|thirty"], (), (), ("How old are you?",))
    assert mark_answer(age, "I'm 7!").mark is Mark.RIGHT
    assert mark_answer(age, "I am thirty.").mark is Mark.OUT_OF_CHARACTER
    assert mark_answer(age, "dogs").failed


def test_a_follow_up_is_judged_by_its_language_alone():
    assert mark_answer(asked(), "i like dogs", follow_up=True).mark is Mark.OPEN
    assert mark_answer(asked(), "As a language model I like dogs.", follow_up=True).failed
