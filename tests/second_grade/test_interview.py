"""The interview metrics rank made bots as a teacher would, and nothing constant, copied or listed comes out well."""

from functools import cache
from itertools import combinations

import pytest

from second_grade.interview import Asked, Metrics, measure
from tests.second_grade.bots import BOTS, GOOD, ORDER
from tests.second_grade.test_stance import SCRIPT


@cache
def metrics_of(name: str) -> Metrics:
    bot = BOTS[name]
    asked = [
        Asked(subject, expectation, right, mistaken, (bot(number, 0), bot(number, 1)), (), (question, paraphrase))
        for number, (subject, expectation, question, paraphrase, _, right, mistaken) in enumerate(
            SCRIPT.QUESTIONS, start=1
        )
    ]
    return measure(asked)


def quality(name: str) -> float:
    found = metrics_of(name).quality
    assert found is not None
    return found


def test_there_are_bots_enough_and_each_has_its_place() -> None:
    assert len(BOTS) >= 25
    assert set(BOTS) == set(ORDER)


def test_the_ranking_agrees_with_the_order_that_was_fixed_before() -> None:
    """Kendall's tau over the pairs that the order puts apart."""
    apart = [(a, b) for a, b in combinations(BOTS, 2) if ORDER[a] != ORDER[b]]
    signs = [(quality(a) > quality(b)) - (quality(a) < quality(b)) for a, b in apart]
    wanted = [1 if ORDER[a] > ORDER[b] else -1 for a, b in apart]
    tau = sum(sign * want for sign, want in zip(signs, wanted, strict=True)) / len(apart)
    assert tau >= 0.8, sorted(((round(quality(name), 3), name, ORDER[name]) for name in BOTS), reverse=True)


@pytest.mark.parametrize("name", [name for name, place in ORDER.items() if place == 0])
def test_nothing_constant_copied_or_listed_comes_near_a_good_child(name: str) -> None:
    worst_good = min(quality(good) for good, place in ORDER.items() if place == GOOD)
    assert quality(name) < 0.6 * worst_good, (quality(name), worst_good, metrics_of(name))


def test_a_figure_names_the_version_that_made_it() -> None:
    from second_grade import VERSION

    assert metrics_of("good child").version == VERSION
