"""Everything needed to go on as if nothing had happened, in one file that is either whole or not there."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from lora.events import EngineError

Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """How far a run has come. Losses are means over trained tokens; steps are optimiser steps.

    Lies in every checkpoint, so what it counts is work that was kept: an attempt that begins again from a checkpoint
    counts on from there, and what a killed attempt did after its last checkpoint is in no count.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    first_loss: float | None = None
    last_loss: float | None = None
    lowest_loss: float | None = None
    validated_step: int = -1
    first_validation: float | None = None
    last_validation: float | None = None
    best_validation: float | None = None
    best_step: int = 0
    worse_in_a_row: int = 0
    sampled_step: int = -1
    validated_tokens: int = 0
    answers: int = 0
    asking_seconds: float = 0.0
    saves: int = 0
    figures: dict[str, float] = field(
        default_factory=dict
    )  # the objective's, where the kept adapter was measured

    def work(self) -> dict[str, int]:
        """What the run has done so far, for the launcher, which charges it. A checkpoint that was only written because
        the engine had to leave is not among `saves`: the plan of the run did not ask for it."""
        return {
            "steps": self.step,
            "tokens": self.tokens,
            "validation_tokens": self.validated_tokens,
            "answers": self.answers,
            "saves": self.saves,
        }


@dataclass
class State:
    """The moving parts of a run. `best` is the adapter with the lowest validation loss so far; `last`, once training has
    ended, that of the last step where it is another one."""

    model: PeftModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress
    best: Tensors | None = None
    last: Tensors | None = None

    def adapter(self) -> Tensors:
        """A copy of the adapter as it is now."""
        return {
            name: tensor.detach().cpu().clone()
            for name, tensor in get_peft_model_state_dict(self.model).items()
        }

    def put_adapter(self, tensors: Tensors) -> None:
        set_peft_model_state_dict(self.model, tensors)


def save_checkpoint(state: State, path: Path, fingerprint: str) -> None:
    """Write aside, flush to disk, rename: a crash at any moment leaves the old file or the new one."""
    content = {
        "fingerprint": fingerprint,
        "progress": asdict(state.progress),
        "adapter": state.adapter(),
        "best": state.best,
        "optimizer": state.optimizer.state_dict(),
        "scaler": state.scaler.state_dict(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load_checkpoint(state: State, path: Path, fingerprint: str) -> None:
    """Put everything back. Raises EngineError `checkpoint_mismatch` where another order made the file."""
    content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    if content["fingerprint"] != fingerprint:
        raise EngineError(
            "checkpoint_mismatch",
            f"{path} was made by another spec or other rows",
            f"Start the changed run in a folder of its own, or delete {path} to begin again.",
        )
    state.put_adapter(content["adapter"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.scaler.load_state_dict(content["scaler"])
    state.progress = Progress(**content["progress"])
    state.best = content["best"]
    torch.set_rng_state(content["rng"])
    if (
        len(content["cuda_rng"]) == torch.cuda.device_count()
    ):  # else it was made on another machine
        torch.cuda.set_rng_state_all(content["cuda_rng"])
