"""Every instructor page with 40 teams (200 students, 2,000 runs, 200,000 charges) beside the same page with 4 teams.

The limit is three times the 4-team time, measured in the same process, the two courses in turn; the best of several tries of
each. A page that needs more than 20 queries fails the measurement.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MANY, FEW, TIMES_ALLOWED, MOST_QUERIES, TRIES = 40, 4, 3, 20, 7
PAGES = {
    "home": "",
    "people": "people/",
    "costs": "costs/",
    "costs_by_method": "costs/by/method/",
    "costs_by_model": "costs/by/model/",
    "costs_by_person": "costs/by/person/",
    "costs_by_day": "costs/by/day/",
    "estimates": "costs/estimates/",
    "prices": "prices/",
    "grades": "grades/",
    "plan": "plan/",
    "queue": "queue/",
    "audit": "audit/",
}


def measure() -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {
            "VAR_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/large.sqlite3",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "REDIS_URL": "redis://127.0.0.1:9/0",  # nobody listens: the queue page says so at once
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True)
        command = [sys.executable, "-m", "tests.benchmarks.bench_instructor"]
        done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    times: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return {
        f"instructor_{name}_{MANY}_vs_{FEW}_teams": {
            "ours": many,
            "peer": few,
            "unit": "ms",
            "ratio": TIMES_ALLOWED * few / many,
        }
        for name, (many, few) in times.items()
    }


def _measure_here() -> dict[str, list[float]]:
    """{page: [ms with many teams, ms with few]}; runs in a process of its own, on an empty database."""
    import django

    django.setup()
    from django.test import Client, override_settings

    from courseplatform.management.commands.seed_large import INSTRUCTOR, make_large_course
    from teams.models import User

    with override_settings(ALLOWED_HOSTS=["testserver"], DEBUG=False):
        many, few = make_large_course(MANY), make_large_course(FEW)
        client = Client()
        client.force_login(User.objects.get(email=INSTRUCTOR), backend="django.contrib.auth.backends.ModelBackend")
        return {
            name: _best_of_both(client, f"/courses/{many.pk}/{path}", f"/courses/{few.pk}/{path}")
            for name, path in PAGES.items()
        }


def _best_of_both(client: Any, many: str, few: str) -> list[float]:
    best = [float("inf"), float("inf")]
    for _ in range(TRIES):
        for place, address in enumerate((many, few)):
            best[place] = min(best[place], _milliseconds(client, address))
    return best


def _milliseconds(client: Any, address: str) -> float:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    start = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        page = client.get(address)
    elapsed = 1000 * (time.perf_counter() - start)
    assert page.status_code == 200, f"{address}: {page.status_code}"
    assert len(queries) <= MOST_QUERIES, f"{address}: {len(queries)} queries"
    return elapsed


if __name__ == "__main__":
    print(json.dumps(_measure_here()))
