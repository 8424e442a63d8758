"""Real RQ workers in processes of their own, killed in earnest: the run goes on, its engine does not stay behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import STUB
from training import launcher

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds; a busy machine is no failure
WORLD = """
import os, sys
import django
django.setup()
from tests import factories
from teams.models import Method
from training.models import BaseModel, TrainingRun
from training.services.launch import launch
course = factories.make_course()
member = factories.make_person("Mia Member")
team = factories.make_team(course, "Maple", member)
version = factories.make_dataset_version(team, factories.child_rows(20))
BaseModel.objects.filter(name="tiny-student").update(enabled=True)
for kind in sys.argv[1:]:
    run = launch(team=team, person=member, method=Method.LORA, base_model=BaseModel.objects.get(name="tiny-student"),
                 dataset_version=version, settings={"validation_fraction": 0.2, "epochs": 1, "stub": kind}, seed=1, name=kind)
    print(run.folder)
"""
SHOW = """
import django
django.setup()
from teams.models import BudgetAccount, Hold, LedgerEntry
from training.models import TrainingRun
run = TrainingRun.objects.get()
print(run.status, run.attempt, LedgerEntry.objects.count(), Hold.objects.filter(state="open").count())
"""

PLANNED = """
import django
django.setup()
from training.models import RunEvent
print(RunEvent.objects.filter(kind="note", data__planned=True).count())
"""


class Platform:
    """The processes of a small installation: a database file, a queue, workers, the clock."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "VAR_DIR": str(folder / "var"),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "tests.training.stub_settings",
            "RUN_LEASE_SECONDS": "12",  # a busy machine may keep a worker from its heartbeat for some seconds
            "RECONCILE_SECONDS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def ask(self, program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def manage(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments], env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.manage(
            "rqworker", "training", "--worker-class", "training.worker.SafeWorker",
            "--serializer", "rq.serializers.JSONSerializer", "--worker-ttl", "60",
        )  # fmt: skip

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory, redis_port: int) -> Path:
    """A database with its tables and nothing else; each test has a copy."""
    made = Platform(tmp_path_factory.mktemp("migrated"), f"redis://127.0.0.1:{redis_port}/0")
    assert made.manage("migrate", "-v0").wait() == 0, (made.folder / "log").read_text()
    return made.folder / "db.sqlite3"


@pytest.fixture
def platform(tmp_path: Path, redis_server: str, migrated: Path) -> Iterator[Platform]:
    shutil.copy(migrated, tmp_path)
    made = Platform(tmp_path, redis_server)
    yield made
    made.stop()


def wait_for(what: Callable[[], Any], why: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.1)
    return found


def engine_of(folder: Path) -> int | None:
    path = folder / launcher.PID_FILE
    text = path.read_text() if path.exists() else ""
    return int(text.split()[0]) if " " in text else None


def child_of(pid: int) -> int | None:
    """The work-horse of a worker."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def working(folder: Path) -> bool:
    """The stub has begun an attempt, and the next one can read that it has."""
    attempts = folder / "attempts"
    return attempts.exists() and bool(attempts.read_text()) and engine_of(folder) is not None


@pytest.mark.timeout(900)  # six programs start one after another, each in seconds where nothing else runs
@pytest.mark.parametrize("victim", ["work-horse", "worker"])
def test_a_killed_worker_leaves_no_engine_and_its_run_finishes(platform: Platform, victim: str) -> None:
    folder = Path(platform.ask(WORLD, "waits once"))
    clock, worker = platform.manage("schedule"), platform.worker()
    wait_for(lambda: working(folder), "the run does not begin")
    engine = engine_of(folder)
    assert engine is not None
    horse = wait_for(lambda: child_of(worker.pid), "the worker has no child")

    os.kill(horse if victim == "work-horse" else worker.pid, signal.SIGKILL)
    wait_for(lambda: launcher._started(engine) == "gone", "the engine outlived its worker")
    if victim == "worker":
        platform.worker()

    shown = wait_for(lambda: (found := platform.ask(SHOW)).startswith("succeeded") and found, "the run is not finished")
    assert shown == "succeeded 2 1 0", "two attempts, one charge, no open hold"
    assert clock.poll() is None


@pytest.mark.timeout(900)
def test_a_worker_that_is_asked_to_end_hands_its_run_on(platform: Platform) -> None:
    folder = Path(platform.ask(WORLD, "waits once"))
    platform.environment["DRAIN_SECONDS"] = "1"
    leaving = platform.worker()
    wait_for(lambda: working(folder), "the run does not begin")
    engine = engine_of(folder)
    assert engine is not None

    leaving.terminate()
    assert leaving.wait(PATIENCE) == 0
    assert launcher._started(engine) == "gone"
    assert platform.ask(SHOW) == "queued 1 0 1", "at once, without a lease that has to run out"
    assert platform.ask(PLANNED) == "1"

    platform.worker()
    shown = wait_for(lambda: (found := platform.ask(SHOW)).startswith("succeeded") and found, "the run is not finished")
    assert shown == "succeeded 2 1 0"


def test_the_stub_is_where_these_workers_look_for_engines() -> None:
    assert (STUB / "lora" / "train.py").exists()


def test_a_worker_outlives_a_queue_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import redis
    from rq import Worker

    from training.worker import SafeWorker

    def away(*_: object) -> None:
        raise redis.exceptions.ConnectionError("away")

    monkeypatch.setattr(Worker, "maintain_heartbeats", away)
    worker = SafeWorker.__new__(SafeWorker)
    worker.maintain_heartbeats(None, None)  # nothing is raised: its job goes on


def test_an_older_worker_gives_a_job_back_for_a_newer_one(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import django_rq

    from teams import presence
    from training import worker as module
    from training.services import versions

    monkeypatch.setattr(module, "OUTDATED_SECONDS", 0)
    monkeypatch.setattr(versions, "outdated", lambda: True)
    beats: list[str] = []
    monkeypatch.setattr(module, "_tell_host", lambda: beats.append("beat"))
    monkeypatch.setattr(module, "_clear_scratch", lambda: None)
    queue = django_rq.get_queue("training")
    first = queue.enqueue("training.jobs.execute_run", 1)
    queue.enqueue("training.jobs.execute_run", 2)
    worker = module.SafeWorker([queue], connection=queue.connection, serializer=queue.serializer)
    worker.since, worker.told_at, worker.told_state = presence.now(), 0.0, ""
    found = worker.dequeue_job_and_maintain_ttl(1)
    assert found is not None and found[0].id == first.id
    worker.execute_job(*found)
    assert queue.job_ids[0] == first.id
    assert len(queue.job_ids) == 2
    assert queue.connection.llen(queue.intermediate_queue_key) == 0
    told = [one.state for one in presence.processes() if one.kind == "worker"]
    assert told == ["outdated"]
    assert beats == ["beat"]
