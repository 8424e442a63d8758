"""What a run learns by: how its lessons become a batch, and a batch a loss. Here the usual one: say what the rows say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lora.batches import Batch, collate
from lora.group import SingleProcess
from lora.loss import LossSum
from lora.rows import Example


class Lesson(Protocol):
    """One thing to learn from: a conversation, or a pair of answers. Its length is that of its tokens."""

    def __len__(self) -> int: ...

    @property
    def weight(self) -> int:
        """What it counts in the mean loss of a batch."""
        ...


class Objective(Protocol):
    """How lessons become a loss. Batches are the objective's own; each has a `weight`, the sum of its lessons' weights."""

    def collate(self, lessons: Sequence[Any]) -> Any:
        """The lessons as one batch, on the device."""
        ...

    def loss_sum(self, batch: Any) -> Tensor:
        """Loss of a batch, summed (divide by its weight for the mean)."""
        ...

    def figures(self, group: SingleProcess) -> dict[str, float]:
        """What there is to say beside the loss of the batches since this was last asked, over all processes."""
        ...


@dataclass(frozen=True)
class SayTheRows:
    """Cross-entropy on the trained tokens of conversations."""

    token_loss: LossSum
    pad_id: int
    max_length: int
    device: torch.device

    def collate(self, lessons: Sequence[Example]) -> Batch:
        return collate(lessons, self.pad_id, self.max_length).to(self.device)

    def loss_sum(self, batch: Batch) -> Tensor:
        return self.token_loss(batch)

    def figures(self, group: SingleProcess) -> dict[str, float]:
        return {}
