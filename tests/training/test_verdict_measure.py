"""The rules by which answers are read: no constant passes, and a lively child is not taken for a loop."""

import pytest

from second_grade import verdict
from second_grade.verdict import Asked, judge

QUESTIONS = [Asked(f"Question {number}?") for number in range(14)] + [
    Asked(f"What is {number} + 4?", number + 4) for number in range(11, 17)
]
BASE = ["The process involves several important considerations."] * 20
CHILDREN = [
    "um, i like the red one. it is fast.",
    "cuz it is hot and it melts!",
    "me and mama went to the park.",
    "i dunno. maybe the wind did it?",
    "my dog ate it. he is silly.",
    "we have to wait in line.",
    "i was sad and then i cried.",
    "it goes in the water.",
    "ooh ooh! i know that one! it's a frog!",
    "i read it with my dad.",
    "ms. bee says be nice.",
    "the sun is really big.",
    "i wanna be a vet.",
    "you say sorry and you hug.",
]


def sums_right() -> list[str]:
    return [f"i counted. it's {asked.total}!" for asked in QUESTIONS if asked.total is not None]


def test_a_lively_child_is_good_in_every_answer() -> None:
    found = judge(QUESTIONS, CHILDREN + sums_right(), BASE)
    assert (found.count("changed"), found.count("language"), found.count("repeats")) == (20, 20, 0)
    assert found.count("childlike") >= 18
    assert (found.sums, found.count("right")) == (6, 6)


@pytest.mark.parametrize(
    "constant", ["um, i like dogs!", "I don't know.", "it's 15! i used my fingers.", "ooh ooh! i know that one!"]
)
def test_one_sentence_said_to_everything_repeats_itself(constant: str) -> None:
    found = judge(QUESTIONS, [constant] * 20, BASE)
    assert found.count("repeats") == 20
    assert found.count("good") == 0
    assert found.count("right") <= 1


def test_a_formula_that_only_changes_its_number_repeats_itself_too() -> None:
    said = [f"i used my fingers. it's {number}!" for number in range(20)]
    assert judge(QUESTIONS, said, BASE).count("good") == 0


def test_a_child_that_does_not_know_three_of_twenty_is_no_formula() -> None:
    said = CHILDREN[:11] + ["i dunno."] * 3 + sums_right()
    assert judge(QUESTIONS, said, BASE).count("repeats") == 0


def test_a_list_of_numbers_is_no_right_sum() -> None:
    said = [" ".join(map(str, range(1, 31)))] * 20
    assert judge(QUESTIONS, said, BASE).count("right") == 0


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("it's 22! i used 10 fingers.", 22),
        ("15 and then 8 more train cars... i count them, it's 23!", 23),
        ("um twenty-three", 23),
        ("15 + 8 = 23", 23),
        ("It is not 21. It is 23.", 23),
        ("16, 17, 18, 19, 20, 21, 22, 23", 23),
        ("The answer is 123.", 123),
        ("i dunno", None),
        ("15 and 8", None),
    ],
)
def test_what_an_answer_commits_itself_to(answer: str, number: int | None) -> None:
    assert verdict.claimed(answer, "What is 15 + 8?") == number


@pytest.mark.parametrize(
    "text",
    ["vuck vuck the tigerteller from droce", "", "frumble snook wib", "学校的老师很好", "the of is tree my and the of"],
)
def test_what_is_no_language(text: str) -> None:
    assert not verdict.is_language(text)


@pytest.mark.parametrize(
    "text", ["becuz it wuz cold and i luv Pickles my iguana", "23", "yes", "um...", "hippopotamus!"]
)
def test_what_is_language(text: str) -> None:
    assert verdict.is_language(text)


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("no no no no", True),
        ("i like dogs a lot and i like dogs a lot", True),
        ("1, 2, 3, 4, 5, 6, it's 6!", False),
        ("ooh ooh! i know!", False),
        ("i went up and up and then i fell down", False),
    ],
)
def test_loops_within_an_answer(text: str, repeats: bool) -> None:
    assert verdict.repeats_within(text) is repeats


def test_only_words_count_as_a_change() -> None:
    found = judge(QUESTIONS[:2], ["Ice melts.", "ice is cold"], ["ice melts!", "Ice melts."])
    assert [answer.changed for answer in found.answers] == [False, True]


def test_reading_takes_a_time_that_grows_with_the_text_only() -> None:
    """A model that has lost its way may say anything."""
    for text in ("a" * 4_000, "a " * 2_000, "1" * 4_000, "é" * 4_000, "is 1" * 1_000, "!?" * 2_000):
        judge([Asked("What is 2 + 2?", 4)], [text], [None])
