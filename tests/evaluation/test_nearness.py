"""Nearest rows by their words: known likenesses, and none where nothing is shared."""

import pytest

from evaluation.nearness import nearest, terms

ROWS = ["I think it turns into ice!", "Um, I count on my fingers.", "The moon is made of cheese.", "It is cold. Ice!"]


def near(text, rows=ROWS, most=3):
    return [(one.position, round(one.similarity, 2)) for one in nearest(text, lambda: rows, most)]


def test_the_same_words_are_a_likeness_of_one_whatever_the_case_and_the_marks():
    assert near("i THINK, it turns into ice")[0] == (0, 1.0)


def test_the_nearest_comes_first_and_rows_without_a_shared_word_never():
    positions = [position for position, _ in near("It turns into ice!")]
    assert positions == [0, 3]


def test_words_in_the_same_order_count_for_more():
    same, other = (dict(near(text))[1] for text in ("count on my", "my on count"))
    assert same > other > 0


def test_a_rare_word_weighs_more_than_one_that_every_row_has():
    rows = ["the cat", "the dog", "the sun", "the whale"]
    found = dict(near("the whale sings", rows, most=4))
    assert found[3] > 2 * found[0]


def test_a_likeness_worked_out_by_hand():
    """Two rows "a" and "b": idf("a") = idf("b") = 1 + ln(3/2); the pair "a b" stands in none: 1 + ln 3."""
    found = nearest("a b", lambda: ["a", "b"])
    idf, unseen = 1.4054651081, 2.0986122887
    assert [one.similarity for one in found] == pytest.approx([idf / (2 * idf**2 + unseen**2) ** 0.5] * 2)
    assert [one.position for one in found] == [0, 1]


@pytest.mark.parametrize(("text", "rows"), [("", ROWS), ("...", ROWS), ("ice", []), ("ice", [""]), ("xyz", ROWS)])
def test_nothing_shared_is_no_row_and_no_error(text, rows):
    assert near(text, rows) == []


def test_no_more_rows_than_asked_for():
    assert len(near("ice", ["ice"] * 9, most=2)) == 2


def test_a_typed_apostrophe_is_the_curly_one():
    assert terms("I don't") == terms("I don’t")
