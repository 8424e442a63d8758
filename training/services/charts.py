"""Curves as numbers for an SVG: pure, no Django. The page draws what is here, so that a chart needs no script."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

WIDTH = 640
HEIGHT = 260
LEFT = 44
RIGHT = 520
TOP = 16
BOTTOM = 216
MOST_POINTS = 240
LABEL_GAP = 14
LABEL_WIDTH = 80
FEWEST_SMOOTHED = 20  # points of a curve

LOSSES = {"train": "Training loss", "validation": "validation loss"}
MARGINS = {"train": "Margin in training", "validation": "margin in validation"}

Point = tuple[int, float]


@dataclass(frozen=True)
class Curve:
    """One line. `points` is an SVG polyline; the name stands at its end. `look`: the class that gives it its colour.
    `raw`: where the line was smoothed, the polyline of what was measured."""

    name: str
    look: str
    points: str
    last: float
    x: float
    y: float
    label_y: float
    raw: str = ""


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """`says` is the chart in a sentence, for those who do not see it."""

    curves: list[Curve]
    rows: list[Tick]
    columns: list[Tick]
    says: str


def loss_chart(
    train: Sequence[Point], validation: Sequence[Point], total_steps: int
) -> Chart | None:
    """Training and validation loss over steps; None before the first point. Training loss is smoothed, because each of its
    points is a few rows only; what was measured stands behind it."""
    return _over_steps(train, validation, total_steps, LOSSES)


def reward_chart(
    train: Sequence[Point], validation: Sequence[Point], total_steps: int
) -> Chart | None:
    """How far preferred answers are ahead of rejected ones, over steps, drawn as `loss_chart` draws losses."""
    return _over_steps(train, validation, total_steps, MARGINS)


def _over_steps(
    train: Sequence[Point],
    validation: Sequence[Point],
    total_steps: int,
    names: Mapping[str, str],
) -> Chart | None:
    """`names`: what each curve is called in the sentence."""
    series = {"train": latest(train), "validation": latest(validation)}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    low, high, step = nice_range(*_extent(series))
    last_step = max(total_steps, *(step for points in series.values() for step, _ in points), 1)

    def place(point: Point) -> tuple[float, float]:
        share = (point[1] - low) / (high - low)
        return LEFT + (RIGHT - LEFT) * point[0] / last_step, BOTTOM - (BOTTOM - TOP) * share

    drawn = []
    for name, points in series.items():
        shown = smooth(points) if name == "train" else points
        curve = _curve(name, name, [place(point) for point in thin(shown)], shown)
        if shown != points:
            curve = replace(curve, raw=_polyline([place(point) for point in thin(points)]))
        drawn.append(curve)
    columns = [
        Tick(LEFT + (RIGHT - LEFT) * share, f"{round(last_step * share)}")
        for share in (0, 0.5, 1)
    ]
    return Chart(_apart(drawn), _row_ticks(low, high, step), columns, _sentence(series, names))


def overlay(runs: Mapping[str, Sequence[Point]]) -> Chart | None:
    """One curve for each named run, over the share of its own steps, so that long and short runs lie on each other."""
    series = {name: latest(points) for name, points in runs.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    low, high, step = nice_range(*_extent(series))

    def places(points: Sequence[Point]) -> list[tuple[float, float]]:
        last = max(points[-1][0], 1)
        return [
            (
                LEFT + (RIGHT - LEFT) * at / last,
                BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low),
            )
            for at, value in thin(points)
        ]

    curves = _apart(
        [
            _curve(name, f"c{number}", places(points), points)
            for number, (name, points) in enumerate(series.items())
        ]
    )
    columns = [Tick(LEFT + (RIGHT - LEFT) * share, f"{share:.0%}") for share in (0, 0.5, 1)]
    says = "; ".join(
        f"{name} from {points[0][1]:.2f} to {points[-1][1]:.2f}"
        for name, points in series.items()
    )
    return Chart(curves, _row_ticks(low, high, step), columns, says)


def over_rows(points: Sequence[Point], name: str) -> Chart | None:
    """One figure over the number of rows that it took; None for fewer than two points."""
    found = sorted(points)
    if len(found) < 2:
        return None
    low, high, step = nice_range(*_extent({name: found}))
    most = found[-1][0]
    places = [
        (
            LEFT + (RIGHT - LEFT) * rows / most,
            BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low),
        )
        for rows, value in found
    ]
    columns = [Tick(LEFT, "0")] + [
        Tick(place[0], f"{rows:,}") for place, (rows, _) in zip(places, found, strict=True)
    ]
    says = f"{name}: " + "; ".join(f"{value:.3f} with {rows:,} rows" for rows, value in found)
    return Chart(
        [_curve("last", "validation", places, found)], _row_ticks(low, high, step), columns, says
    )


def smooth(points: Sequence[Point]) -> list[Point]:
    """A moving average that forgets: each point counts less the longer ago it was. It reaches over about a tenth of the
    curve, so a short curve stays as it is. Divided by the weights so far, so that it begins at the first point."""
    if len(points) < FEWEST_SMOOTHED:
        return list(points)
    kept = 1 - 2 / (len(points) / 10 + 1)
    found: list[Point] = []
    total = weight = 0.0
    for step, value in points:
        total = kept * total + value
        weight = kept * weight + 1
        found.append((step, total / weight))
    return found


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points: the mean of each stretch, with the first and the last point as they are."""
    if len(points) <= most:
        return list(points)
    size = math.ceil((len(points) - 2) / (most - 2))
    inner = [points[start : start + size] for start in range(1, len(points) - 1, size)]
    means = [
        (stretch[len(stretch) // 2][0], sum(value for _, value in stretch) / len(stretch))
        for stretch in inner
    ]
    return [points[0], *means, points[-1]]


def nice_range(low: float, high: float) -> tuple[float, float, float]:
    """(bottom, top, step) of an axis with 3 to 6 round ticks around the values."""
    spread = (high - low) or abs(high) or 1.0
    raw = spread / 4
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    bottom = math.floor(low / step) * step
    top = math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step, step


def _extent(series: dict[str, list[Point]]) -> tuple[float, float]:
    values = [value for points in series.values() for _, value in points]
    return min(values), max(values)


def _row_ticks(low: float, high: float, step: float) -> list[Tick]:
    count = round((high - low) / step)
    return [
        Tick(BOTTOM - (BOTTOM - TOP) * n / count, f"{low + n * step:.{_digits(step)}f}")
        for n in range(count + 1)
    ]


def latest(points: Sequence[Point]) -> list[Point]:
    """A step that was done again after a restart counts as it came out last."""
    return sorted({step: value for step, value in points if math.isfinite(value)}.items())


def _curve(
    name: str, look: str, places: list[tuple[float, float]], points: list[Point]
) -> Curve:
    x, y = places[-1]
    return Curve(
        name, look, _polyline(places), points[-1][1], round(x, 1), round(y, 1), round(y + 4, 1)
    )


def _polyline(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _apart(curves: list[Curve]) -> list[Curve]:
    """Labels that would cover each other move apart, around the middle of where they were."""
    groups: list[list[Curve]] = []
    for curve in sorted(curves, key=lambda curve: curve.y):
        groups.append([curve])
        while len(groups) > 1 and _covers(*groups[-2:]):
            groups[-2:] = [groups[-2] + groups[-1]]
    heights = {
        curve.name: height
        for group in groups
        for curve, height in zip(group, _label_heights(group), strict=True)
    }
    return [replace(curve, label_y=round(heights[curve.name], 1)) for curve in curves]


def _covers(upper: list[Curve], lower: list[Curve]) -> bool:
    near = abs(upper[-1].x - lower[0].x) <= LABEL_WIDTH
    return near and _label_heights(lower)[0] - _label_heights(upper)[-1] < LABEL_GAP


def _label_heights(group: list[Curve]) -> list[float]:
    """Top to bottom, LABEL_GAP from each to the next."""
    middle = sum(curve.label_y for curve in group) / len(group)
    return [middle + LABEL_GAP * (place - (len(group) - 1) / 2) for place in range(len(group))]


def _digits(step: float) -> int:
    return next(
        (
            digits
            for digits in range(9)
            if math.isclose(step * 10**digits, round(step * 10**digits))
        ),
        9,
    )


def _sentence(series: dict[str, list[Point]], names: Mapping[str, str]) -> str:
    parts = [
        f"{names[name]} from {points[0][1]:.2f} to {points[-1][1]:.2f}"
        for name, points in series.items()
    ]
    text = "; ".join(parts)
    return text[0].upper() + text[1:]
