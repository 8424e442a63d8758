"""What a loss curve means, in one sentence: pure rules over its points, no Django.

Validation loss decides where there is enough of it, because it alone tells learning from memorising; else the smoothed
training loss. A difference within NOISE is none: a few held-out rows move that much by the draw of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.services.charts import Point, smooth

NOISE = 0.03  # of the loss
STILL_FALLING = 0.05  # of the loss, in the last measurement or the last fifth of the steps
FEWEST_VALIDATIONS = 3
FEWEST_STEPS = 15


@dataclass(frozen=True)
class LossWords:
    """`warns`: something went wrong that a person should change."""

    text: str
    warns: bool = False


def read_curve(
    train: Sequence[Point], validation: Sequence[Point], *, ended: bool
) -> LossWords | None:
    """None where there is too little to say; of a run that is under way only what is wrong already.

    `train` and `validation`: (step, loss), in the order of their steps.
    """
    if len(validation) >= FEWEST_VALIDATIONS:
        said = _of_validation(
            smooth(validation)
        )  # a provider measures at each step, on a few rows
    elif len(train) >= FEWEST_STEPS:
        said = _of_training(smooth(train), held_out=bool(validation))
    else:
        return None
    return said if ended or said.warns else None


def _of_validation(points: Sequence[Point]) -> LossWords:
    best_step, best = min(points, key=lambda point: point[1])
    first, before, last = points[0][1], points[-2][1], points[-1][1]
    if best_step == points[0][0] or first - best <= NOISE * first:
        return LossWords(
            "The validation loss did not fall: what was learned does not carry over to the rows that were kept back. "
            "Try a higher learning rate, or rows that are more alike.",
            warns=True,
        )
    if last > best * (1 + NOISE):
        return LossWords(
            f"The validation loss rises since step {best_step}: from there on the model memorises. Try fewer epochs, or "
            "more rows.",
            warns=True,
        )
    if before - last >= STILL_FALLING * before:
        return LossWords(
            "The validation loss was still falling: train longer, with more epochs."
        )
    level = next(step for step, loss in points if loss <= best * (1 + NOISE))
    return LossWords(
        f"The validation loss is level since step {level}: more epochs would change little."
    )


def _of_training(points: Sequence[Point], *, held_out: bool) -> LossWords:
    part = len(points) // 5
    last = _mean(points[-part:])
    before = _mean(points[-2 * part : -part])
    unseen = "" if held_out else " Keep rows back to see whether it learns or memorises."
    if last > before * (1 + STILL_FALLING):
        return LossWords(
            f"The training loss rises at the end: try a lower learning rate.{unseen}", warns=True
        )
    if before - last >= STILL_FALLING * before:
        return LossWords(
            f"The training loss was still falling: train longer, with more epochs.{unseen}"
        )
    return LossWords(
        f"The training loss is level at the end: more epochs would change little.{unseen}"
    )


def _mean(points: Sequence[Point]) -> float:
    return sum(loss for _, loss in points) / len(points)
