"""What TRL's DPOTrainer says of one batch, frozen for a test that runs without TRL.

    .venv/bin/python -m tests.benchmarks.bench_dpo           compares TRL, run now, with what is frozen
    .venv/bin/python -m tests.benchmarks.bench_dpo --write   freezes it anew

Needs `.venv-bench` (`make .venv-bench/.ready`), or another Python that has TRL: BENCH_PYTHON=/path/to/python.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.lora_sides import PEERS, ROOT, timed
from tests.engines import dpo_batch
from tests.engines.conftest import write_tiny_base

PYTHON = os.environ.get("BENCH_PYTHON", str(ROOT / ".venv-bench" / "bin" / "python"))
DIGITS = 9
AGREE_WITHIN = 1e-6


def trl() -> dict[str, Any]:
    """TRL's loss, gradients and rewards, as `peers/dpo_trl.py` writes them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = folder / "base"
        base.mkdir()
        write_tiny_base(base)
        order = dpo_batch.write_all(folder, base)
        path = f"{PEERS}{os.pathsep}{os.environ.get('BENCH_PATH', '')}"
        timed([PYTHON, "-P", str(PEERS / "dpo_trl.py"), "spec.json"], folder / "trl", order, PYTHONPATH=path)
        said: dict[str, Any] = json.loads((folder / "trl" / "peer.json").read_text(encoding="utf-8"))
    return said


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def furthest(one: Any, other: Any) -> float:
    """The largest difference between two nests of numbers of the same shape."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max(furthest(one[name], other[name]) for name in one)
    if isinstance(one, list):
        assert len(one) == len(other)
        return max(map(furthest, one, other))
    return abs(float(one) - float(other))


def measure() -> dict[str, dict[str, Any]]:
    """How far TRL, run now, is from what is frozen: the numbers that our own training is tested against."""
    apart = furthest(rounded(trl()), json.loads(dpo_batch.FROZEN.read_text(encoding="utf-8")))
    ratio = AGREE_WITHIN / max(apart, 10**-DIGITS)
    unit = "largest difference from TRL in loss, gradients and rewards (limit)"
    return {"dpo_apart_from_trl": {"ours": apart, "peer": AGREE_WITHIN, "ratio": round(ratio, 2), "unit": unit}}


def main() -> None:
    said = rounded(trl())
    if "--write" in sys.argv:
        dpo_batch.FROZEN.write_text(json.dumps(said) + "\n", encoding="utf-8")
    apart = furthest(said, json.loads(dpo_batch.FROZEN.read_text(encoding="utf-8")))
    print(f"TRL and {dpo_batch.FROZEN.name} are at most {apart:.1e} apart")
    if apart > AGREE_WITHIN:
        sys.exit("TRL computes otherwise than it did when its numbers were frozen.")


if __name__ == "__main__":
    main()
