"""Query counts and times of the main pages, over a course of ten teams with fifty runs each.

The peer of a count is the limit that we set ourselves: 20 queries whatever the number of rows; of a time, 100 ms for 95 of
100 looks.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUERY_LIMIT = 20
MILLISECONDS_LIMIT = 100
REPEATS = 40


def measure() -> dict[str, dict[str, Any]]:
    """In a process of its own, so that settings and database are this benchmark's alone."""
    import json

    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {
            "VAR_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "LOG_LEVEL": "ERROR",
        }
        env.pop("DATABASE_URL", None)
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.bench_pages", folder],
            cwd=root,
            env=env,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
        found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found


def _world() -> tuple[Any, Any, Any]:
    """(world, instructor, professor) after filling the course."""
    from teams.models import Role
    from tests import factories
    from tests.evaluation.conftest import make_run
    from tests.world import make_world

    course = factories.make_course()
    instructor, professor = factories.make_person("Iris"), factories.make_person("Pat")
    factories.enrol(course, instructor, Role.INSTRUCTOR)
    factories.enrol(course, professor, Role.PROFESSOR)
    worlds = []
    for number in range(10):
        team = factories.make_team(course, f"Team {number}", factories.make_person(f"Member {number}"))
        worlds.append(make_world(team, professor, f"mark{number}"))
        for _ in range(49):
            make_run(team)
    return worlds[0], instructor, professor


def pages(world: Any, instructor: Any, professor: Any) -> dict[str, tuple[Any, str]]:
    """name -> (person, URL)."""
    from django.urls import reverse

    def at(name: str) -> str:
        values = world.values(name)
        resolver_parts = {"course_id", "team_id", "dataset_id", "number", "key", "code", "method"}
        from tests.test_access import parameters

        return reverse(name, kwargs={part: values[part] for part in parameters(name) if part in resolver_parts})

    member = world.member
    return {
        "sign_in": (None, reverse("sign_in")),
        "team_home": (member, at("team_home")),
        "dataset_list": (member, at("dataset_list")),
        "dataset_detail": (member, at("dataset_detail")),
        "dataset_version": (member, at("version_detail")),
        "drafting": (member, at("drafting_new")),
        "run_list": (member, at("run_list")),
        "run_new": (member, at("run_new")),
        "run_detail": (member, at("run_detail")),
        "improve": (member, at("run_improve")),
        "team_costs": (member, at("team_costs")),
        "chat": (member, at("conversation_detail")),
        "submission": (member, at("submission_detail")),
        "grading_queue": (professor, at("grading_queue")),
        "grading": (professor, at("grading_detail")),
        "course_home": (instructor, at("course_home")),
        "costs": (instructor, at("course_costs")),
        "grades": (instructor, at("course_grades")),
    }


def _measure_here(folder: str) -> dict[str, dict[str, Any]]:
    import django
    from django.conf import settings

    from courseplatform import redis_server

    port = redis_server.free_port()
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    redis = subprocess.Popen(redis_server.command(port=port, folder=Path(folder) / "redis"), stdout=subprocess.DEVNULL)
    try:
        django.setup()
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        settings.ALLOWED_HOSTS = ["testserver"]
        from django.core.management import call_command
        from django.db import connection
        from django.test import Client
        from django.test.utils import CaptureQueriesContext

        call_command("migrate", verbosity=0)
        while not redis_server.answers(port):
            time.sleep(0.02)
        results: dict[str, dict[str, Any]] = {}
        for name, (person, url) in pages(*_world()).items():
            client = Client()
            if person is not None:
                client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
            assert client.get(url).status_code == 200, url
            times = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                with CaptureQueriesContext(connection) as queries:
                    client.get(url)
                times.append(1000 * (time.perf_counter() - began))
            count, took = len(queries), statistics.quantiles(times, n=20)[-1]
            results[f"page_{name}_queries"] = _row(count, QUERY_LIMIT, "queries (limit)")
            results[f"page_{name}_ms_p95"] = _row(round(took, 1), MILLISECONDS_LIMIT, "ms, p95 (limit)")
        return results
    finally:
        redis.terminate()
        redis.wait(10)


def _row(ours: float, limit: float, unit: str) -> dict[str, Any]:
    return {"ours": ours, "peer": limit, "unit": unit, "ratio": round(limit / max(ours, 1), 2)}


if __name__ == "__main__":
    import json

    print(json.dumps(_measure_here(sys.argv[1])))
