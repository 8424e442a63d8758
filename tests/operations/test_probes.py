"""Probes: what load balancers and Prometheus may ask, and what strangers learn from it."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from courseplatform.handler import Handler
from courseplatform.operations import facts, measured, readiness
from teams.models import LedgerEntry
from tests.evaluation.conftest import make_run
from training.models import RunStatus, TrainingRun
from training.services import versions

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "course-platform.json"


@pytest.fixture
def ready(db, settings, redis_server, tmp_path):
    """A process that has just begun, with everything that it needs."""
    readiness.forget()
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "site.1.css").write_text("p{}")
    manifest = settings.STATIC_ROOT / readiness.MANIFEST
    manifest.write_text(json.dumps({"paths": {"site.css": "site.1.css"}}))
    return settings


def away(*args, **kwargs):
    raise OperationalError("could not connect to course:password@db.internal")


def test_ready_with_everything_there(ready, client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert answer["X-Request-ID"]


def break_static(settings, monkeypatch):
    (settings.STATIC_ROOT / "site.1.css").unlink()


def break_manifest(settings, monkeypatch):
    (settings.STATIC_ROOT / readiness.MANIFEST).unlink()


def break_redis(settings, monkeypatch):
    settings.REDIS_URL = "redis://:verysecretpassword@127.0.0.1:9/0"


def break_storage(settings, monkeypatch):
    settings.VAR_DIR = settings.VAR_DIR / "is" / "not" / "there"


def break_migrations(settings, monkeypatch):
    monkeypatch.setattr(readiness, "missing_migrations", lambda: ["teams.0999_later"])


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (break_static, "static"),
        (break_manifest, "static"),
        (break_redis, "redis"),
        (break_storage, "storage"),
        (break_migrations, "migrations"),
    ],
)
def test_what_is_not_ready_is_named_and_why_is_told_only_with_the_token(ready, client, monkeypatch, broken, name):
    broken(ready, monkeypatch)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "not_ready": [name]})
    told = client.get("/readyz", headers={"Authorization": f"Bearer {ready.SERVICE_TOKEN}"}).json()
    assert len(told["why"][name]) > 30
    assert "verysecretpassword" not in json.dumps(told)
    assert client.get(f"/readyz?exclude={name}").status_code == 200
    assert client.get("/healthz").status_code == 200, "pages work, and the older probe says so"
    assert client.get("/livez").content == b"ok\n"


def test_what_was_good_is_not_read_again_for_each_probe_and_what_was_not_is(ready, client, monkeypatch):
    asked = []

    def migrations():
        asked.append("migrations")
        return ["teams.0999_later"] if len(asked) < 2 else []

    monkeypatch.setattr(readiness, "missing_migrations", migrations)
    assert client.get("/readyz").json()["not_ready"] == ["migrations"]
    for _ in range(3):
        assert client.get("/readyz").status_code == 200
    assert len(asked) == 2, "the bad answer was asked again, the good one holds"
    (ready.STATIC_ROOT / readiness.MANIFEST).unlink()
    assert client.get("/readyz").status_code == 200, "its manifest is in memory since it began"
    assert [one.name for one in readiness.ask() if not one.ready] == ["static"], "a person who asks gets a fresh answer"
    readiness.forget()


def test_without_a_database_the_process_lives_and_is_not_ready(ready, client, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", away)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["not_ready"] == ["database", "migrations"]
    assert b"password" not in answer.content
    assert client.get("/livez").status_code == 200


async def test_a_process_lives_also_while_every_thread_waits_for_the_database(monkeypatch):
    async def nothing() -> None:
        pass

    application = Handler(on_start=nothing, on_stop=nothing)
    monkeypatch.setattr(application, "_hear", lambda *_: pytest.fail("a thread was asked"))
    sent = []

    async def send(message):
        sent.append(message)

    await asyncio.wait_for(application({"type": "http", "path": "/livez"}, None, send), 5)
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"ok\n")
    application.close()


def test_real_migrations_are_looked_at(db):
    assert readiness.missing_migrations() == [] == versions.unknown_migrations()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app='evaluation'")
        cursor.execute(
            "INSERT INTO django_migrations(app, name, applied) VALUES ('teams', '0999_later', '2026-01-01 00:00:00Z')"
        )
    assert all(name.startswith("evaluation.") for name in readiness.missing_migrations())
    assert versions.unknown_migrations() == ["teams.0999_later"]
    answer = readiness.migrations()
    assert "are not applied" in answer.trouble
    assert "manage.py migrate" in answer.fix


def test_metrics_are_for_nobody_by_default(db, client, settings):
    settings.METRICS_ALLOWED = []
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}):
        assert client.get("/metrics", headers=headers).status_code == 403
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    sent = {"Authorization": "Bearer a-token-for-prometheus"}
    assert client.get("/metrics", headers=sent).status_code == 200


def test_an_address_is_allowed_only_where_it_is_the_askers_own(db, client, settings):
    settings.METRICS_ALLOWED = ["10.2.0.0/16", "127.0.0.1", "nonsense"]
    assert client.get("/metrics", REMOTE_ADDR="10.2.3.4").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="10.3.3.4").status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 403
    behind = {"X-Forwarded-For": "203.0.113.9"}
    untrusted = client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers=behind)
    assert untrusted.status_code == 403, "a proxy on this machine that nobody named"
    for known, told in (("10.2.3.4", 200), ("10.2.3.4, 10.2.0.1", 200)):
        answer = client.get("/metrics", REMOTE_ADDR="10.2.3.4", headers={"X-Forwarded-For": known})
        assert answer.status_code == told


def samples() -> dict[str, list[tuple[dict, float]]]:
    from prometheus_client import generate_latest

    found: dict[str, list[tuple[dict, float]]] = {}
    for family in text_string_to_metric_families(generate_latest(measured.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_metrics_tell_runs_leases_holds_tokens_and_queues(team, member, redis_server):
    run = make_run(team)
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.QUEUED)
    run.claim()
    told = samples()
    assert {labels["state"]: value for labels, value in told["course_runs"]}["running"] == 1
    assert ({"state": "fresh"}, 1.0) in told["course_leases"]
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ({"state": "expired"}, 1.0) in samples()["course_leases"]
    assert told["course_database_up"] == told["course_redis_up"] == [({}, 1.0)]
    queues = {labels["queue"] for labels, _ in told["course_queue_length"]}
    assert queues == {"training", "quick", "interviews", "files"}


def test_tokens_are_added_up_once(team, member):
    counted = facts.Tokens()
    before = counted.sums()
    LedgerEntry.objects.create(
        account=team.account,
        key="x",
        delta=2,
        before=0,
        after=2,
        price_note="",
        confidence="exact",
        input_tokens=40,
        output_tokens=2,
    )
    assert LedgerEntry.objects.count() == 1
    after = counted.sums()
    assert after["input"] - before["input"] == 40
    assert counted.sums() == after == facts.Tokens().sums()


def test_metrics_answer_without_database_and_redis(db, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr("courseplatform.operations.facts._runs", away)
    told = samples()
    assert told["course_database_up"] == told["course_redis_up"] == [({}, 0.0)]


def test_no_label_holds_what_people_write_and_addresses_add_none(client, team, member, client_for, redis_server):
    browser = client_for(member)

    def look(number: int) -> list[dict]:
        """All labels of requests once both addresses were asked for."""
        browser.get(f"/teams/{team.pk}/runs/{number}/")
        assert client.get(f"/nowhere/{number}").status_code == 404
        return [labels for labels, _ in samples()["course_http_requests_total"]]

    first = look(0)
    assert [look(number) for number in range(1, 6)] == [first] * 5, "no address adds one"
    text = str(samples())
    assert member.name not in text
    assert member.email not in text
    assert team.name not in text
    assert not [one for one in first if re.search(r"\d", one["view"])]
    assert first.count({"view": "none", "status": "4xx"}) == 1
    assert all(re.fullmatch("[1-5]xx", one["status"]) for one in first), "so none is for one address"


def test_the_dashboard_asks_only_for_metrics_that_are_there(team, redis_server, client):
    client.get("/livez")
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:course|process|up)(?:_[a-z_]+)?\b(?=[\[{ )]|$)", target["expr"])
    }
    known = set(samples()) | {"up"}
    families = set(_families())
    assert len(asked) > 20
    assert asked - known - families == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def _families() -> set[str]:
    """With those that have no sample just now."""
    from prometheus_client import generate_latest

    text = generate_latest(measured.registry).decode()
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
