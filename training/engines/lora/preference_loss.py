"""Direct preference optimisation (Rafailov et al. 2023): make the preferred answer likelier than the rejected one.

The loss of a pair is -log sigmoid(beta * ((log p(chosen) - log ref(chosen)) - (log p(rejected) - log ref(rejected)))), with
log-probabilities summed over an answer's tokens: TRL's `DPOTrainer` with its defaults. beta times how far an answer's
log-probability moved from the reference is called its reward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lora.batches import Batch, collate
from lora.group import SingleProcess
from lora.loss import LossSum
from lora.preference_rows import Pair


@dataclass(frozen=True)
class PairBatch:
    """`rows`: the preferred conversations of n pairs, then their rejected ones. `trained`: how many trained tokens each of the
    2n has. `reference`: (2n,) their log-probabilities before the first step."""

    rows: Batch
    trained: list[int]
    reference: Tensor

    @property
    def weight(self) -> int:
        return len(self.trained) // 2


class Preference:
    """The objective of a run on pairs. Counts rewards while it computes losses, until they are asked for."""

    def __init__(
        self,
        token_loss: LossSum,
        beta: float,
        *,
        pad_id: int,
        max_length: int,
        device: torch.device,
    ) -> None:
        self.token_loss, self.beta, self.device = token_loss, beta, device
        self._pad_id, self._max_length = pad_id, max_length
        self._seen = self._nothing()

    def collate(self, lessons: Sequence[Pair]) -> PairBatch:
        halves = [*(pair.chosen for pair in lessons), *(pair.rejected for pair in lessons)]
        reference = [
            *(pair.reference[0] for pair in lessons),
            *(pair.reference[1] for pair in lessons),
        ]
        return PairBatch(
            collate(halves, self._pad_id, self._max_length).to(self.device),
            [half.weight for half in halves],
            torch.tensor(reference, device=self.device),
        )

    def log_probs(self, batch: PairBatch) -> Tensor:
        """(2n,): the log-probability of each answer, summed over its tokens."""
        each = -self.token_loss.each(batch.rows)
        return torch.stack([answer.sum() for answer in torch.split(each, batch.trained)])

    def loss_sum(self, batch: PairBatch) -> Tensor:
        rewards = self.beta * (self.log_probs(batch) - batch.reference)
        chosen, rejected = rewards.chunk(2)
        self._count(chosen.detach(), rejected.detach())
        return -F.logsigmoid(chosen - rejected).sum()

    def _count(self, chosen: Tensor, rejected: Tensor) -> None:
        won = (chosen > rejected).double().sum()
        self._seen += torch.stack(
            [
                torch.full_like(won, len(chosen)),
                won,
                chosen.double().sum(),
                rejected.double().sum(),
            ]
        )

    def figures(self, group: SingleProcess) -> dict[str, float]:
        """Means over the pairs: how often the preferred answer has the higher reward, by how much, and both rewards."""
        pairs, won, chosen, rejected = group.summed(self._seen).tolist()
        self._seen = self._nothing()
        if not pairs:
            return {}
        return {
            "reward_accuracy": won / pairs,
            "reward_margin": (chosen - rejected) / pairs,
            "reward_chosen": chosen / pairs,
            "reward_rejected": rejected / pairs,
        }

    def _nothing(self) -> Tensor:
        return torch.zeros(4, dtype=torch.float64, device=self.device)
