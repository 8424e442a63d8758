"""What a provider says, as values that our columns hold: it may say anything."""

import csv
import io
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

from training.launcher import storable

MOST_STEP = 2**31 - 1
MOST_TOKENS = 2**53

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResultPoint:
    """One step of the result file."""

    step: int
    train_loss: float | None
    validation_loss: float | None


def points(table: bytes) -> Iterator[ResultPoint]:
    """The steps of a result file; a row without a step number is left out, and all after one that is no CSV."""
    lines = io.StringIO(table.decode("utf-8", "replace").replace("\x00", ""))
    try:
        for row in csv.DictReader(lines):
            step = step_number(_number(row.get("step")))
            if step is not None:
                yield ResultPoint(
                    step, _number(row.get("train_loss")), _number(row.get("valid_loss"))
                )
    except csv.Error as wrong:
        log.warning("a result file was read only in part: %s", wrong)


def step_number(said: object) -> int | None:
    """A step that our column holds, or None."""
    return int(said) if isinstance(said, int | float) and 0 <= said <= MOST_STEP else None


def finite(said: object) -> float | None:
    """A loss that JSON and every database keep, or None."""
    return float(said) if isinstance(said, int | float) and math.isfinite(said) else None


def _number(said: object) -> float | None:
    """A finite number out of a cell, or None."""
    try:
        return finite(float(said)) if isinstance(said, str) and said else None
    except ValueError:
        return None


def text(said: object, most: int = 120) -> str:
    """Raises ValueError for what is no text: our columns hold nothing else."""
    if not isinstance(said, str) or not said or len(said) > most:
        raise ValueError(f"a name was expected, not {str(said)[:80]}")
    return str(storable(said))


def token_count(said: object) -> int | None:
    """A count that our column holds, or None."""
    return said if isinstance(said, int) and 0 <= said <= MOST_TOKENS else None
