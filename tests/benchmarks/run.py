"""`make bench`: measures every `bench_*.py` beside this file, prints one table and writes bench.json.

Each module has `measure() -> {name: {"ours": …, "peer": …, "unit": …, "ratio": …}}`; ratio > 1 means ours is better.
Name some modules to run only those: `python -m tests.benchmarks.run upload pages`.
"""

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULT = HERE.parents[1] / "bench.json"


def main(wanted: list[str]) -> None:
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    chosen = [name for name in names if not wanted or name.removeprefix("bench_") in wanted]
    if not chosen:
        sys.exit(f"No benchmark is named {' '.join(wanted)}. There are: {', '.join(names)}")
    results: dict[str, dict[str, Any]] = {}
    broken = []
    for name in chosen:
        print(f"measuring {name.removeprefix('bench_')}…", flush=True)
        try:
            results.update(importlib.import_module(f"tests.benchmarks.{name}").measure())
        except Exception:
            traceback.print_exc()  # the others are measured all the same
            broken.append(name)
        RESULT.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    width = max(map(len, results), default=0)
    print(f"\n{'name':<{width}}  {'ours':>12}  {'peer or limit':>14}  {'ratio':>7}  unit")
    for key, row in sorted(results.items()):
        print(f"{key:<{width}}  {row['ours']:>12,.4g}  {row['peer']:>14,.4g}  {row['ratio']:>7.2f}  {row['unit']}")
    print(f"\nwritten to {RESULT}")
    if broken:
        sys.exit(f"These broke and measured nothing: {', '.join(broken)}")


if __name__ == "__main__":
    main(sys.argv[1:])
