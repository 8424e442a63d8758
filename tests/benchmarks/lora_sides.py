"""The sides of the LoRA benchmarks: the same order for each, each a whole process timed from outside."""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / "training" / "engines"
PEERS = Path(__file__).with_name("peers")
BASE = ROOT / "training" / "base_models" / "tiny-student"
LOSSES_AGREE_WITHIN = 0.02

Measured = dict[str, Any]

OUR_BATCHES = """
import json, sys
from pathlib import Path
from lora.base_model import load_tokenizer
from lora.batches import epoch_order
from lora.rows import read_rows
from lora.templates import template_of
order = json.loads(sys.argv[1])
tokenizer = load_tokenizer(order["base_model"])
rows = read_rows(Path(order["train_file"]), tokenizer, template_of(tokenizer), 512).examples
settings = order["settings"]
epochs = range(settings["epochs"])
print(json.dumps([epoch_order([len(row) for row in rows], settings["batch_size"], order["seed"], e) for e in epochs]))
"""


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Conversations of the demo child, one to three turns, of the length of a team's rows. The same for the same seed."""
    sys.path.insert(0, str(ENGINES))
    try:
        from tiny_student.make_dataset import SHARES, new_row
    finally:
        sys.path.remove(str(ENGINES))
    draw, subjects = random.Random(f"bench {seed}"), list(SHARES)
    return [
        {
            "messages": [
                {"role": role, "content": text}
                for turn in new_row(draw, draw.choice(subjects), 1, 3).turns
                for role, text in (("user", turn.question), ("assistant", turn.answer))
            ]
        }
        for _ in range(count)
    ]


def make_order(folder: Path, count: int, held_out: int, base: Path = BASE, **settings: Any) -> Measured:
    """Rows in files, and the order that every side gets. Dropout is 0: its noise is no part of the comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size, seed in (("train", count, 1), ("validation", held_out, 2)):
        text = "".join(json.dumps(row) + "\n" for row in rows(size, seed))
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    common = {"batch_size": 8, "warmup_ratio": 0.05, "dropout": 0.0, "threads": len(os.sched_getaffinity(0))}
    return {
        "schema": 1,
        "run": "bench",
        "seed": 1,
        "train_file": str(folder / "train.jsonl"),
        "validation_file": str(folder / "validation.jsonl"),
        "base_model": str(base),
        "settings": common | settings,
        "pad_to": None,
        "batches": None,
    }


def ours(folder: Path, order: Measured, **environment: str) -> Measured:
    """One run as the launcher starts it. The loss is that of the last step, not of the best one: the peers keep the last."""
    command = [sys.executable, "-P", "-m", "lora.train", "spec.json"]
    seconds = timed(command, folder, _for_ours(order), PYTHONPATH=str(ENGINES), **environment)
    metrics: Measured = json.loads((folder / "result.json").read_text())["metrics"]
    events = [json.loads(line) for line in (folder / "stdout").read_text().splitlines()]
    last = [event["loss"] for event in events if event["event"] == "validation"][-1]
    return metrics | {"wall_seconds": seconds, "validation_loss": last}


def _for_ours(order: Measured) -> Measured:
    return {name: value for name, value in order.items() if name not in ("pad_to", "batches")}


def our_batches(order: Measured) -> list[list[list[int]]]:
    """The row numbers of each batch of each epoch, as our loop takes them for this order."""
    command = [sys.executable, "-P", "-c", OUR_BATCHES, json.dumps(_for_ours(order))]
    said = subprocess.run(command, env=engine_environment(PYTHONPATH=str(ENGINES)), check=True, stdout=subprocess.PIPE)
    batches: list[list[list[int]]] = json.loads(said.stdout)
    return batches


def peer(script: str, folder: Path, order: Measured, python: str = sys.executable) -> Measured:
    """One run of a program out of `peers/`."""
    seconds = timed([python, "-P", str(PEERS / script), "spec.json"], folder, order, PYTHONPATH=str(PEERS))
    measured: Measured = json.loads((folder / "peer.json").read_text())
    # Its last measurement is for our comparison, not part of the guide's run: its own clock stopped before it.
    return measured | {"wall_seconds": min(seconds, measured["wall_seconds"])}


def timed(command: list[str], folder: Path, order: Measured, **environment: str) -> float:
    """Wall seconds of a whole process. Raises RuntimeError with the end of its log when it fails."""
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(order), encoding="utf-8")
    began = time.perf_counter()
    with (folder / "stdout").open("wb") as out, (folder / "log").open("wb") as log:
        done = subprocess.run(
            command, cwd=folder, env=engine_environment(**environment), stdout=out, stderr=log, check=False
        )
    seconds = time.perf_counter() - began
    if done.returncode:
        said = (folder / "log").read_text(errors="replace")[-2000:] + (folder / "stdout").read_text()[-500:]
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said}")
    return seconds


def engine_environment(**extra: str) -> dict[str, str]:
    """The same for every side. Threads that wait asleep: on a busy machine spinning ones would flatter us many times over."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"} | extra


@contextmanager
def preload_server(folder: Path) -> Iterator[dict[str, str]]:
    """The environment with which a run finds a preload server, as on the platform."""
    path = folder / "warm.sock"
    command = [sys.executable, "-P", "-m", "lora.warm", "--socket", str(path)]
    environment = engine_environment(PYTHONPATH=str(ENGINES))
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as parent:
        assert parent.stderr is not None
        said = parent.stderr.readline()
        if b"listens" not in said:
            raise RuntimeError(f"the preload server did not start: {said.decode()}{parent.stderr.read().decode()}")
        try:
            yield {"LORA_WARM_SOCKET": str(path)}
        finally:
            parent.terminate()


def median(runs: Sequence[Measured], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def losses(our_runs: Sequence[Measured], peer_runs: Sequence[Measured]) -> dict[str, float]:
    """Median validation losses after the last step. `loss_gap` > 0: ours is worse by that share."""
    mine, theirs = median(our_runs, "validation_loss"), median(peer_runs, "validation_loss")
    return {"loss_ours": round(mine, 4), "loss_peer": round(theirs, 4), "loss_gap": round(mine / theirs - 1, 4)}


def faster(our_runs: Sequence[Measured], peer_runs: Sequence[Measured]) -> Measured:
    """A table row of wall seconds. Void (ratio 0) where ours learnt over 2 % less: that is no speed."""
    mine, theirs = median(our_runs, "wall_seconds"), median(peer_runs, "wall_seconds")
    learnt = losses(our_runs, peer_runs)
    void = learnt["loss_gap"] > LOSSES_AGREE_WITHIN
    ratio = 0.0 if void else round(theirs / mine, 2)
    return {"ours": round(mine, 2), "peer": round(theirs, 2), "unit": "s", "ratio": ratio} | learnt


def more_tokens(our_runs: Sequence[Measured], peer_runs: Sequence[Measured]) -> Measured:
    """A table row of trained tokens a second, padding left out on both sides."""
    mine, theirs = median(our_runs, "tokens_per_second"), median(peer_runs, "tokens_per_second")
    return {"ours": round(mine), "peer": round(theirs), "unit": "tokens/s", "ratio": round(mine / theirs, 2)}
