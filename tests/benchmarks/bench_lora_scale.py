"""LoRA against TRL, against the guide's Trainer padded to 512, and against the bare forward and backward rate, by size.

TRL runs in an environment of its own, `.venv-bench`, which `make bench` makes. 10,000 rows take most of an hour and are
measured only with BENCH_FULL=1. Ours is measured as on the platform (through the preload server); `ours_cold` says what it takes
without. The 30 M shape has random weights: there matrix work decides, not Python.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.lora_sides import (
    BASE,
    ENGINES,
    PEERS,
    ROOT,
    Measured,
    engine_environment,
    faster,
    make_order,
    ours,
    peer,
    preload_server,
    timed,
)

BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
EPOCHS = {120: 4, 1_000: 2, 10_000: 1}
HELD_OUT, LEARNING_RATE = 60, 2e-3
Warm = dict[str, str]


def measure() -> dict[str, Measured]:
    """The table's rows; ratio > 1 = ours better, but for the ceiling, where it is the share of it that is reached."""
    if not BENCH_PYTHON.exists():
        raise RuntimeError(f"{BENCH_PYTHON} is missing: TRL runs in an environment of its own. Run: make bench")
    sizes = [120, 1_000] + ([10_000] if os.environ.get("BENCH_FULL") == "1" else [])
    table: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory(prefix="bench-lora-") as name, preload_server(Path(name)) as warm:
        for count in sizes:
            table |= _size(Path(name) / str(count), count, warm)
        table["lora_30m_vs_trl"] = _random_30m(Path(name) / "30m", warm)
    return table


def _size(folder: Path, count: int, warm: Warm) -> dict[str, Measured]:
    order = make_order(folder, count, HELD_OUT, epochs=EPOCHS[count], learning_rate=LEARNING_RATE)
    against_trl, warmed = _against_trl(folder, order, warm, rounds=3 if count < 1_000 else 1)
    padded = peer("lora_trainer.py", folder / "512", order | {"pad_to": 512})
    return {
        f"lora_{count}_vs_trl": against_trl,
        f"lora_{count}_vs_trainer_512": faster(warmed, [padded]),
        f"lora_{count}_vs_ceiling": _ceiling(folder / "ceiling", order),
    }


def _against_trl(folder: Path, order: Measured, warm: Warm, rounds: int) -> tuple[Measured, list[Measured]]:
    cold, warmed, trl = [], [], []
    for seed in range(1, rounds + 1):
        seeded, place = order | {"seed": seed}, folder / f"seed-{seed}"
        warmed.append(ours(place / "warm", seeded, **warm))
        trl.append(peer("lora_trl.py", place / "trl", seeded, python=str(BENCH_PYTHON)))
        cold.append(ours(place / "cold", seeded))
    row = faster(warmed, trl)
    without = faster(cold, trl)
    return row | {"ours_cold": without["ours"], "ratio_cold": without["ratio"]}, warmed


def _ceiling(folder: Path, order: Measured) -> Measured:
    """One epoch, each batch bare and whole in turn."""
    plain = {name: value for name, value in order.items() if name not in ("pad_to", "batches")}
    once = plain | {"settings": order["settings"] | {"epochs": 1}}
    command = [sys.executable, "-P", str(PEERS / "lora_ceiling.py"), "spec.json"]
    timed(command, folder, once, PYTHONPATH=str(ENGINES))
    measured = json.loads((folder / "peer.json").read_text())
    mine, bare = measured["tokens_per_second"], measured["bare_tokens_per_second"]
    without_waiting = mine / measured["bare_tokens_per_second_of_the_mean"]
    row = {"ours": round(mine), "peer": round(bare), "unit": "tokens/s", "ratio": round(mine / bare, 3)}
    return row | {"ratio_if_none_waited": round(without_waiting, 3)}


def _random_30m(folder: Path, warm: Warm) -> Measured:
    base = folder / "base"
    command = [sys.executable, "-P", str(PEERS / "lora_random_base.py"), str(BASE), str(base)]
    subprocess.run(command, env=engine_environment(), check=True)
    order = make_order(folder, 120, HELD_OUT, base=base, epochs=2, learning_rate=LEARNING_RATE)
    return _against_trl(folder, order, warm, rounds=1)[0]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
