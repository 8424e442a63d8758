"""Bradley–Terry against answers that are known, and silence where there is none."""

import pytest

from evaluation.ranking import APART, NOTHING, ONE_SIDED, Ballot, rank, rates_of, strengths, wins_of


def duels(one, other, won, lost, tied=0):
    return [
        Ballot((one, other), best) for best, times in ((one, won), (other, lost), (None, tied)) for _ in range(times)
    ]


def rates(ballots):
    return {one.bot: one.rate for one in rank(ballots).standings}


def test_two_bots_are_as_far_apart_as_their_votes():
    ranking = rank(duels("a", "b", won=3, lost=1))
    assert ranking.undefined == ""
    best, last = ranking.standings
    assert (best.bot, best.won, best.tied, best.lost) == ("a", 3, 0, 1)
    assert best.rate == pytest.approx(0.75, abs=1e-6) and last.rate == pytest.approx(0.25, abs=1e-6)


def test_votes_that_fit_a_model_give_its_strengths_back():
    """Strengths 4 : 2 : 1 expect exactly these wins, so they are the likeliest."""
    ballots = duels("a", "b", 4, 2) + duels("b", "c", 4, 2) + duels("a", "c", 8, 2)
    found = strengths(wins_of(ballots))
    assert found == pytest.approx({"a": 4 / 7, "b": 2 / 7, "c": 1 / 7}, abs=1e-6)
    assert rates(ballots)["a"] == pytest.approx((4 / 6 + 4 / 5) / 2, abs=1e-6)


def test_bots_that_never_met_are_compared_through_a_third():
    ballots = duels("a", "b", 2, 1) + duels("b", "c", 2, 1)
    found = strengths(wins_of(ballots))
    assert found["a"] / found["c"] == pytest.approx(4, abs=1e-4)


def test_a_tie_is_half_a_win_for_both():
    assert rates(duels("a", "b", won=1, lost=0, tied=1))["a"] == pytest.approx(0.75, abs=1e-6)
    assert rates(duels("a", "b", won=0, lost=0, tied=4)) == pytest.approx({"a": 0.5, "b": 0.5})


def test_best_of_three_says_nothing_about_the_other_two():
    wins = wins_of([Ballot(("a", "b", "c"), "a")])
    assert wins == {"a": {"b": 1.0, "c": 1.0}, "b": {"a": 0.0}, "c": {"a": 0.0}}


@pytest.mark.parametrize(
    ("ballots", "why"),
    [
        ([], NOTHING),
        (duels("a", "b", 1, 1) + duels("c", "d", 1, 1), APART),
        (duels("a", "b", 5, 0), ONE_SIDED),
        (duels("a", "b", 1, 1) + duels("b", "c", 2, 0), ONE_SIDED),
    ],
)
def test_where_the_votes_do_not_tell_it_says_not_defined(ballots, why):
    ranking = rank(ballots)
    assert ranking.undefined == why
    assert all(one.rate is None and one.low is None for one in ranking.standings)
    assert len(ranking.standings) == len({bot for ballot in ballots for bot in ballot.bots})


def test_the_counts_are_there_even_where_no_rate_is():
    best, last = rank(duels("a", "b", 5, 0)).standings
    assert (best.bot, best.won, last.lost) == ("a", 5, 5)


def test_the_interval_holds_the_rate_and_narrows_with_more_votes():
    few, many = rank(duels("a", "b", 6, 4)).standings[0], rank(duels("a", "b", 60, 40)).standings[0]
    assert few.low and few.rate and few.high and many.low and many.high
    assert few.low < few.rate < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    # 100 votes at 60 %: the normal interval is 0.60 ± 0.096
    assert (many.low, many.high) == pytest.approx((0.504, 0.696), abs=0.025)


def test_a_draw_without_a_loss_reaches_up_to_one():
    assert rank(duels("a", "b", 3, 1)).standings[0].high == pytest.approx(1.0, abs=0.01)


def test_the_same_votes_give_the_same_ranking():
    ballots = duels("a", "b", 6, 4) + duels("b", "c", 3, 5)
    assert rank(ballots) == rank(ballots)


def test_rates_of_equals_are_one_half():
    assert rates_of({"a": 0.5, "b": 0.25, "c": 0.25})["b"] == pytest.approx((1 / 3 + 1 / 2) / 2)
