"""Files too big to check while a person waits: the files worker reads them, and nothing depends on it being quick."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import django_rq
import pytest
from django.test import Client
from django.utils import timezone
from rq import SimpleWorker

from datasets.models import DatasetVersion, Import, ImportStatus
from datasets.services import imports, measure
from datasets.services.privacy import cloud_refusal
from tests.datasets.conftest import jsonl, question

Upload = Callable[..., Import]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a few rows count as a big file."""
    monkeypatch.setattr(imports, "INLINE_BYTES", 100)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    yield


def work() -> None:
    queue = django_rq.get_queue("files")
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps", "redis_server")
def test_a_big_file_is_read_and_measured_by_the_worker(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(*map(question, range(1, 21))))
    assert import_.status == ImportStatus.WAITING
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/").content.decode()
    assert "waits for a free worker" in page
    work()
    version = DatasetVersion.objects.get()
    assert version.row_count == 20
    assert version.measured_at is not None
    assert cloud_refusal(version) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps", "redis_server")
def test_the_waiting_page_reloads_itself_when_the_report_is_there(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(*map(question, range(1, 21)), '{"broken": '))
    address = f"/teams/{import_.team_id}/datasets/imports/{import_.key}/"
    headers = {"HX-Request": "true", "HX-Target": "progress"}
    waiting = browser.get(address, headers=headers)
    assert "HX-Refresh" not in waiting
    assert waiting.content.decode().strip().startswith('<section class="sheet" id="progress"')
    work()
    assert browser.get(address, headers=headers)["HX-Refresh"] == "true"
    assert "good rows" in browser.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps", "redis_server")
def test_a_check_whose_worker_died_can_be_started_again(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(*map(question, range(1, 21))))
    long_ago = timezone.now() - timedelta(seconds=imports.SILENT_SECONDS + 1)
    Import.objects.filter(pk=import_.pk).update(status=ImportStatus.READING, progress_at=long_ago)
    work()
    assert not DatasetVersion.objects.exists()
    address = f"/teams/{import_.team_id}/datasets/imports/{import_.key}/"
    assert "Check again" in browser.get(address).content.decode()
    browser.post(f"{address}check/")
    work()
    assert DatasetVersion.objects.get().row_count == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps", "redis_server")
def test_an_upload_without_a_queue_is_kept_and_offered_again(upload: Upload, browser: Client, settings: Any) -> None:
    dead = "redis://127.0.0.1:1/0"
    settings.RQ_QUEUES = {name: {**queue, "URL": dead} for name, queue in settings.RQ_QUEUES.items()}
    import_ = upload(jsonl(*map(question, range(1, 21))))
    assert import_.status == ImportStatus.WAITING
    assert import_.file_path.exists()
    long_ago = timezone.now() - timedelta(seconds=imports.SILENT_SECONDS + 1)
    Import.objects.filter(pk=import_.pk).update(progress_at=long_ago)
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/").content.decode()
    assert "Your file is safe" in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps", "redis_server")
def test_a_file_with_problems_waits_for_its_person_after_the_worker(upload: Upload) -> None:
    import_ = upload(jsonl(*map(question, range(1, 21)), '{"broken": '))
    work()
    import_.refresh_from_db()
    assert (import_.status, import_.good_rows, import_.bad_rows) == (ImportStatus.READY, 20, 1)
