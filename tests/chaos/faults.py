"""What is broken, and how: each fault strikes when `with` begins and is lifted when it ends."""

import contextlib
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import F

from teams.models import Course, Method
from tests.chaos import hosts, processes
from tests.chaos.processes import wait_for
from tests.chaos.scene import CREATE_SECONDS, HOUR, Row, Scene

EVERY = (Method.LORA, Method.DSPY, Method.OPENAI)
AT_THE_PROVIDER = (Method.DSPY, Method.OPENAI)
JOURNAL_WRITES = 900  # fewer than the thousand pages after which SQLite begins its journal anew
OUTAGE_SECONDS = 9.0  # longer than a lease (6) and than the database's patience (3)
FORKING = (Method.LORA,) if len(os.sched_getaffinity(0)) > 1 else ()  # on one core it trains alone
CREATING: dict[str, Any] = {"create_delay": CREATE_SECONDS}

Strike = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`provider`: faults of the provider from launch on. `waits_first`: an OpenAI run shall wait at the provider already."""

    name: str
    says: str
    strike: Strike
    methods: tuple[Method, ...] = EVERY
    provider: dict[str, Any] = field(default_factory=lambda: CREATING)
    waits_first: bool = False

    together: tuple[tuple[str, ...], ...] = (("lora", "openai"), ("dspy",))  # LoRA and DSPy share the one training slot

    def play(self, scene: Scene, methods: list[Method]) -> list[Row]:
        """Launch a run of each method, break what the fault breaks at the moment it waits for, and see what is left."""
        scene.platform.wait_until_whole()
        scene.platform.clock.write_text("0")
        scene.provider.set_faults(**self.provider)
        scene.begin(methods, self.name, waiting=self.waits_first)
        with self.strike(scene):
            scene.platform.let_engines_go()
        return scene.recover()


def _service_killed(name: str) -> Strike:
    @contextlib.contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        scene.platform.kill(name)
        yield

    return strike


@contextlib.contextmanager
def nothing(scene: Scene) -> Iterator[None]:
    yield


@contextlib.contextmanager
def engine_killed(scene: Scene) -> Iterator[None]:
    for run in scene.runs:
        processes.send(wait_for(lambda: scene.engine_of(run), "there is no engine"), signal.SIGKILL)  # noqa: B023
    yield


@contextlib.contextmanager
def fork_killed(scene: Scene) -> Iterator[None]:
    for run in scene.runs:
        forks = wait_for(lambda: processes.children_of(scene.engine_of(run) or 0), "the engine has not forked")  # noqa: B023
        processes.send(forks[0], signal.SIGKILL)
    yield


@contextlib.contextmanager
def face_killed(scene: Scene) -> Iterator[None]:
    for run in scene.runs:
        processes.send(wait_for(lambda: scene.face_of(run), "there is no engine"), signal.SIGKILL)  # noqa: B023
    yield


@contextlib.contextmanager
def horse_killed(scene: Scene) -> Iterator[None]:
    for run in scene.runs:
        processes.send(scene.horse_of(run), signal.SIGKILL)
    yield


@contextlib.contextmanager
def horse_frozen(scene: Scene) -> Iterator[None]:
    """Taken for dead, its run handed on, and then it comes back."""
    frozen = [(scene.horse_of(run), scene.lease_of(run), run) for run in scene.runs]
    for horse, _, _ in frozen:
        processes.send(horse, signal.SIGSTOP)
    yield
    for horse, lease, run in frozen:
        wait_for(lambda: scene.lease_of(run) != lease, "the run is not handed on")  # noqa: B023
        processes.send(horse, signal.SIGCONT)


@contextlib.contextmanager
def worker_killed(scene: Scene) -> Iterator[None]:
    for name in {scene.worker_of(run) for run in scene.runs}:
        scene.platform.kill(name)
    yield


@contextlib.contextmanager
def worker_killed_while_looking(scene: Scene) -> Iterator[None]:
    """The provider hangs, so the next look at the job is certain to be under way when its worker dies."""
    scene.provider.hang()
    for run in scene.runs:
        wait_for(lambda: scene.is_looked_at(run), "nobody looks at the job")  # noqa: B023
    scene.platform.kill("worker-quick")
    scene.provider.wake()
    yield


@contextlib.contextmanager
def redis_lost(scene: Scene) -> Iterator[None]:
    """The file is taken away first, so that the next Redis cannot find it."""
    for path in (scene.platform.var / "redis").glob("appendonly*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    scene.platform.kill("redis")
    yield


@contextlib.contextmanager
def database_away(scene: Scene) -> Iterator[None]:
    """SQLite: locked for writing by somebody else. PostgreSQL: every connection of the platform cut, again and again."""
    if connection.vendor == "sqlite":
        lock = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None, timeout=60)
        lock.execute("BEGIN EXCLUSIVE")
        yield
        time.sleep(OUTAGE_SECONDS)
        lock.execute("ROLLBACK")
        lock.close()
        return
    _cut_connections()
    yield
    until = time.monotonic() + OUTAGE_SECONDS
    while time.monotonic() < until:
        _cut_connections()
        time.sleep(0.5)


def _cut_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextlib.contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """The platform's whole folder (database, Redis' file, runs, logs) is a small disk, filled to the last byte.

    SQLite's journal is emptied first, and what is left of its room is used up.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    filler = scene.platform.var / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 65_536):
            pass
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0"):
            pass
    _use_up_the_journal()
    yield
    time.sleep(OUTAGE_SECONDS)
    filler.unlink()


