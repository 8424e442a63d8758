"""The sentence below a loss chart: from rules, each of which a curve can break."""

import math

import pytest

from training.services.charts import Point, smooth
from training.services.loss_words import read_curve


def said(train: list[Point], validation: list[Point], *, ended: bool = True) -> str:
    words = read_curve(train, validation, ended=ended)
    return words.text if words is not None else ""


def curve(*losses: float) -> list[Point]:
    return [(20 * number, loss) for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((4.0, 3.0, 2.0), "still falling: train longer"),
        ((4.0, 1.5, 1.2, 1.19, 1.19), "level since step 40"),
        ((4.0, 1.5, 1.2, 1.3, 1.6), "rises since step 40: from there on the model memorises. Try fewer epochs"),
        ((4.0, 4.1, 4.0), "did not fall"),
        ((4.0, 5.0, 9.0), "did not fall"),
        ((4.0, 2.0, 1.21, 1.2, 1.22), "level since step 40"),
    ],
)
def test_validation_loss_says_what_to_change(losses: tuple[float, ...], words: str) -> None:
    assert words in said([], curve(*losses))


def test_a_rise_within_noise_is_no_rise() -> None:
    assert "rises" not in said([], curve(4.0, 1.0, 1.02))
    assert "rises" in said([], curve(4.0, 1.0, 1.04))


def test_two_measurements_say_nothing_and_training_loss_steps_in() -> None:
    steep = [(step, 4.0 * math.exp(-step / 20)) for step in range(40)]
    flat = [(step, 1.0) for step in range(40)]
    rising = [(step, 1.0 + step / 20) for step in range(40)]
    assert said(steep[:5], curve(4.0, 2.0)) == ""
    assert "training loss was still falling" in said(steep, curve(4.0, 2.0))
    assert "Keep rows back" not in said(steep, curve(4.0, 2.0))
    assert "training loss is level" in said(flat, [])
    assert "lower learning rate. Keep rows back" in said(rising, [])


def test_one_lucky_batch_at_the_end_is_not_still_falling() -> None:
    points = [(step, 1.0 + 0.3 * (-1) ** step) for step in range(100)]
    assert "level" in said([*points, (100, 0.2)], [])


def test_while_it_runs_only_what_is_wrong_is_said() -> None:
    assert said([], curve(4.0, 3.0, 2.0), ended=False) == ""
    assert "rises since step 20" in said([], curve(4.0, 1.0, 1.5), ended=False)


def test_smoothing_begins_at_the_first_point_and_stays_within_what_was_measured() -> None:
    points = [(step, 3.0 if step % 2 else 1.0) for step in range(200)]
    smoothed = smooth(points)
    assert smoothed[0] == points[0]
    assert [step for step, _ in smoothed] == [step for step, _ in points]
    later = [loss for _, loss in smoothed[100:]]
    assert 1.8 < min(later) <= max(later) < 2.2


def test_a_short_curve_stays_as_it_was_measured() -> None:
    points = curve(4.0, 1.0, 3.0)
    assert smooth(points) == points
