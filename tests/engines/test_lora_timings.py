"""What a run says of its own time lets another one's be estimated."""

import time

import pytest
from lora.timings import SLOW_STEPS, StepTimes, Timings


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


def test_the_first_steps_are_left_out() -> None:
    timings = Timings()
    assert timings.metrics()["seconds_per_step"] == 0
    for seconds in [9.0] * SLOW_STEPS + [0.2] * SLOW_STEPS:
        timings.step(100, seconds)
    assert timings.metrics()["seconds_per_step"] == pytest.approx(0.2)


@pytest.mark.parametrize("count", [2, 3, SLOW_STEPS, SLOW_STEPS + 3])
def test_of_few_steps_the_later_half_counts(count: int) -> None:
    timings = Timings()
    for number in range(count):
        timings.step(100, 0.2 if number >= count // 2 else 9.0)
    assert timings.metrics()["seconds_per_step"] == pytest.approx(0.2)


def test_the_first_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 10.0, 10.5, 11.0, 11.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    timings = Timings()
    assert timings.metrics()["seconds_per_answer"] == 0
    for _ in range(3):
        with timings.answer():
            pass
    metrics = timings.metrics()
    assert (metrics["seconds_per_answer"], metrics["sample_seconds"], metrics["sample_answers"]) == (0.5, 10.0, 3)
