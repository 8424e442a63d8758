"""What a preference run compares itself with: the model before its first step, asked once and kept for the whole run.

A run that begins from the base has the base as its reference (the adapter off). One that goes on from a supervised adapter has
that model: as TRL does, which keeps a copy of the adapter; here its log-probabilities are enough.
"""

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from lora.base_model import Hardware
from lora.batches import length_order
from lora.events import StopSignal
from lora.group import SingleProcess
from lora.preference_loss import Preference
from lora.preference_rows import Pair

CACHE = Path("checkpoint") / "reference.json"


class Reference:
    """The reference of one run. `fresh`: the adapter has learnt nothing, so the base alone is asked."""

    def __init__(
        self, model: PeftModel, objective: Preference, hardware: Hardware, *, fresh: bool
    ) -> None:
        self.model, self.objective, self.hardware, self.fresh = model, objective, hardware, fresh

    def measure(
        self,
        train: list[Any],
        validation: list[Any],
        *,
        rows: int,
        fingerprint: str,
        group: SingleProcess,
        stop: StopSignal,
    ) -> None:
        """Give every pair its reference, from the cache of an earlier attempt where there is one. Call before a checkpoint
        is put back. `rows`: pairs to a batch. Raises Interrupted."""
        kept = _read(fingerprint, len(train), len(validation))
        # As each will be computed later, so that the first step begins at no reward at all.
        for name, pairs, dtype in (
            ("train", train, self.hardware.steps),
            ("validation", validation, self.hardware.dtype),
        ):
            if name not in kept:
                kept[name] = self._log_probs(pairs, rows, dtype, group, stop)
            pairs[:] = [
                pair.measured((one[0], one[1]))
                for pair, one in zip(pairs, kept[name], strict=True)
            ]
        if group.leads:
            _write(kept, fingerprint)

    @torch.no_grad()
    def _log_probs(
        self,
        pairs: Sequence[Pair],
        rows: int,
        dtype: torch.dtype,
        group: SingleProcess,
        stop: StopSignal,
    ) -> list[list[float]]:
        found = torch.zeros(len(pairs), 2)
        lengths = [len(pair) for pair in pairs]
        self.model.eval()
        for numbers in length_order(lengths, rows):
            group.check(stop)
            if share := group.share(numbers, lengths):
                found[share] = self._ask([pairs[number] for number in share], dtype)
        together: list[list[float]] = group.summed(found).tolist()
        return together

    def _ask(self, pairs: list[Pair], dtype: torch.dtype) -> Tensor:
        with (
            self.model.disable_adapter() if self.fresh else nullcontext(),
            self.hardware.autocast(dtype),
        ):
            chosen, rejected = self.objective.log_probs(self.objective.collate(pairs)).chunk(2)
        return torch.stack([chosen, rejected], dim=1).float().cpu()


def _read(fingerprint: str, train: int, validation: int) -> dict[str, list[list[float]]]:
    """What an earlier attempt of this very run measured; empty where there is none."""
    try:
        content = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if content.get("fingerprint") != fingerprint:
        return {}
    kept = {"train": content["train"], "validation": content["validation"]}
    return kept if (len(kept["train"]), len(kept["validation"])) == (train, validation) else {}


def _write(kept: dict[str, list[list[float]]], fingerprint: str) -> None:
    CACHE.parent.mkdir(exist_ok=True)
    aside = CACHE.with_suffix(".tmp")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(kept | {"fingerprint": fingerprint}, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(CACHE)
