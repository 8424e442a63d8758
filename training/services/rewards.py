"""What a preference run says beside its loss: how far the preferred answers got ahead of the rejected ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training.services import charts

KINDS = ("step", "validation")


@dataclass(frozen=True)
class Rewards:
    """`words`: the newest figures in a sentence."""

    chart: charts.Chart
    words: str


def rewards(
    points: Iterable[tuple[str, int | None, Mapping[str, Any]]], total_steps: int
) -> Rewards | None:
    """From a run's curve points (kind, step, what was said there); None where none of them has rewards."""
    margins: dict[str, list[charts.Point]] = {kind: [] for kind in KINDS}
    accuracy: dict[str, float] = {}
    for kind, step, said in points:
        margin, won = said.get("reward_margin"), said.get("reward_accuracy")
        if kind not in margins or step is None or not isinstance(margin, int | float):
            continue
        margins[kind].append((step, float(margin)))
        if isinstance(won, int | float):
            accuracy[kind] = float(won)
    chart = charts.reward_chart(margins["step"], margins["validation"], total_steps)
    return Rewards(chart, _words(accuracy)) if chart is not None else None


def _words(accuracy: dict[str, float]) -> str:
    held_out, last = accuracy.get("validation"), accuracy.get("step")
    if held_out is not None:
        return (
            f"The preferred answer gained on the rejected one in {held_out:.0%} of the pairs that were kept back. Half would be "
            "chance; 70 % or more is good."
        )
    return f"The preferred answer gained on the rejected one in {last or 0:.0%} of the last pairs. Half would be chance."
