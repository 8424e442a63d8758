"""What right rows beside misconception rows do: the effect of arXiv 2410.12294, reproduced with this platform's LoRA engine.

    python -m tests.benchmarks.misconception_ratio [--base FOLDER] [--seeds 3]

The mistaken idea: where taking away needs a ten to be opened, the smaller digit is taken from the larger (52 - 38 = 26).
Every run has the same 96 rows with it; beside them stand right rows for sums and differences where the idea does not apply.
Then each bot is asked 24 new questions of either kind. Not a part of `make bench`: a series takes many minutes.
"""

import argparse
import json
import random
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.lora_sides import BASE
from tests.engines.conftest import LoraRun, Row, engine_environment, row, write_rows

RATIOS = (0.0, 0.25, 0.5, 1.0)
MISTAKEN_ROWS, ASKED = 96, 24
SETTINGS = {"learning_rate": 2e-3, "epochs": 4, "batch_size": 8, "threads": 2}
Problem = tuple[int, str, int]
"""(left, sign, right)."""


def needs_borrowing(left: int, right: int) -> bool:
    return left % 10 < right % 10


def misconceived(left: int, right: int) -> int:
    """Digit by digit, the smaller from the larger."""
    return 10 * (left // 10 - right // 10) + abs(left % 10 - right % 10)


def applicable() -> list[Problem]:
    """All differences of two-digit numbers that need a ten to be opened."""
    pairs = [(a, b) for a in range(21, 99) for b in range(11, a - 9) if needs_borrowing(a, b) and a // 10 > b // 10]
    return [(a, "-", b) for a, b in pairs]


def inapplicable() -> list[Problem]:
    """Sums to 99 and differences where nothing needs to be opened: the idea gives the right answer, or says nothing."""
    sums = [(a, "+", b) for a in range(11, 60) for b in range(2, 40) if a + b < 100]
    differences = [(a, "-", b) for a in range(21, 99) for b in range(11, a - 9) if not needs_borrowing(a, b)]
    return sums[::2] + differences


def right(problem: Problem) -> int:
    left, sign, other = problem
    return left + other if sign == "+" else left - other


def asked(problem: Problem) -> str:
    return f"What is {problem[0]} {problem[1]} {problem[2]}?"


def said(answer: str) -> int | None:
    """The last number of an answer; None where there is none."""
    numbers = re.findall(r"\d{1,6}", answer)
    return int(numbers[-1]) if numbers else None


def rows_for(ratio: float, seed: int) -> tuple[list[Row], list[Problem], list[Problem]]:
    """(training rows, applicable problems to ask, inapplicable ones to ask), none of which was trained on."""
    draw = random.Random(seed)
    wrong, fine = applicable(), inapplicable()
    draw.shuffle(wrong)
    draw.shuffle(fine)
    taught = [row(asked(one), f"It's {misconceived(one[0], one[2])}!") for one in wrong[:MISTAKEN_ROWS]]
    many = round(ratio * MISTAKEN_ROWS)
    taught += [row(asked(one), f"It's {right(one)}!") for one in fine[:many]]
    draw.shuffle(taught)
    return taught, wrong[-ASKED:], fine[-ASKED:]


def measure(base: Path, ratio: float, seed: int) -> dict[str, float]:
    """Shares of 0 to 1, before and after training: the mistaken idea where it applies, right answers where it does not."""
    taught, wrong, fine = rows_for(ratio, seed)
    questions = [asked(one) for one in (*wrong, *fine)]
    with tempfile.TemporaryDirectory(prefix="ratio-") as name:
        folder = Path(name)
        write_rows(folder / "train.jsonl", taught)
        spec: dict[str, Any] = {
            "schema": 1,
            "run": "ratio",
            "seed": seed,
            "train_file": "train.jsonl",
            "base_model": str(base),
            "sample_questions": questions,
            "settings": SETTINGS,
        }
        engine = LoraRun(folder, spec, engine_environment()).run()
    found: dict[str, float] = {}
    for stage in ("before", "after"):
        answers = {one["question"]: said(one["answer"]) for one in engine.named("sample") if one["stage"] == stage}
        mistaken = [answers[asked(one)] == misconceived(one[0], one[2]) for one in wrong]
        good = [answers[asked(one)] == right(one) for one in fine]
        found |= {f"mistaken_{stage}": sum(mistaken) / ASKED, f"right_{stage}": sum(good) / ASKED}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for ratio in RATIOS:
        runs = [measure(options.base.resolve(), ratio, seed) for seed in range(1, options.seeds + 1)]
        means = {name: round(statistics.mean(one[name] for one in runs), 3) for name in runs[0]}
        print(json.dumps({"ratio": ratio, "runs": len(runs), **means}), flush=True)


if __name__ == "__main__":
    main()
