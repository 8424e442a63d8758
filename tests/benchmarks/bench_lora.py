"""LoRA training against a plain transformers.Trainer: same rows, base model, epochs and settings, each a whole process.

The peer runs in a clean interpreter without our `datasets` on its path. Runs alternate and the median of each side counts,
so that a busy machine is busy for both; each round has a seed of its own. Both sides warm up over a twentieth of the steps
and fall by a cosine to 0, so that the losses compared are those of a plateau. A side that is faster by learning less has
won nothing: where our validation loss is over 2 % worse, the comparison is void and its ratio 0.

One more pair reads exactly the same batches, without a warm-up (the Trainer wastes its first warm-up step at a rate of 0):
Both compute in fp32 here: `loss_ours_same_batches` and `loss_peer_same_batches` are the same but for rounding, which shows that
both compute the same. Otherwise ours takes the precision that the platform takes on this machine.
"""

import json
import tempfile
from pathlib import Path

from tests.benchmarks.lora_sides import (
    Measured,
    faster,
    make_order,
    more_tokens,
    our_batches,
    ours,
    peer,
    preload_server,
)

ROWS, HELD_OUT, EPOCHS, LEARNING_RATE, ROUNDS = 120, 60, 4, 2e-3, 3
PEER = "lora_trainer.py"


def measure() -> dict[str, Measured]:
    """The table's rows; ratio > 1 = ours better."""
    with tempfile.TemporaryDirectory(prefix="bench-lora-") as name:
        folder = Path(name)
        order = make_order(folder, ROWS, HELD_OUT, epochs=EPOCHS, learning_rate=LEARNING_RATE)
        with preload_server(folder) as warm:
            rounds = [_round(folder / str(seed), order | {"seed": seed}, warm) for seed in range(1, ROUNDS + 1)]
            same = _same_batches(folder, order, warm)
        padded_512 = [peer(PEER, folder / "512", order | {"pad_to": 512})]
    cold, warmed, longest = ([one[side] for one in rounds] for side in ("cold", "warm", "longest"))
    return {
        "lora_vs_trainer_padded_longest": faster(cold, longest) | same,
        "lora_vs_trainer_padded_512": faster(cold, padded_512),
        "lora_warm_vs_trainer_padded_longest": faster(warmed, longest),
        "lora_warm_vs_trainer_padded_512": faster(warmed, padded_512),
        "lora_tokens_vs_trainer_padded_longest": more_tokens(cold + warmed, longest),
        "lora_tokens_vs_trainer_padded_512": more_tokens(cold + warmed, padded_512),
    }


def _round(folder: Path, order: Measured, warm: dict[str, str]) -> dict[str, Measured]:
    return {
        "cold": ours(folder / "cold", order),
        "longest": peer(PEER, folder / "longest", order),
        "warm": ours(folder / "warm", order, **warm),
    }


def _same_batches(folder: Path, order: Measured, warm: dict[str, str]) -> dict[str, float]:
    plain = order | {"settings": order["settings"] | {"warmup_ratio": 0.0, "precision": "fp32"}}
    mine = ours(folder / "same-ours", plain, **warm)
    theirs = peer(PEER, folder / "same-peer", plain | {"batches": our_batches(plain)})
    return {
        "loss_ours_same_batches": round(mine["validation_loss"], 4),
        "loss_peer_same_batches": round(theirs["validation_loss"], 4),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
