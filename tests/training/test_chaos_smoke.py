"""A little of `make chaos` for every day: the job process killed while a paid job is made, and in the middle of a program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.e2e
@pytest.mark.timeout(500)
def test_a_killed_job_process_costs_one_job_one_charge_and_leaves_nothing(tmp_path: Path) -> None:
    report = tmp_path / "chaos.json"
    command = [sys.executable, "-m", "tests.chaos.run", "dspy,openai", "work-horse", "--report", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    left = {"fault": "work-horse", "outcome": "succeeded, 2 attempts", "charges": 1, "orphans": 0, "held_left": 0}
    assert sorted(json.loads(report.read_text()), key=lambda row: row["method"]) == [
        {"method": "dspy", "provider_jobs": 0, **left},
        {"method": "openai", "provider_jobs": 1, **left},
    ]