def _use_up_the_journal() -> None:
    """Write until SQLite finds no room, if it can be brought to that.

    Its journal keeps room for itself and begins anew whenever all readers have gone on. Where that goes on too long the
    fault is milder than it could be: the runs' folder, Redis and the logs are on the full disk all the same.
    """
    if connection.vendor != "sqlite":
        return  # its files are elsewhere: what fails is the runs' folder, Redis and the logs
    for _ in range(JOURNAL_WRITES):
        try:
            Course.objects.update(name=F("name"))
        except OperationalError:
            return


@contextlib.contextmanager
def provider_hung(scene: Scene) -> Iterator[None]:
    scene.provider.hang()
    yield
    time.sleep(OUTAGE_SECONDS)
    scene.provider.wake()


@contextlib.contextmanager
def provider_killed(scene: Scene) -> Iterator[None]:
    scene.provider.kill()
    yield
    scene.provider.start()
    scene.provider.set_faults()


def _clock_jumps(seconds: int) -> Strike:
    @contextlib.contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        """Until the runs' leases show that who holds them has seen it, or that they were taken away because of it."""
        scene.platform.clock.write_text(str(seconds))
        for run in scene.runs:
            wait_for(lambda: scene.lives_in_another_hour(run), "the clock did not jump")  # noqa: B023
        yield

    return strike


FAULTS = (
    Fault("engine", "kill -9 of the engine", engine_killed, (Method.LORA, Method.DSPY)),
    Fault("engine-fork", "kill -9 of a process that the engine forked to train beside it", fork_killed, FORKING),
    Fault("engine-face", "kill -9 of what the worker started: the warm engine's face", face_killed, (Method.LORA,)),
    Fault("lora-warm", "kill -9 of the preload server of LoRA engines", _service_killed("lora-warm"), (Method.LORA,)),
    Fault("work-horse", "kill -9 of the worker's job process", horse_killed),
    Fault("work-horse-frozen", "SIGSTOP of the worker's job process until its run is handed on", horse_frozen),
    Fault("worker", "kill -9 of the worker", worker_killed),
    Fault(
        "worker-looking", "kill -9 of the worker while it looks at the provider's job", worker_killed_while_looking,
        (Method.OPENAI,), waits_first=True,
    ),
    Fault("redis", "kill -9 of Redis, its append-only file kept", _service_killed("redis")),
    Fault("redis-lost", "kill -9 of Redis, its append-only file deleted", redis_lost),
    Fault("web", "kill -9 of the web process", _service_killed("web")),
    Fault("scheduler", "kill -9 of the scheduler", _service_killed("scheduler")),
    Fault("database", f"the database away for {OUTAGE_SECONDS:.0f} s (SQLite: locked; PostgreSQL: cut)", database_away),
    Fault("disk", f"the disk full for {OUTAGE_SECONDS:.0f} s (VAR_DIR is a tmpfs of its own)", disk_full),
    Fault("provider-hung", f"the provider stopped (SIGSTOP) for {OUTAGE_SECONDS:.0f} s", provider_hung, AT_THE_PROVIDER),
    Fault("provider-killed", "kill -9 of the provider, started again", provider_killed, AT_THE_PROVIDER),
    Fault(
        "provider-errors", "429, 500, and a job made without an answer (500)", nothing, AT_THE_PROVIDER,
        {"rate_limited": 2, "server_errors": 1, "create_then_500": 1}, waits_first=True,
    ),
    Fault("clock-ahead", "the platform's clock (timezone.now) jumps an hour ahead", _clock_jumps(HOUR)),
    Fault("clock-back", "the platform's clock (timezone.now) jumps an hour back", _clock_jumps(-HOUR)),
    Fault("schedulers", "a second scheduler beside the first, until all is over", hosts.two_schedulers),
    Fault("migration", f"the table of runs made anew and locked for {hosts.MIGRATION_SECONDS} s", hosts.migration),
    Fault("host", "kill -9 of every process at once, and a new start", hosts.host_lost),
    Fault("restore", "a backup from the middle of the run put back after its end", hosts.older_restore),
)  # fmt: skip
CONTROL = Fault("none", "nothing is broken", nothing)
