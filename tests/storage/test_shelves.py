"""Keeping files on each kind of storage: what is stored comes back, what is not cannot be given, what is deleted is gone."""

import hashlib
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from courseplatform import redaction, storage_url
from teams import places
from teams.models import FileTrouble, StoredFile
from teams.places import NoPlace
from teams.services.storage import files, moving, shelves
from tests.storage import kinds

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]


@pytest.fixture
def place() -> str:
    return places.of_run(uuid4())


def put(place: str, name: str, content: bytes) -> StoredFile:
    path = places.folder_of(place) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    kept = files.keep(place, name)
    assert kept is not None
    return kept


def another_host(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "other-host"
    settings.RUNS_ROOT = tmp_path / "other-host" / "runs"
    settings.VAR_DIR.mkdir(exist_ok=True)


def read(place: str, name: str) -> bytes:
    with files.opened(place, name) as file:
        return file.read()


def break_it(one: StoredFile, content: bytes | None) -> None:
    """What an accident at the storage does."""
    shelf = shelves.shelf(one.shelf)
    shelf.delete(one.key)
    if content is not None:
        path = places.folder_of(one.place) / "broken"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        shelf.put(one.key, path)
        path.unlink()


def test_a_file_is_read_on_another_host(kept_on: str, place: str, settings: Any, tmp_path: Path) -> None:
    one = put(place, "adapter/weights", b"of this content")
    assert one.sha256 == hashlib.sha256(b"of this content").hexdigest() and one.size == 15
    another_host(settings, tmp_path)
    assert read(place, "adapter/weights") == b"of this content"
    assert not places.folder_of(place).exists(), "reading leaves nothing here"
    assert files.local(place, "adapter/weights").read_bytes() == b"of this content"


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    kept_on: str, place: str, settings: Any, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4096 * 20  # 20 MB: several parts on S3
    put(place, "large", content)
    another_host(settings, tmp_path)
    assert hashlib.sha256(files.local(place, "large").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_a_scratch_copy_that_is_another_one_is_exchanged(kept_on: str, place: str) -> None:
    put(place, "checkpoint/checkpoint.pt", b"step 50")
    path = places.folder_of(place) / "checkpoint" / "checkpoint.pt"
    path.write_bytes(b"step 25")
    files.fetch(place, start="checkpoint/")
    assert path.read_bytes() == b"step 50"


@pytest.mark.parametrize(
    ("content", "trouble"),
    [(None, FileTrouble.MISSING), (b"something else", FileTrouble.ALTERED), (b"of this conten!", FileTrouble.ALTERED)],
)
def test_what_was_taken_or_changed_is_never_given_and_the_operator_sees_it(
    kept_on: str, place: str, content: bytes | None, trouble: str
) -> None:
    one = put(place, "file", b"of this content")
    break_it(one, content)
    (places.folder_of(place) / "file").unlink()
    with pytest.raises(shelves.FileLost) as lost:
        read(place, "file")
    assert "Storage cannot give this file now" in str(lost.value) and place not in str(lost.value)
    with pytest.raises(shelves.FileLost):
        files.local(place, "file")
    assert not (places.folder_of(place) / "file").exists(), "no part of it is taken for whole"
    one.refresh_from_db()
    assert one.trouble == trouble and one.trouble_at is not None


def test_a_copier_never_has_the_end_of_a_changed_file(kept_on: str, place: str) -> None:
    one = put(place, "file", b"a" * 3_000)
    break_it(one, b"b" * 3_000)
    taken = b""
    with pytest.raises(shelves.FileLost), files.opened(place, "file") as file:
        while piece := file.read(1_000):
            taken += piece
    assert len(taken) < 3_000


def test_a_storage_that_is_away_is_told_apart_from_a_lost_file(
    place: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds.use_memory(settings)
    one = put(place, "file", b"content")

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr("django.core.files.storage.InMemoryStorage.open", away)
    with pytest.raises(shelves.StorageAway):
        read(place, "file")
    monkeypatch.setattr("django.core.files.storage.InMemoryStorage._save", away)
    with pytest.raises(shelves.StorageAway):
        put(place, "another", b"other content")
    assert not StoredFile.objects.filter(name="another").exists(), "no row before its file"
    one.refresh_from_db()
    assert one.trouble == ""


def test_what_is_deleted_is_destroyed_and_nobody_elses_with_it(kept_on: str, place: str) -> None:
    other = places.of_import(uuid4())
    mine, theirs = put(place, "a", b"the same"), put(other, "upload", b"the same")
    files.forget(place)
    shelf = shelves.shelf(theirs.shelf)
    assert shelf.size(mine.key) is None and shelf.size(theirs.key) == 8
    assert not StoredFile.objects.filter(place=place).exists()
    assert not places.folder_of(place).exists()


def test_what_cannot_be_destroyed_now_is_destroyed_later(
    place: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds.use_memory(settings)
    one = put(place, "a", b"a child's words")
    with monkeypatch.context() as away:
        away.setattr("django.core.files.storage.InMemoryStorage.delete", _raise)
        files.forget(place)
    assert shelves.shelf(one.shelf).size(one.key) is not None
    with pytest.raises(shelves.FileLost):
        read(place, "a")
    assert files.destroy_doomed() == 1
    assert shelves.shelf(one.shelf).size(one.key) is None and not StoredFile.objects.exists()


def _raise(*_: Any, **__: Any) -> None:
    raise ConnectionError("no route")


def test_a_new_content_takes_the_place_of_the_old(
    kept_on: str, place: str, django_capture_on_commit_callbacks: Commit
) -> None:
    first = put(place, "upload", b"first")
    with django_capture_on_commit_callbacks(execute=True):
        second = put(place, "upload", b"second")
    assert read(place, "upload") == b"second"
    shelf = shelves.shelf(first.shelf)
    assert shelf.size(first.key) is None and shelf.size(second.key) == 6
    with django_capture_on_commit_callbacks(execute=True):
        put(place, "upload", b"first")
    assert read(place, "upload") == b"first"


def test_whoever_lost_the_fence_writes_no_row(kept_on: str, place: str) -> None:
    put(place, "checkpoint", b"of the one who has the lease")
    (places.folder_of(place) / "checkpoint").write_bytes(b"of the one who lost it")
    assert files.keep(place, "checkpoint", fence=lambda: False) is None
    with files.opened(place, "checkpoint") as file:
        assert file.read() == b"of the one who has the lease"


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "a/../../b", "a\\b", "a\x00b"])
def test_a_name_from_a_row_leads_nowhere_else(kept_on: str, place: str, name: str) -> None:
    if "\x00" not in name:
        StoredFile.objects.create(place=place, name=name, sha256="0" * 64, size=1, shelf="")
    with pytest.raises((shelves.FileLost, ValueError)):
        read(place, name)


@pytest.mark.parametrize("wrong", ["../secrets", "runs/..", "runs/a/b", "/etc", "runs/" + "0" * 36 + "/.."])
def test_a_place_from_a_row_leads_nowhere_else(wrong: str) -> None:
    with pytest.raises(NoPlace):
        places.folder_of(wrong)


# --- manage.py storage -------------------------------------------------------------------------------------------------


def test_verify_reads_everything_and_takes_back_what_is_right_again(kept_on: str, place: str) -> None:
    good, bad = put(place, "good", b"good"), put(place, "bad", b"bad")
    break_it(bad, b"BAD")
    with pytest.raises(CommandError, match="1 of 2 stored files"):
        call_command("storage", "verify", stdout=StringIO())
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.trouble, good.trouble) == (FileTrouble.ALTERED, "")
    break_it(bad, b"bad")
    call_command("storage", "verify", stdout=StringIO())
    bad.refresh_from_db()
    assert bad.trouble == ""


def test_prune_removes_what_no_row_names_after_a_while_and_says_so_first(
    kept_on: str, place: str, tmp_path: Path
) -> None:
    one = put(place, "named", b"named")
    shelf = shelves.shelf(one.shelf)
    orphan, foreign = f"{place}/{'0' * 64}", "somebody/else"
    lying = tmp_path / "lying"
    lying.write_bytes(b"orphan")
    for key in (orphan, foreign):
        shelf.put(key, lying)
    assert moving.prune(print, grace=timedelta(hours=1), dry_run=False).done == 0, "it may be about to get its row"
    told: list[str] = []
    counts = moving.prune(told.append, grace=timedelta(seconds=-5), dry_run=True)
    assert counts.done == 1 and orphan in told[0] and shelf.size(orphan) == 6
    moving.prune(told.append, grace=timedelta(seconds=-5), dry_run=False)
    assert shelf.size(orphan) is None and shelf.size(one.key) == 5 and shelf.size(foreign) == 6
    shelf.delete(foreign)


def test_move_goes_both_ways_and_on_where_it_was_broken_off(
    place: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {f"file{number}": b"content %d" % number for number in range(5)}
    for name, content in contents.items():
        put(place, name, content)
    url = f"file://{tmp_path / 'storage'}"
    kinds.use(settings, url)
    puts, put_one = 0, shelves.Shelf.put

    def two_puts(shelf: shelves.Shelf, key: str, path: Path) -> None:
        nonlocal puts
        puts += 1
        if puts > 2:
            raise KeyboardInterrupt
        put_one(shelf, key, path)

    with monkeypatch.context() as broken_off:
        broken_off.setattr(shelves.Shelf, "put", two_puts)
        with pytest.raises(KeyboardInterrupt):
            moving.move(print)
    assert StoredFile.objects.exclude(shelf="").count() == 2
    assert {name: read(place, name) for name in contents} == contents, "while it is half moved"
    assert moving.move(print).done == 3
    another_host(settings, tmp_path)
    assert {name: read(place, name) for name in contents} == contents

    kinds.use_nothing(settings)
    settings.STORAGE_SHELVES = {url: "shelf0"}
    settings.STORAGES = {
        **settings.STORAGES,
        "shelf0": storage_url.read(url).backend,
    }
    assert moving.move(print).done == 5
    assert not StoredFile.objects.exclude(shelf="").exists()
    assert not [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    assert {name: read(place, name) for name in contents} == contents


def test_a_shelf_that_no_setting_names_gives_nothing_and_says_why_in_the_log(
    place: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kinds.use_memory(settings)
    put(place, "file", b"content")
    kinds.use_nothing(settings)
    with pytest.raises(shelves.StorageAway):
        read(place, "file")
    assert "STORAGE_ALSO" in caplog.text


# --- S3 itself ---------------------------------------------------------------------------------------------------------


def test_a_signed_address_is_a_download_for_a_minute_and_shows_no_secret(
    s3: kinds.S3Server, place: str, settings: Any
) -> None:
    kinds.use(settings, s3.url(more="&downloads=signed"))
    one = put(place, "adapter.bin", b"weights")
    address = shelves.shelf(one.shelf).signed(one.key, 'a"\r\nSet-Cookie: x/ü.bin')
    assert address is not None and kinds.SECRET not in address and "X-Amz-Expires=60" in address
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"weights"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert "Set-Cookie" not in answer.headers
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(address.replace(one.sha256, "0" * 64))
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(address.split("?")[0])


def test_a_wrong_secret_is_refused_and_told_as_away(
    s3: kinds.S3Server, place: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kinds.use(settings, s3.url(secret="not-the-secret"))
    with pytest.raises(shelves.StorageAway):
        put(place, "file", b"content")
    assert not StoredFile.objects.exists()
    assert "not-the-secret" not in caplog.text


# --- STORAGE_URL -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "s3://host/bucket",
        "s3://key@host/bucket",
        "s3://key:verysecret@host",
        "s3://key:verysecret@/bucket",
        "s3://key:verysecret@host:port/bucket",
        "s3://key:verysecret@host/bucket?acl=public",
        "s3://key:verysecret@host/bucket?downloads=yes",
        "ftp://key:verysecret@host/bucket",
        "file://host/folder",
        "file:///",
        "/mnt/course",
    ],
)
def test_an_address_that_is_none_is_refused_in_words_without_its_secret(wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        storage_url.read(wrong)
    assert "STORAGE_URL" in str(refused.value) and "verysecret" not in str(refused.value)


def test_no_secret_of_it_is_in_a_name_a_log_or_an_error_page(settings: Any) -> None:
    one = storage_url.read("s3://KEY123456:very%2Fsecret+1@host:8333/bucket/prefix?tls=0")
    kinds.use(settings, "s3://KEY123456:very%2Fsecret+1@host:8333/bucket/prefix?tls=0")
    assert one.name == "s3://host:8333/bucket/prefix" and "secret" not in repr(one)
    for told in ("very/secret+1", "very%2Fsecret%2B1", "KEY123456"):
        assert told not in redaction.redact(f"refused: {told}")
    shown = redaction.Filter().get_safe_settings()
    assert "very/secret" not in repr(shown)
