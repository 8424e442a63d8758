"""An interval of alpha is given from eight bots on, and then it holds what it promises."""

import random

import pytest

from evaluation.agreement import FEWEST_FOR_INTERVAL, alpha, jackknife


def rated(draw: random.Random, noise: float) -> list[float | None]:
    """One bot of some quality, as three raters with some noise see it, on five levels."""
    quality = draw.gauss(3, 1)
    return [float(min(5, max(1, round(quality + draw.gauss(0, noise))))) for _ in range(3)]


@pytest.mark.parametrize("bots", [2, 4, FEWEST_FOR_INTERVAL - 1])
def test_below_eight_bots_there_is_no_interval(bots: int) -> None:
    draw = random.Random(1)
    assert jackknife([rated(draw, 0.7) for _ in range(bots)], alpha) is None


@pytest.mark.parametrize(("bots", "noise"), [(8, 0.5), (12, 1.0)])
def test_a_95_percent_interval_covers_95_percent_within_3_points(bots: int, noise: float) -> None:
    draw = random.Random(4)
    truth = alpha([rated(draw, noise) for _ in range(1_500)])
    assert truth is not None
    found = [jackknife([rated(draw, noise) for _ in range(bots)], alpha) for _ in range(300)]
    held = [one.low <= truth <= one.high for one in found if one is not None]
    assert len(held) >= 290
    assert abs(sum(held) / len(held) - 0.95) <= 0.03


def test_ratings_that_never_vary_have_no_interval() -> None:
    assert jackknife([[3.0, 3.0]] * 10, alpha) is None
