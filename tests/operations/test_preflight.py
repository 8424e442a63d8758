"""`manage.py preflight` and the page Operations: one line a check, with what to do."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from courseplatform.operations import preflight, readiness
from teams import presence
from teams.models import MailKind, MailState, OutgoingMail
from tests import factories


def told(**options) -> str:
    out = StringIO()
    call_command("preflight", stdout=out, **options)
    return out.getvalue()


def line(name: str, text: str) -> str:
    return next(one for one in text.splitlines() if one.split()[1].rstrip(":") == name)


@pytest.fixture(autouse=True)
def collected(settings, tmp_path):
    (tmp_path / readiness.MANIFEST).write_text('{"paths": {}}')


@pytest.fixture
def staff(db):
    person = factories.make_person("Sam Staff", "staff@example.edu")
    person.is_staff = True
    person.save()
    return person


def test_one_line_a_check_and_ends_well_where_all_is_there(db, redis_server):
    text = told()
    for name in ("database", "redis", "migrations", "static", "storage", "version"):
        assert line(name, text) == f"ok    {name}"
    assert "start --only training" in line("processes", text)


def test_what_must_be_fixed_is_said_with_how_and_ends_with_an_error(db, redis_server, monkeypatch):
    monkeypatch.setattr(readiness, "missing_migrations", lambda: ["teams.0999_later"])
    out = StringIO()
    with pytest.raises(CommandError, match="1 of"):
        call_command("preflight", stdout=out)
    assert line("migrations", out.getvalue()).startswith(
        "FAIL  migrations: 1 migrations are not applied: teams.0999_later."
    )
    assert "manage.py migrate" in out.getvalue()


def test_workers_of_another_version_are_named(db, redis_server, settings):
    for queue in ("training", "quick", "interviews", "files"):
        me = presence.mine("worker", since=1.0, does=[queue])
        presence.tell(presence.Process(**{**me.__dict__, "pid": hash(queue) % 1000}))
    assert line("processes", told()) == "ok    processes"
    presence.tell(presence.Process("worker", "gpu-b", 7, "0.1.0", 1.0, ["training"]))
    said = line("processes", told())
    assert said.startswith("warn")
    assert "worker on gpu-b: 0.1.0" in said


def test_for_programs_the_same_as_json(db, redis_server):
    found = json.loads(told(json=True))
    assert {one["state"] for one in found} <= {"ok", "warn"}
    assert {"check", "state", "trouble", "fix"} == set(found[0])


def test_a_database_of_a_newer_version_is_refused(db, redis_server, monkeypatch):
    monkeypatch.setattr("training.services.versions.unknown_migrations", lambda: ["teams.0999_later"])
    with pytest.raises(CommandError):
        told()
    assert preflight._code().word == "FAIL"


def test_the_page_shows_processes_versions_and_mail_that_can_be_sent_again(client_for, staff, redis_server):
    presence.tell(presence.Process("worker", "gpu-b", 7, "0.1.0", 1.0, ["training"], ["a100"], "outdated"))
    failed = [
        OutgoingMail.objects.create(
            kind=MailKind.NOTICE, address=f"{who}@example.edu", state=MailState.FAILED, error="550 no such box"
        )
        for who in ("ana", "ben")
    ]
    browser = client_for(staff)
    page = browser.get("/operations/").content.decode()
    for shown in ("gpu-b", "0.1.0", "another version", "start it again", "a100", "ana@example.edu", "550 no such box"):
        assert shown in page
    browser.post("/operations/", {"mail": failed[0].pk})
    states = dict(OutgoingMail.objects.values_list("address", "error"))
    assert states["ben@example.edu"] == "550 no such box"
    assert OutgoingMail.objects.get(address="ana@example.edu").state != MailState.FAILED
    browser.post("/operations/")
    assert not OutgoingMail.objects.filter(state=MailState.FAILED).exists()
    assert browser.post("/operations/", {"mail": "9" * 6}).status_code == 302


def test_the_page_comes_without_redis(client_for, staff, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert b"Redis does not answer" in client_for(staff).get("/operations/").content
