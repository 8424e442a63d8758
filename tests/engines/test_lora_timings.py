"""What a run says of its own time lets another one's be foretold."""

import pytest
from lora.timings import StepTimes, Timings


def test_steps_and_their_tokens_cost_what_was_measured() -> None:
    times = StepTimes()
    for tokens in (100, 250, 400, 90):
        times.add(tokens, 0.03 + tokens * 0.0002)
    assert times.fit() == pytest.approx((0.03, 0.0002))


@pytest.mark.parametrize("seconds", [(0.5, 0.1), (0.1, 0.5), (0.2, 0.2)])
def test_no_part_is_below_nothing_and_the_sum_stays(seconds: tuple[float, float]) -> None:
    times = StepTimes()
    for tokens, spent in zip((100, 200), seconds, strict=True):
        times.add(tokens, spent)
    by_step, by_token = times.fit()
    assert by_step >= 0 and by_token >= 0
    assert 2 * by_step + 300 * by_token == pytest.approx(sum(seconds))


def test_steps_of_one_size_are_all_step() -> None:
    times = StepTimes()
    for _ in range(3):
        times.add(100, 0.2)
    assert times.fit() == pytest.approx((0.2, 0.0))


def test_the_first_step_is_left_out() -> None:
    timings = Timings()
    assert timings.metrics()["seconds_per_step"] == 0
    for seconds in (9.0, 0.2, 0.2):
        timings.step(100, seconds)
    assert timings.metrics()["seconds_per_step"] == pytest.approx(0.2)
