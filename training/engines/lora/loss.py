"""Cross-entropy on the trained tokens only, computing the vocabulary projection nowhere else."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor, nn

from lora.batches import Batch


class LossSum(Protocol):
    """Loss of a batch, summed over its trained tokens (divide by their number for the mean)."""

    def __call__(self, batch: Batch) -> Tensor: ...

    def each(self, batch: Batch) -> Tensor:
        """The loss of every trained token, (trained tokens,), row by row."""
        ...


@dataclass(frozen=True)
class SelectiveLoss:
    """Runs the decoder, keeps the hidden states before trained tokens, projects only those. Saves most of the work of a
    small model, whose projection outweighs its layers, and the memory of (rows x length x vocabulary) logits."""

    decoder: nn.Module
    head: nn.Module

    def __call__(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self._logits(batch), batch.targets, reduction="sum")

    def each(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self._logits(batch), batch.targets, reduction="none")

    def _logits(self, batch: Batch) -> Tensor:
        hidden = self.decoder(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1]
        before_trained = hidden.reshape(-1, hidden.shape[-1]).index_select(0, batch.predicts)
        logits: Tensor = self.head(before_trained).float()
        return logits


@dataclass(frozen=True)
class PlainLoss:
    """Asks the model for all its logits. Right for any causal model, whatever it does after its decoder."""

    model: nn.Module

    def __call__(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self._logits(batch), batch.targets, reduction="sum")

    def each(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self._logits(batch), batch.targets, reduction="none")

    def _logits(self, batch: Batch) -> Tensor:
        logits = self.model(input_ids=batch.ids, use_cache=False).logits[:, :-1]
        before_trained: Tensor = logits.reshape(-1, logits.shape[-1]).index_select(
            0, batch.predicts
        )
        return before_trained.float()


def fastest_right_loss(model: PeftModel, probe: Batch) -> tuple[LossSum, bool]:
    """SelectiveLoss where it gives the model's own loss on `probe`, else PlainLoss; and whether it was selective.

    Some models scale or cap their logits after the head, so it is measured, not guessed from a name.
    """
    plain = PlainLoss(model)
    base = model.get_base_model()
    head = base.get_output_embeddings()
    decoder = base.get_decoder()
    if head is None or decoder is None or decoder is base:
        return plain, False
    selective = SelectiveLoss(decoder, head)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        try:
            same = torch.allclose(
                selective(probe),
                plain(probe),
                rtol=1e-3 if head.weight.dtype is torch.float32 else 2e-2,
            )
        except (AttributeError, TypeError):
            same = False
    model.train(was_training)
    return (selective, True) if same else (plain, False)
