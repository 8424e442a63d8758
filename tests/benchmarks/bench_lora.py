"""LoRA training against a plain transformers.Trainer: same rows, base model, epochs and settings, each a whole process.

The peer runs in a clean interpreter without our `datasets` on its path. Runs alternate and the median of each side counts,
so that a busy machine is busy for both; each round has a seed of its own. A side that is faster by learning less has won
nothing: where our validation loss is over 2 % worse, the comparison is void and its ratio 0.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / "training" / "engines"
PEER = Path(__file__).with_name("peers") / "lora_trainer.py"
BASE = ROOT / "training" / "base_models" / "tiny-student"
ROWS, HELD_OUT, EPOCHS, BATCH, ROUNDS = 120, 30, 6, 8, 3
LOSSES_AGREE_WITHIN = 0.02

THINGS = ("apples", "red birds", "marbles", "shiny stones", "toy cars", "cookies", "pencils", "frogs in the pond")
FEELINGS = ("I am happy!", "I like this one.", "Um, that is hard.", "My brother told me so.", "Can we play after?")

Measured = dict[str, Any]


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Teacher and student, one to three turns, of the length of a team's rows (about 70 tokens)."""
    draw = random.Random(seed)
    return [{"messages": [m for _ in range(draw.choice((1, 1, 2, 3))) for m in _turn(draw)]} for _ in range(count)]


def _turn(draw: random.Random) -> list[dict[str, str]]:
    a, b, thing = draw.randint(1, 9), draw.randint(1, 9), draw.choice(THINGS)
    asked = f"If you have {a} {thing} and I give you {b} more, how many {thing} do you have?"
    counted = " ".join(f"{number}," for number in range(a + 1, a + b + 1))
    said = f"Um, I count on my fingers! I start at {a}. Then {counted} so it is {a + b}! {draw.choice(FEELINGS)}"
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]


def measure() -> dict[str, dict[str, Any]]:
    """The table's rows; ratio > 1 = ours better."""
    with tempfile.TemporaryDirectory(prefix="bench-lora-") as name:
        folder = Path(name)
        order = _order(folder)
        with _warm_parent(folder) as socket:
            rounds = [_round(folder / str(seed), order | {"seed": seed}, socket) for seed in range(1, ROUNDS + 1)]
        padded_512 = _peer(folder / "512", order | {"pad_to": 512})
    cold, warm, longest = ([one[side] for one in rounds] for side in ("cold", "warm", "longest"))
    return {
        "lora_vs_trainer_padded_longest": _faster(cold, longest),
        "lora_vs_trainer_padded_512": _faster(cold, [padded_512]),
        "lora_warm_vs_trainer_padded_longest": _faster(warm, longest),
        "lora_warm_vs_trainer_padded_512": _faster(warm, [padded_512]),
        "lora_tokens_vs_trainer_padded_longest": _more_tokens(cold + warm, longest),
        "lora_tokens_vs_trainer_padded_512": _more_tokens(cold + warm, [padded_512]),
    }


def _order(folder: Path) -> Measured:
    for name, count, seed in (("train", ROWS, 1), ("validation", HELD_OUT, 2)):
        text = "".join(json.dumps(row) + "\n" for row in rows(count, seed))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return {
        "schema": 1,
        "run": "bench",
        "seed": 1,
        "train_file": str(folder / "train.jsonl"),
        "validation_file": str(folder / "validation.jsonl"),
        "base_model": str(BASE),
        "settings": {
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "learning_rate": 5e-3,  # far enough down for the losses to be comparable
            "warmup_ratio": 0,  # the Trainer spends its first warm-up step at a learning rate of 0: no fair start
            "threads": len(os.sched_getaffinity(0)),
        },
        "pad_to": None,
    }


def _round(folder: Path, order: Measured, socket: str) -> dict[str, Measured]:
    return {
        "cold": _ours(folder / "cold", order),
        "longest": _peer(folder / "longest", order),
        "warm": _ours(folder / "warm", order, LORA_WARM_SOCKET=socket),
    }


def _ours(folder: Path, order: Measured, **environment: str) -> Measured:
    seconds = _timed(["-m", "lora.train", "spec.json"], folder, order, PYTHONPATH=str(ENGINES), **environment)
    metrics: Measured = json.loads((folder / "result.json").read_text())["metrics"]
    return metrics | {"wall_seconds": seconds, "validation_loss": metrics["validation_loss_after"]}


def _peer(folder: Path, order: Measured) -> Measured:
    seconds = _timed([str(PEER), "spec.json"], folder, order)
    measured: Measured = json.loads((folder / "peer.json").read_text())
    # Its last measurement is for our comparison, not part of the guide's run: its own clock stopped before it.
    return measured | {"wall_seconds": min(seconds, measured["wall_seconds"])}


def _timed(arguments: list[str], folder: Path, order: Measured, **environment: str) -> float:
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(order), encoding="utf-8")
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=folder,
            env=_environment(**environment),
            stdout=log,
            stderr=log,
            check=True,
        )
    return time.perf_counter() - began


def _environment(**extra: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"HF_HUB_OFFLINE": "1"} | extra


@contextmanager
def _warm_parent(folder: Path) -> Iterator[str]:
    path = folder / "warm.sock"
    command = [sys.executable, "-P", "-m", "lora.warm", "--socket", str(path)]
    with subprocess.Popen(command, env=_environment(PYTHONPATH=str(ENGINES)), stderr=subprocess.PIPE) as parent:
        assert parent.stderr is not None
        said = parent.stderr.readline()
        if b"listens" not in said:
            raise RuntimeError(f"the warm parent did not start: {said.decode()}{parent.stderr.read().decode()}")
        yield str(path)
        parent.terminate()


def _median(runs: list[Measured], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def _faster(ours: list[Measured], peer: list[Measured]) -> dict[str, Any]:
    mine, theirs = _median(ours, "wall_seconds"), _median(peer, "wall_seconds")
    my_loss, their_loss = _median(ours, "validation_loss"), _median(peer, "validation_loss")
    void = my_loss > their_loss * (1 + LOSSES_AGREE_WITHIN)
    return {
        "ours": round(mine, 2),
        "peer": round(theirs, 2),
        "unit": "s",
        "ratio": 0.0 if void else round(theirs / mine, 2),
        "validation_loss_ours": round(my_loss, 4),
        "validation_loss_peer": round(their_loss, 4),
    }


def _more_tokens(ours: list[Measured], peer: list[Measured]) -> dict[str, Any]:
    mine, theirs = _median(ours, "tokens_per_second"), _median(peer, "tokens_per_second")
    return {"ours": round(mine), "peer": round(theirs), "unit": "tokens/s", "ratio": round(mine / theirs, 2)}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
