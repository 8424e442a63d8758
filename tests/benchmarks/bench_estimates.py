"""What LoRA runs in the demo were to cost, beside what they did: on a machine that has never trained before.

`manage.py start --demo` in an empty folder and a browser, as a person has them: after the trials that the platform makes, one
run of each kind (quick, balanced, careful), in turn, watched to its end on its page, with a pause before each as a person makes
it. `ours` is how far off the price was, in percent of what the run cost; the limit is ten. With an argument the figures are
written there for `tests/training`.

No price can be nearer than the machine is steady: after each trial and before each run, equal work on every core is timed. On a
virtual machine that shares its processor with others the slowest may take twice as long as the fastest.
"""

import json
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.lora_sides import Measured

LIMIT_PERCENT = 10
TRIAL_SECONDS, TRIALS_WITHIN_SECONDS = 4, 300
PAUSE_SECONDS = 10
SUMS = 6_000_000  # a fifth of a second on one core
CHANGES: dict[str, dict[str, str]] = {
    "quick": {"epochs": "1"},
    "balanced": {},
    "careful": {"epochs": "10", "learning_rate": "0.001", "early_stopping_patience": "3"},
}
ORDER = ("quick", "balanced", "careful", "balanced", "quick")
FIGURES = (
    "steps", "tokens", "seconds_per_step", "seconds_per_token", "validation_seconds", "validation_tokens",
    "sample_seconds", "sample_answers", "save_seconds", "saves", "train_seconds", "seconds_per_answer",
)  # fmt: skip
RUNS = """
select run.name, run.expected_cost, entry.delta, run.compute_seconds, run.result
from training_trainingrun run join teams_ledgerentry entry on entry.key = 'run-' || run.id
where run.status = 'succeeded' order by run.id
"""


def measure() -> dict[str, Measured]:
    """The table's rows; ratio > 1 = nearer than the limit."""
    measured = _measured()
    steady = [one["equal_work_seconds"] for one in (*measured["trials"], *measured["runs"])]
    unsteady = max(abs(seconds / median(steady) - 1) * 100 for seconds in steady)
    rows = {
        f"estimate_lora_{place}_{run['preset']}_off": _row(abs(run["expected"] / run["actual"] - 1) * 100)
        | {"expected": run["expected"], "actual": run["actual"]}
        for place, run in enumerate(measured["runs"], start=1)
    }
    return rows | {"estimate_lora_equal_work_off_its_median": _row(unsteady)}


def _row(off: float) -> Measured:
    off = round(off, 1)
    return {"ours": off, "peer": LIMIT_PERCENT, "unit": "% (limit)", "ratio": round(LIMIT_PERCENT / max(off, 0.1), 2)}


def _measured() -> dict[str, Any]:
    """{"trials": […], "runs": […]}, as in `tests/training/measured_lora_runs.json`."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import Platform, chromium
    from tests.e2e.screenshots import signed_in

    with tempfile.TemporaryDirectory(prefix="bench-estimates-") as folder, sync_playwright() as playwright:
        # The browser is open before: a machine that is asked for so much memory on the way has no pace.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        platform = Platform(Path(folder) / "var", speed_trial=TRIAL_SECONDS)
        with platform.running():
            page = signed_in(browser, platform, "maple@demo.example")
            team, (machine, trials) = page.url, _trials(platform.folder)
            steady = [_run(page, team, preset) for preset in ORDER]
            runs = _rows(platform.folder, RUNS)
    return {
        "on": date.today().isoformat(),
        "machine": machine,
        "trials": trials,
        "runs": [
            {"preset": name, "expected": expected, "actual": charged, "equal_work_seconds": equal}
            | _figures(seconds, json.loads(result)["metrics"])
            for (name, expected, charged, seconds, result), equal in zip(runs, steady, strict=True)
        ],
    }


def _trials(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """(the machine, its trials), once there are as many as the platform makes."""
    from training.services.training_time import RECENT_RUNS as count

    question = "select machine, compute_seconds, metrics from training_pacetrial order by id"
    last, steady, rows = time.monotonic() + TRIALS_WITHIN_SECONDS, list[float](), list[Any]()
    while len(rows) < count:
        assert time.monotonic() < last, f"{len(rows)} of {count} trials"
        time.sleep(1)
        if len(rows := _rows(folder, question)) > len(steady):
            steady.append(_equal_work_seconds())
    return rows[0][0], [
        _figures(seconds, json.loads(metrics)) | {"equal_work_seconds": equal}
        for (_, seconds, metrics), equal in zip(rows, steady, strict=True)
    ]


def _run(page: Any, team: str, preset: str) -> float:
    """One run from its form to its end; seconds of equal work before it."""
    from tests.e2e.screenshots import NAMES
    from tests.e2e.test_journey import choose, start, watch

    page.goto(team)
    time.sleep(PAUSE_SECONDS)
    equal = _equal_work_seconds()
    page.goto(f"{team}runs/new/lora/")
    page.get_by_label("Name").fill(preset)
    choose(page, NAMES["lora"])
    start(page, **CHANGES[preset])
    watch(page)
    return equal


def _rows(folder: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(next(folder.glob("*.sqlite3")))) as database:
        return database.execute(question).fetchall()


def _figures(seconds: float, metrics: dict[str, Any]) -> dict[str, Any]:
    return {"compute_seconds": seconds, "metrics": {name: metrics[name] for name in FIGURES}}


def _equal_work_seconds() -> float:
    """Of the slower one of as many processes as there are cores, the same sums in each."""
    with multiprocessing.get_context("spawn").Pool() as processes:
        return round(max(processes.map(_sums, range(os.cpu_count() or 1), chunksize=1)), 4)


def _sums(_number: int) -> float:
    began, total = time.perf_counter(), 0
    for number in range(SUMS):
        total += number * number
    return time.perf_counter() - began


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(_measured(), indent=1) + "\n", encoding="utf-8")
