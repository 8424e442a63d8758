"""Two hosts in earnest: worker processes with scratch folders and names of their own; database, queue and storage are shared.

The first one is killed in the middle of a run. The other one goes on from the stored checkpoint, and the team pays once.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.test_workers import WORLD, Platform, migrated, wait_for  # noqa: F401

KIND = '"stub": kind'
WITH_CHECKPOINTS = WORLD.replace(KIND, '"stub": kind, "stub_checkpoint": 1')
SHOW = """
import django
django.setup()
from teams.models import LedgerEntry
from training.models import Host, TrainingRun
run = TrainingRun.objects.get()
begun = list(run.events.filter(kind="started").values_list("data__from_step", flat=True))
hosts = ",".join(Host.objects.order_by("name").values_list("name", flat=True))
print(run.status, run.host or "-", LedgerEntry.objects.count(), begun, run.artifacts.count(), hosts or "-", sep="|")
"""
STORED = """
import django
django.setup()
from teams.models import StoredFile
print(StoredFile.objects.filter(name__startswith="checkpoint/").count())
"""


class Hosts(Platform):
    """As `Platform`, with a folder for each host, and one that they share for what is stored."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        super().__init__(folder, redis_url)
        self.environment |= {"STORAGE_URL": f"file://{folder / 'storage'}", "STORAGE_CHECKPOINT_SECONDS": "0"}

    def on(self, name: str) -> None:
        """What is started next is started on this host."""
        (self.folder / name).mkdir(exist_ok=True)
        self.environment |= {"HOST_NAME": name, "VAR_DIR": str(self.folder / name)}


@pytest.fixture
def hosts(tmp_path: Path, redis_server: str, migrated: Path) -> Iterator[Hosts]:  # noqa: F811
    (tmp_path / "db.sqlite3").write_bytes(migrated.read_bytes())
    made = Hosts(tmp_path, redis_server)
    yield made
    made.stop()


def kill_host(worker: "subprocess.Popen[bytes]") -> None:
    """Its worker dies without a word, and with it the job that it forked (`training.tether`)."""
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()


def test_a_killed_hosts_run_goes_on_at_another_from_its_stored_checkpoint_with_one_charge(hosts: Hosts) -> None:
    hosts.on("web")
    hosts.ask(WITH_CHECKPOINTS, "waits once")
    hosts.on("gpu-a")
    first = hosts.worker()
    wait_for(lambda: hosts.ask(STORED) != "0", "no checkpoint was stored")
    kill_host(first)
    assert hosts.ask(SHOW).split("|")[:2] == ["running", "gpu-a"]
    hosts.on("gpu-b")
    hosts.worker()
    hosts.manage("schedule")
    wait_for(lambda: hosts.ask(SHOW).startswith("succeeded"), "nobody went on with the run")
    status, host, charges, begun, artefacts, beaten = hosts.ask(SHOW).split("|")
    assert (status, host, charges) == ("succeeded", "gpu-b", "1")
    assert begun in ("[0, 1]", "[0, 2]"), "it went on from what the first host had stored, not from the start"
    assert int(artefacts) == 2 and set(beaten.split(",")) >= {"gpu-a", "gpu-b"}
    assert not list((hosts.folder / "gpu-a").rglob("result.json"))
