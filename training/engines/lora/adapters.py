"""Adapters for serving: read from their folders, and mixed row by row in one batch on one base.

PEFT switches the whole model from one adapter to another. Here each row of a batch has its own: hooks add
`x @ down @ up` with the row's own matrices, so people with different adapters share one forward pass.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lora.events import EngineError

PREFIX = "base_model.model."
UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "target_parameters",
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """One run's adapter. `matrices[module]` = (down: (inputs, rank), up: (rank, outputs), scale included)."""

    base: str
    matrices: dict[str, tuple[Tensor, Tensor]]
    template: str | None


def read_adapter(folder: Path, device: torch.device) -> Adapter:
    """A standard PEFT LoRA folder. Raises EngineError `adapter_unusable` for what can't be mixed row by row."""
    try:
        config: dict[str, Any] = json.loads(
            (folder / "adapter_config.json").read_text(encoding="utf-8")
        )
        weights = load_file(folder / "adapter_model.safetensors", device=str(device))
    except (OSError, ValueError) as broken:
        raise _unusable(folder, f"can't be read: {broken}") from broken
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        raise _unusable(folder, "is not a plain LoRA adapter")
    if unsupported := [name for name in UNSUPPORTED if config.get(name)]:
        raise _unusable(
            folder, f"uses {', '.join(unsupported)}, which this server does not serve"
        )
    template = folder / "chat_template.jinja"
    return Adapter(
        str(config.get("base_model_name_or_path")),
        _matrices(folder, config, weights),
        template.read_text(encoding="utf-8") if template.exists() else None,
    )


def _matrices(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise _unusable(
            folder, "gives its modules different ranks, which this server does not serve"
        )
    matrices = {}
    for name, down in weights.items():
        if not name.startswith(PREFIX) or not name.endswith(
            (".lora_A.weight", ".lora_B.weight")
        ):
            raise _unusable(folder, f"holds {name}, which is no LoRA matrix")
        if name.endswith(".lora_A.weight"):
            rank = down.shape[0]
            scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
            up = weights[name.replace(".lora_A.", ".lora_B.")]
            module = name.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            matrices[module] = (down.float().T.contiguous(), up.float().T.contiguous() * scale)
    return matrices


def _unusable(folder: Path, why: str) -> EngineError:
    return EngineError("adapter_unusable", f"the adapter {folder} {why}", "Train the run again.")


class AdapterMixer:
    """Hooks on one base model. `use(adapters)` says which adapter (None = the base itself) each row of the next forward
    pass has. Not for several threads at once."""

    def __init__(self, model: nn.Module) -> None:
        self._modules = dict(model.named_modules())
        self._hooked: set[str] = set()
        self._rows: list[Adapter | None] = []
        self._stacked: dict[str, tuple[Tensor, Tensor]] = {}

    def use(self, adapters: Sequence[Adapter | None]) -> None:
        """Choose each row's adapter. Cheap when nothing changed since the last pass."""
        rows = list(adapters)
        if len(rows) == len(self._rows) and all(
            a is b for a, b in zip(rows, self._rows, strict=True)
        ):
            return
        self._rows = rows
        names = {name for adapter in rows if adapter for name in adapter.matrices}
        self._stacked = {name: self._stack(name, rows) for name in names}
        for name in names - self._hooked:
            self._modules[name].register_forward_hook(self._hook(name))
            self._hooked.add(name)

    def check(self, adapter: Adapter) -> None:
        """Raises EngineError `adapter_unusable` when the adapter was made for another shape of base."""
        for name, (down, up) in adapter.matrices.items():
            weight = getattr(self._modules.get(name), "weight", None)
            if weight is None or {down.shape[0], up.shape[1]} != set(weight.shape):
                raise EngineError(
                    "adapter_unusable",
                    f"the adapter was made for another base model: {name} does not fit",
                    "Start the model server with the base model the run was trained on.",
                )

    def _stack(self, name: str, rows: Sequence[Adapter | None]) -> tuple[Tensor, Tensor]:
        """(rows, inputs, rank) and (rows, rank, outputs), zeros where a row leaves the module alone."""
        pairs = [adapter.matrices.get(name) if adapter else None for adapter in rows]
        shapes = [
            (down.shape[0], down.shape[1], up.shape[1], down.device)
            for down, up in filter(None, pairs)
        ]
        rank = max(shape[1] for shape in shapes)
        inputs, _, outputs, device = shapes[0]
        downs = torch.zeros(len(rows), inputs, rank, device=device)
        ups = torch.zeros(len(rows), rank, outputs, device=device)
        for row, pair in enumerate(pairs):
            if pair is not None:
                own = pair[0].shape[1]
                downs[row, :, :own], ups[row, :own] = pair
        return downs, ups

    def _hook(self, name: str) -> Any:
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            stacked = self._stacked.get(name)
            if stacked is None:
                return output
            down, up = stacked
            return output + (inputs[0].to(down.dtype) @ down @ up).to(output.dtype)

        return add
