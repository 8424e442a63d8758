"""One batch of preference pairs, a small base and two adapters, the same for our engine's test and for TRL.

`start`: the adapter that a run goes on from, and its reference. `moved`: the policy at the moment that is compared, as if it
had trained a while. `tests/benchmarks/bench_dpo.py` has TRL compute the loss and the gradients; the test reads what it wrote.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.engines.conftest import HIDDEN, LAYERS

RANK, ALPHA, BETA, MODULES = 2, 8, 0.3, ("q_proj", "v_proj")
FROZEN = Path(__file__).with_name("dpo_trl.json")
PAIRS = [
    ("What is 2 plus 3?", "Um, I count on my fingers! It is 5.", "The sum equals 5."),
    ("What is 4 plus 4?", "It is 8!", "By the commutative law of addition one obtains 8, as can easily be seen."),
    ("Why is the sky blue?", "Um, because of the sea? I like the sea.", "Rayleigh scattering."),
]


def row(question: str, chosen: str, rejected: str) -> dict[str, Any]:
    """As OpenAI writes it, and the platform for its engine."""
    return {
        "input": {"messages": [{"role": "user", "content": question}]},
        "preferred_output": [{"role": "assistant", "content": chosen}],
        "non_preferred_output": [{"role": "assistant", "content": rejected}],
    }


def rows() -> list[dict[str, Any]]:
    return [row(*pair) for pair in PAIRS]


def write_adapter(folder: Path, base: Path, seed: int) -> None:
    """A PEFT folder with matrices drawn by `seed`, none of them zero."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    weights = {}
    for layer in range(LAYERS):
        for module in MODULES:
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{name}.lora_A.weight"] = draw.normal(0, 0.2, (RANK, HIDDEN)).astype(np.float32)
            weights[f"{name}.lora_B.weight"] = draw.normal(0, 0.2, (HIDDEN, RANK)).astype(np.float32)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "target_modules": list(MODULES),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def write_all(folder: Path, base: Path) -> dict[str, Any]:
    """Adapters and pairs in `folder`; the order for TRL."""
    write_adapter(folder / "start", base, seed=1)
    write_adapter(folder / "moved", base, seed=2)
    text = "".join(json.dumps(one) + "\n" for one in rows())
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")
    return {
        "base_model": str(base),
        "start": str(folder / "start"),
        "moved": str(folder / "moved"),
        "pairs": str(folder / "pairs.jsonl"),
        "beta": BETA,
        "rank": RANK,
        "alpha": ALPHA,
        "modules": list(MODULES),
    }
