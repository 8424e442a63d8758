"""One host of several: `manage.py start --only`, what its processes tell of themselves, and how they end."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from courseplatform import machine, serve
from courseplatform.host_start import HostStart
from teams import live, presence
from tests.evaluation.conftest import make_run
from training.models import MOST_ATTEMPTS, RunStatus, TrainingRun
from training.services import bringing, finish, versions

PORTS = machine.Ports(8000, 0, 8301, 8302)


@pytest.fixture
def named(monkeypatch):
    for name in machine.NEEDED:
        monkeypatch.setenv(name, "set-by-a-test")


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ({"web"}, ["web"]),
        ({"training"}, ["worker-training", "lora-warm"]),
        ({"quick", "schedule"}, ["worker-quick", "worker-interviews", "worker-files", "scheduler"]),
        ({"models"}, ["model-server", "program-server"]),
    ],
)
def test_a_part_means_its_processes_and_no_redis(named, parts, names):
    chosen = machine.services_of(parts, PORTS, machine.environment_of_a_host([]), bind="10.77.0.10")
    assert {one.name for one in chosen} == set(names)
    assert not any(one.vital for one in chosen)
    listening = [one for one in chosen if "--host" in one.command]
    assert all(one.command[one.command.index("--host") + 1] == "10.77.0.10" for one in listening)


@pytest.mark.parametrize("stored", [True, False])
def test_every_process_but_redis_belongs_to_one_part(stored, monkeypatch):
    """Files are brought only where they are in a storage."""
    monkeypatch.setattr(bringing, "socket_path", lambda: Path("/run/files.sock") if stored else None)
    parts = [name for names in machine.PARTS.values() for name in names]
    everything = [one.name for one in machine.services(PORTS, machine.environment(PORTS)) if one.name != "redis"]
    assert sorted(parts) == sorted(everything if stored else [*everything, "bring-files"])


def test_a_hosts_environment_makes_up_no_address_and_no_secret(monkeypatch):
    for name in (*machine.NEEDED, "ALLOWED_HOSTS", "HTTPS", "SITE_URL", "EMAIL_URL", "DRAIN_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    env = machine.environment_of_a_host(["gpu1", "a100"])
    made_up = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "HTTPS", "SITE_URL", "EMAIL_URL"}
    assert not made_up & set(env)
    assert (env["HOST_LABELS"], env["DRAIN_SECONDS"]) == ("gpu1,a100", "60")


def test_a_host_says_what_it_needs_before_it_starts_anything(monkeypatch):
    for name in machine.NEEDED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CommandError) as refused:
        HostStart(print)._check({"training"})
    for name in machine.NEEDED:
        assert name in str(refused.value)


def test_a_host_does_not_start_on_a_database_that_is_not_migrated(named, db, redis_server, monkeypatch):
    monkeypatch.setattr("courseplatform.operations.readiness.missing_migrations", lambda: ["teams.0999_later"])
    with pytest.raises(CommandError, match=r"teams.0999_later.*manage.py migrate"):
        HostStart(print)._check({"training"})


def test_labels_are_for_one_host_of_several(settings):
    with pytest.raises(CommandError, match="add --only"):
        call_command("start", "--label", "gpu1")


def test_processes_tell_their_version_and_are_forgotten(redis_server, settings):
    settings.HOST_LABELS = ["gpu1"]
    me = presence.mine("worker", since=1.0, does=["training"])
    assert presence.tell(me)
    presence._client().set("process:later:form", json.dumps({"a": "later form"}))
    presence._client().set("process:no:json", "{")
    assert presence.processes() == [me]
    assert (me.version, me.labels) == (settings.VERSION, ["gpu1"])
    assert 0 < presence._client().ttl(me.key) <= presence.KNOWN_SECONDS
    presence.leave(me)
    assert presence.processes() == []


def test_without_redis_nobody_is_seen_and_nothing_breaks(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    me = presence.mine("web", since=1.0)
    assert not presence.tell(me)
    presence.leave(me)


async def test_a_web_process_that_is_asked_to_end_says_so_once(monkeypatch):
    told = []

    async def leave_soon():
        told.append(1)

    monkeypatch.setattr("courseplatform.operations.web_process.leave_soon", leave_soon)
    server = serve.Server(serve.configuration("127.0.0.1", 0))
    server.loop = asyncio.get_running_loop()
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGTERM, None)
    while not told:  # noqa: ASYNC110  (told by a task of the same loop)
        await asyncio.sleep(0)
    assert server.should_exit
    assert told == [1]


async def test_streams_end_when_their_process_leaves(settings, redis_server):
    async def snapshot():
        return [("whole", "so far")]

    frames = live._events("run-1", "0", snapshot)
    assert "so far" in await anext(frames)
    going_on = asyncio.create_task(anext(frames, None))
    await asyncio.sleep(0.05)
    live.send_everybody_on()
    assert await asyncio.wait_for(going_on, 30) is None
    live.hub().task.cancel()
    await asyncio.gather(live.hub().task, return_exceptions=True)


def test_a_host_taken_out_of_service_is_no_failure_of_the_run(team, member, redis_server):
    run = make_run(team)
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.QUEUED)
    run.refresh_from_db()
    for _ in range(MOST_ATTEMPTS + 2):
        lease = run.claim()
        assert lease
        finish.requeue_or_fail(run, lease, "its worker was asked to end.", planned=True)
        run.refresh_from_db()
        assert run.status == RunStatus.QUEUED
    for left in reversed(range(MOST_ATTEMPTS)):
        lease = run.claim()
        assert lease
        finish.requeue_or_fail(run, lease, "it died.")
        run.refresh_from_db()
        assert run.status == (RunStatus.QUEUED if left else RunStatus.FAILED)


def test_code_older_than_its_database_knows_it(db, monkeypatch):
    monkeypatch.setattr(versions, "_known", versions._Known())
    assert not versions.outdated()
    monkeypatch.setattr(versions, "_known", versions._Known())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations(app, name, applied) VALUES ('teams', '0999_later', '2026-01-01 00:00:00Z'), "
            "('teams', '0002_squashed_since', '2026-01-01 00:00:00Z'), ('gone', '0999_x', '2026-01-01 00:00:00Z')"
        )
    assert versions.outdated()
    assert versions.unknown_migrations() == ["teams.0999_later"]
