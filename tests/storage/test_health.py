"""How storage is, for whoever runs the platform: whether it answers, how fast, what is missing, and what to do next."""

import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from courseplatform.operations import readiness
from teams import places
from teams.models import FileTrouble, StoredFile, User
from teams.services.storage import files, health, shelves
from tests.storage import kinds
from tests.storage.test_shelves import break_it, put

pytestmark = pytest.mark.django_db
Page = Callable[[], str]


@pytest.fixture
def place() -> str:
    return places.of_run("0" * 36)


@pytest.fixture
def page(client_for: Callable[[User | None], Client], operator: User, settings: Any) -> Page:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    return lambda: str(client_for(operator).get("/operations/").content.decode())


def test_a_storage_that_answers_is_said_to_on_each_kind(kept_on: str, place: str, settings: Any) -> None:
    put(place, "a", b"content")
    found = health.report()
    assert (found.away, found.files, found.size, found.well) == ("", 1, 7, True)
    assert found.name == settings.STORAGE_SHELF and found.probe.milliseconds >= 1
    assert "storage verify" in found.next_step, "it was never verified"


def test_a_real_storage_that_refuses_is_named_with_the_next_step_and_no_secret(
    s3: kinds.S3Server, settings: Any, page: Page
) -> None:
    kinds.use(settings, s3.url(secret="not-the-secret"))
    found = health.report()
    assert "does not answer or refuses (ClientError)" in found.away and "STORAGE_URL" in found.next_step
    said = page()
    assert found.away in said and "not-the-secret" not in said


def test_the_page_says_what_refuses_and_what_to_do(settings: Any, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.use(settings, "s3://KEY:verysecret@127.0.0.1:9/bucket?tls=0")
    said = page()
    assert "The storage s3://127.0.0.1:9/bucket does not answer or refuses" in said
    assert "See that the service runs and is reached from this host" in said and "verysecret" not in said
    kinds.use_memory(settings)
    assert "answered in" in page()


def test_what_is_missing_is_listed_from_the_last_verify(place: str, settings: Any, page: Page) -> None:
    kinds.use_memory(settings)
    put(place, "good", b"good")
    bad = put(place, "adapter/bad", b"bad")
    assert "Never verified" in page()
    break_it(bad, None)
    with pytest.raises(CommandError):
        call_command("storage", "verify", stdout=StringIO(), stderr=StringIO())
    said = page()
    assert f"{place}/adapter/bad" in said and FileTrouble.MISSING.label in said and f"{place}/good" not in said
    assert "1 as stored," in said and "1 missing or changed" in said and "from a backup of the storage" in said
    break_it(bad, b"bad")
    call_command("storage", "verify", stdout=StringIO())
    said = page()
    assert "adapter/bad" not in said and "2 as stored," in said and "0 missing or changed" in said
    assert health.report().next_step == ""


def test_what_waits_to_be_destroyed_is_counted(place: str, settings: Any, page: Page) -> None:
    kinds.use_memory(settings)
    put(place, "a", b"content")
    files.forget_rows(place)
    assert StoredFile.objects.exclude(doomed_at=None).count() == 1
    assert "1 deleted file to be destroyed" in page()


@pytest.fixture
def hanging(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A disk of the network that never answers, until the test is over."""
    kinds.use_memory(settings, name="hanging")
    over, asked = threading.Event(), [0]

    def hang(_: shelves.Shelf) -> None:
        asked[0] += 1
        over.wait()

    monkeypatch.setattr(shelves.Shelf, "probe", hang)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    yield asked
    over.set()
    health._asking.pop("memory://hanging").thread.join()


def test_a_storage_that_hangs_is_waited_for_shortly_and_asked_by_one_thread_only(hanging: list[int]) -> None:
    for _ in range(5):
        assert "has not answered for" in readiness.storage().trouble
    assert hanging == [1]


def test_a_folder_that_cannot_be_written_is_away(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.use(settings, f"file://{tmp_path}")
    assert health.away() == ""
    monkeypatch.setattr("teams.services.storage.shelves.os.access", lambda *_: False)  # tests may run as root
    found = health.probe()
    assert "refuses (PermissionError)" in found.trouble and "mounted" in found.fix


def test_the_probes_own_client_gives_up_within_seconds(settings: Any) -> None:
    kinds.use(settings, "s3://KEY:SECRET@127.0.0.1:9/bucket?tls=0")
    to: Any = shelves.current()
    config = to.storage.probing_client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 2)
    assert config.retries["total_max_attempts"] == 1
    assert to.storage.client.meta.config.read_timeout == 60, "a download may wait longer"
