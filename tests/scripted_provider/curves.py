"""The losses that a scripted job reports: a falling line of its steps, the same for all rows; and the tokens it bills."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.scripted_provider import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scripted_provider.rows import Row

FIRST_LOSS, LAST_LOSS = 3.0, 0.5
CONTEXT_WINDOW = 65_536
AUTO_MULTIPLIER = 1.8
"""What "auto" is, as for OpenAI's small models."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a job trains with, all resolved (no "auto")."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float


@dataclass(frozen=True, slots=True)
class Step:
    """One training step as OpenAI reports it; validation figures are None where there are no rows for it."""

    step: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None
    valid_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """All steps of a job."""

    steps: list[Step]
    epoch_ends: list[int]

    def as_json(self) -> dict[str, object]:
        """Plain lists and numbers, for the database."""
        return asdict(self)


def train(training: Sequence[Row], validation: Sequence[Row], settings: Hyperparameters) -> Curve:
    """As many steps as the settings ask for on so many rows."""
    per_epoch = math.ceil(len(training) / settings.batch_size)
    total = per_epoch * settings.n_epochs
    steps = []
    for number in range(1, total + 1):
        loss = round(FIRST_LOSS + (LAST_LOSS - FIRST_LOSS) * number / total, 5)
        steps.append(Step(number, loss, 0.5, *((loss, 0.5) if validation else (None, None))))
    return Curve(steps, [per_epoch * (epoch + 1) for epoch in range(settings.n_epochs)])


def trained_tokens(rows: Sequence[Row], epochs: int) -> int:
    """Tokens OpenAI bills for: every message of every row (cut at the context window), times the epochs."""
    each = (tokens.count_messages(row.messages) - tokens.REPLY_PRIMING for row in rows)
    return epochs * sum(min(count, CONTEXT_WINDOW) for count in each)
