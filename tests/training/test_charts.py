"""Curves become an SVG's numbers: nothing outside the frame, nothing made up."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.services import charts

POINTS = st.lists(st.tuples(st.integers(0, 5000), st.floats(-1e6, 1e6)), min_size=1, max_size=600)


def test_before_the_first_point_there_is_no_chart() -> None:
    assert charts.loss_chart([], [], 10) is None
    assert charts.loss_chart([(1, math.nan)], [], 10) is None


def test_the_chart_says_itself_in_a_sentence() -> None:
    chart = charts.loss_chart([(1, 3.9), (2, 1.4)], [(0, 3.8), (2, 1.7)], 4)
    assert chart is not None
    assert chart.says == "Training loss from 3.90 to 1.40; validation loss from 3.80 to 1.70"
    assert [tick.label for tick in chart.columns] == ["0", "2", "4"]


def test_a_step_done_again_after_a_restart_counts_as_it_came_out_last() -> None:
    chart = charts.loss_chart([(1, 4.0), (2, 3.0), (1, 9.0), (2, 2.0)], [], 2)
    assert chart is not None
    assert len(chart.curves[0].points.split()) == 2
    assert chart.curves[0].last == 2.0


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(0.2, 3.9, ["0", "1", "2", "3", "4"]), (0.0, 9.0, ["0.0", "2.5", "5.0", "7.5", "10.0"]), (1.0, 1.0, None)],
)
def test_axis_labels_are_round_and_true(low: float, high: float, labels: list[str] | None) -> None:
    bottom, top, step = charts.nice_range(low, high)
    ticks = charts._row_ticks(bottom, top, step)
    assert bottom <= low <= high <= top
    for number, tick in enumerate(ticks):
        assert float(tick.label) == pytest.approx(bottom + number * step)
    assert labels is None or [tick.label for tick in ticks] == labels


@given(POINTS, POINTS)
def test_every_point_lies_in_the_frame(train: list[charts.Point], validation: list[charts.Point]) -> None:
    chart = charts.loss_chart(train, validation, 100)
    assert chart is not None
    for curve in chart.curves:
        for pair in curve.points.split():
            x, y = map(float, pair.split(","))
            assert charts.LEFT - 0.1 <= x <= charts.RIGHT + 0.1
            assert charts.TOP - 0.1 <= y <= charts.BOTTOM + 0.1


def test_thinning_keeps_both_ends_and_bounds_the_number() -> None:
    points = [(step, float(step)) for step in range(10_001)]
    thin = charts.thin(points)
    assert len(thin) <= charts.MOST_POINTS + 2
    assert (thin[0], thin[-1]) == (points[0], points[-1])


def test_labels_of_curves_that_end_together_do_not_cover_each_other() -> None:
    chart = charts.loss_chart([(1, 3.0), (9, 1.0)], [(1, 3.1), (9, 1.01)], 9)
    assert chart is not None
    first, second = chart.curves
    assert abs(first.label_y - second.label_y) >= charts.LABEL_GAP


def test_overlaid_runs_are_stretched_to_the_same_width() -> None:
    chart = charts.overlay({"run 1": [(1, 2.0), (10, 1.0)], "run 2": [(1, 2.0), (1000, 1.5)], "run 3": []})
    assert chart is not None
    assert [curve.name for curve in chart.curves] == ["run 1", "run 2"]
    assert {curve.x for curve in chart.curves} == {float(charts.RIGHT)}


def test_labels_of_four_runs_that_end_together_do_not_cover_each_other_and_keep_their_order() -> None:
    ends = {"run 1": 1.0, "run 2": 1.1, "run 3": 3.0, "run 4": 0.9}
    chart = charts.overlay({name: [(1, 9.0), (5, end)] for name, end in ends.items()})
    assert chart is not None
    assert [curve.name for curve in chart.curves] == list(ends)
    downwards = sorted(chart.curves, key=lambda curve: curve.label_y)
    assert [curve.name for curve in downwards] == ["run 3", "run 2", "run 1", "run 4"]
    heights = [curve.label_y for curve in downwards]
    assert all(lower - upper > charts.LABEL_GAP - 0.2 for upper, lower in pairwise(heights))


def test_a_long_training_curve_is_smoothed_and_what_was_measured_stands_behind_it() -> None:
    jumpy = [(step, 2.0 + (-1) ** step) for step in range(60)]
    chart = charts.loss_chart(jumpy, jumpy[::10], 60)
    assert chart is not None
    train, validation = chart.curves
    assert train.raw
    assert train.raw != train.points
    assert not validation.raw, "a point of validation is many rows already"
    heights = [float(pair.split(",")[1]) for pair in train.points.split()][30:]
    measured = [float(pair.split(",")[1]) for pair in train.raw.split()][30:]
    assert max(heights) - min(heights) < (max(measured) - min(measured)) / 2
