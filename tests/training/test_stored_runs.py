"""Runs whose files are in a storage: begun on one host and finished on another, and what happens while the storage is away."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from courseplatform import archive
from teams.models import FileTrouble, LedgerEntry, StoredFile, Team, User
from teams.services.archive_exports import ExportRefused
from teams.services.storage import files, shelves
from tests.storage import kinds
from tests.training.conftest import Launch
from training import jobs
from training.models import RunStatus, TrainingRun
from training.services import bundle, execute, finish, run_storage
from training.services.cancel import stop_and_keep

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "stub_engines")]
Host = Callable[[str], None]


@pytest.fixture
def host(settings: Any, tmp_path: Path) -> Host:
    """Go to this host: scratch folders of its own, the same database, queue and storage."""

    def go(name: str) -> None:
        settings.HOST_NAME, settings.VAR_DIR = name, tmp_path / name
        settings.RUNS_ROOT = settings.VAR_DIR / "runs"
        settings.RUNS_ROOT.mkdir(parents=True, exist_ok=True)

    return go


@pytest.fixture(autouse=True)
def no_pauses(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STORAGE_PATIENCE_SECONDS = settings.STORAGE_CHECKPOINT_SECONDS = 0
    monkeypatch.setattr(execute, "STORAGE_PAUSE_SECONDS", 0.0)


def work(run: TrainingRun) -> TrainingRun:
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def started_at(run: TrainingRun) -> list[int]:
    return list(run.events.filter(kind="started").values_list("data__from_step", flat=True))


def storage_goes_away(monkeypatch: pytest.MonkeyPatch, *doing: str) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route to the storage")

    for name in doing or ("_save", "open", "delete", "exists"):
        monkeypatch.setattr(f"django.core.files.storage.InMemoryStorage.{name}", refuse)


def test_a_run_goes_on_at_another_host_from_its_stored_checkpoint_with_one_charge(
    kept_on: str,
    host: Host,
    start: Launch,
    team: Team,
) -> None:
    host("gpu-a")
    run = work(start(settings={"stub": "dies at the end", "stub_checkpoint": 2}))
    assert (run.status, run.host) == (RunStatus.QUEUED, "gpu-a")
    host("gpu-b")
    assert not run.folder.exists()
    run = work(run)
    assert (run.status, run.host) == (RunStatus.SUCCEEDED, "gpu-b")
    assert started_at(run) == [0, 4], "the second host began where the first one's checkpoint was"
    assert LedgerEntry.objects.filter(purpose__key=run.key).count() == 1
    host("web")
    with files.opened(run.place, "adapter/adapter_config.json") as file:
        assert file.read() == b"made by the stub"
    assert not StoredFile.objects.of(run.place).filter(name__startswith="checkpoint").exists()


def test_the_host_that_has_a_newer_checkpoint_than_the_stored_one_uses_its_own(
    host: Host,
    start: Launch,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds.use_memory(settings)
    host("gpu-a")
    run = start(settings={"stub": "dies at the end", "stub_checkpoint": 2})
    with monkeypatch.context() as away:
        storage_goes_away(away)
        run = work(run)
    assert run.status == RunStatus.QUEUED and not StoredFile.objects.of(run.place).exists()
    assert started_at(work(run)) == [0, 4]
    assert run.status == RunStatus.SUCCEEDED


def test_a_storage_that_is_away_at_a_runs_end_costs_no_work_and_no_second_charge(
    host: Host,
    start: Launch,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds.use_memory(settings)
    host("gpu-a")
    run = start()
    with monkeypatch.context() as away:
        storage_goes_away(away)
        for _ in range(5):  # more often than a run may fail
            run = work(run)
            assert (run.status, run.attempt) == (RunStatus.QUEUED, 0)
            assert not LedgerEntry.objects.filter(purpose__key=run.key).exists()
            assert not run.artifacts.exists(), "no row before its file"
    told = [note["message"] for note in run.events.filter(kind="note").values_list("data", flat=True)]
    assert finish.STORAGE_IS_AWAY in told
    run = work(run)
    assert run.status == RunStatus.SUCCEEDED and (run.folder / "attempts").read_text() == "1", "trained once"
    assert LedgerEntry.objects.filter(purpose__key=run.key).count() == 1
    assert run.work["tokens"] == 400 and run.training_tokens == 400


def test_a_storage_that_is_away_when_a_run_goes_on_costs_it_no_attempt(
    host: Host, start: Launch, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds.use_memory(settings)
    host("gpu-a")
    run = work(start(settings={"stub": "dies at the end", "stub_checkpoint": 2}))
    host("gpu-b")
    with monkeypatch.context() as away:
        storage_goes_away(away)
        for _ in range(5):
            run = work(run)
            assert (run.status, run.attempt) == (RunStatus.QUEUED, 1)
    run = work(run)
    assert run.status == RunStatus.SUCCEEDED and started_at(run) == [0, 4]


def test_whoever_lost_the_lease_stores_nothing_under_the_run(
    host: Host,
    start: Launch,
    settings: Any,
) -> None:
    kinds.use_memory(settings)
    host("gpu-a")
    run = start()
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").write_text("{}")
    assert run.claim() is not None
    assert run_storage.keep_artifacts(run, "another-lease") == []
    assert not StoredFile.objects.of(run.place).exists()
    files.destroy_doomed()
    assert not list(shelves.shelf(settings.STORAGE_SHELF).listed()), "nor does it leave anything there"


def test_stop_and_keep_is_asked_at_any_host(host: Host, start: Launch, member: User) -> None:
    host("gpu-a")
    run = start()
    lease = run.claim()
    assert lease is not None
    host("web")
    stop_and_keep(run=run, person=member)
    assert not run.folder.exists()
    host("gpu-a")
    run.folder.mkdir(parents=True)
    assert not execute._is_cancelled(run, lease)
    assert (run.folder / "stop_and_keep").exists()


def finished(start: Launch, host: Host) -> TrainingRun:
    host("gpu-a")
    run = work(start())
    assert run.status == RunStatus.SUCCEEDED
    host("web")
    return run


def page(client: Client, run: TrainingRun, name: str) -> Any:
    return client.get(reverse("run_file", args=[run.team_id, run.number, name]))


def test_a_file_is_downloaded_from_a_host_that_never_had_it(
    kept_on: str,
    host: Host,
    start: Launch,
    member: User,
    client_for: Callable[..., Client],
) -> None:
    run = finished(start, host)
    name = "adapter/adapter_config.json"
    answer = page(client_for(member), run, name)
    assert answer.status_code == 200 and answer["Content-Disposition"].startswith("attachment")
    assert b"made by the stub" in b"".join(answer.streaming_content)


def lose(run: TrainingRun, name: str) -> StoredFile:
    one = files.found(run.place, name)
    assert one is not None
    shelves.shelf(one.shelf).delete(one.key)
    return one


def test_a_lost_file_is_nobodys_fault_and_is_seen_by_the_operator(
    kept_on: str,
    host: Host,
    start: Launch,
    member: User,
    instructor: User,
    client_for: Callable[..., Client],
) -> None:
    run = finished(start, host)
    name = "adapter/adapter_config.json"
    one = lose(run, name)
    answer = page(client_for(member), run, name)
    assert answer.status_code == 503
    said = answer.content.decode()
    assert "Storage cannot give this file now" in said and "nothing is wrong with what you or your team did" in said
    one.refresh_from_db()
    assert one.trouble == FileTrouble.MISSING
    queue = client_for(instructor).get(reverse("course_queue", args=[run.team.course_id])).content.decode()
    assert "Storage cannot give" in queue and "no fault" in queue


@pytest.mark.parametrize("altered", [False, True])
def test_an_archive_that_would_lack_a_file_is_refused_with_its_name(
    kept_on: str,
    host: Host,
    start: Launch,
    altered: bool,
    tmp_path: Path,
) -> None:
    run = finished(start, host)
    one = lose(run, "result.json")
    if altered:
        other = tmp_path / "other"
        other.write_bytes(b"{" + b" " * (one.size - 2) + b"}")
        shelves.shelf(one.shelf).put(one.key, other)
    for write in (lambda: archive.write(run.team.course, BytesIO()), lambda: bundle.write_bundle(run)):
        with pytest.raises(ExportRefused, match=r"result\.json cannot be given"):
            write()


def test_a_storage_that_is_away_during_an_upload_keeps_nothing_and_says_so(
    settings: Any, member: User, team: Team, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from datasets.models import Import
    from teams.models import DiskUse

    kinds.use_memory(settings)
    storage_goes_away(monkeypatch)
    row = json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi!"}]})
    sent = {"name": "Rows", "file": SimpleUploadedFile("rows.jsonl", row.encode())}
    answer = client_for(member).post(reverse("dataset_new", args=[team.pk]), sent)
    assert answer.status_code == 503 and "This was not kept" in answer.content.decode()
    assert not Import.objects.exists() and not DiskUse.objects.filter(size__gt=0).exists()
