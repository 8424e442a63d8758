"""Faults of a whole platform: its host is lost, its database goes back in time, changes its tables, or has two clocks."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection, connections

from tests.chaos import processes
from tests.chaos.processes import wait_for
from tests.chaos.provider import ROOT
from tests.chaos.scene import Scene

MIGRATION_SECONDS = 9  # longer than a lease (6) and than the database's patience (3)


@contextlib.contextmanager
def host_lost(scene: Scene) -> Iterator[None]:
    """Every process of the platform dies in the same moment, as when the power fails; then the host starts again."""
    scene.platform.lose_everything()
    yield
    scene.platform.start()
    scene.look_again()


@contextlib.contextmanager
def two_schedulers(scene: Scene) -> Iterator[None]:
    """A second one, from launch's moment until every run has ended."""
    command = [sys.executable, "manage.py", "schedule"]
    second = subprocess.Popen(command, cwd=ROOT, env=scene.platform.seen_inside)
    try:
        yield
        scene.wait_for_the_end()
        assert second.poll() is None, "the second scheduler did not stay"
    finally:
        second.kill()
        second.wait()


@contextlib.contextmanager
def migration(scene: Scene) -> Iterator[None]:
    """The table of runs is made anew while they run, and stays locked for longer than a lease."""
    marker = scene.platform.output.with_name("migrating")
    later = {"CHAOS_LATER": "1", "CHAOS_HOLD": f"{marker}:{MIGRATION_SECONDS}"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "later"]
    environment = scene.platform.seen_inside | later
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    wait_for(lambda: marker.exists() or process.poll() is not None, "the migration does not begin")
    yield
    if process.wait() != 0:
        raise processes.Stuck("the migration failed; what it says is above")
    marker.unlink()
    subprocess.run([*command, "zero"], cwd=ROOT, env=environment, check=True)


@contextlib.contextmanager
def older_restore(scene: Scene) -> Iterator[None]:
    """A backup from the middle of the runs is put back after they have ended: the provider knows more than the database."""
    backup = scene.platform.output.with_name("backup")
    _back_up(backup)
    yield
    scene.wait_for_the_end()
    if code := scene.platform.stop():
        raise processes.Stuck(f"the platform stopped with {code}")
    connections.close_all()
    _restore(backup)
    scene.platform.start()
    scene.look_again()


def _back_up(path: Path) -> None:
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(_database())) as now, contextlib.closing(sqlite3.connect(path)) as kept:
            now.backup(kept)
        return
    subprocess.run([_postgres("pg_dump"), "-Fc", "-f", str(path), os.environ["DATABASE_URL"]], check=True)


def _restore(path: Path) -> None:
    if connection.vendor == "sqlite":
        for end in ("-wal", "-shm"):
            Path(f"{_database()}{end}").unlink(missing_ok=True)
        shutil.copyfile(path, _database())
        return
    command = [_postgres("pg_restore"), "--clean", "--if-exists", "-d", os.environ["DATABASE_URL"], str(path)]
    subprocess.run(command, check=True)


def _database() -> Path:
    return Path(str(settings.DATABASES["default"]["NAME"]))


def _postgres(program: str) -> str:
    """Of the newest PostgreSQL on this machine: the one that tests/postgres.sh starts."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else program
