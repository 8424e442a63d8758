"""The file of one person's own data on several hosts: any host gives it, and erasing her leaves it on none."""

import io
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from courseplatform import removing, stray_files
from courseplatform.jobs import write_course_archive, write_person_export
from teams.models import (
    ArchiveExport,
    Course,
    ErasureProof,
    ExportStatus,
    PersonExport,
    PersonExportState,
    StoredFile,
    User,
)
from teams.services import archive_exports, audit, erasing, person_exports
from teams.services.storage import files, shelves
from tests.storage import kinds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
ClientFor = Callable[[User | None], Client]
Commit = Callable[..., Any]
FILE = "/account/data/file/"


class Hosts:
    """Hosts with a disk of their own each; `on` says which one acts next."""

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings, self.folder = settings, folder

    def on(self, name: str) -> None:
        self.settings.VAR_DIR = self.folder / name
        self.settings.RUNS_ROOT = self.settings.VAR_DIR / "runs"
        self.settings.VAR_DIR.mkdir(exist_ok=True)

    def files(self, start: str) -> list[Path]:
        """All files of all hosts and of the storage in folders that begin so."""
        return [path for path in self.folder.rglob(f"{start}/**/*") if path.is_file()]


@pytest.fixture
def hosts(settings: Any, tmp_path: Path) -> Hosts:
    folder = tmp_path / "hosts"
    folder.mkdir()
    kinds.use(settings, f"file://{folder / 'storage'}")
    made = Hosts(settings, folder)
    made.on("worker")
    return made


def written(person: User) -> PersonExport:
    export = person_exports.ask(person)
    assert write_person_export(export.pk)
    export.refresh_from_db()
    return export


def test_the_file_is_given_on_each_kind_of_storage_by_a_host_that_did_not_write_it(
    kept_on: str, member: User, other_member: User, client_for: ClientFor, settings: Any, tmp_path: Path
) -> None:
    written(member)
    settings.VAR_DIR = tmp_path / "web"
    settings.VAR_DIR.mkdir()
    answer: Any = client_for(member).get(FILE)
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert member.email in archive.read("about.json").decode()
    assert 'filename="my-data.zip"' in answer["Content-Disposition"]
    assert client_for(other_member).get(FILE).status_code == 302


def test_staff_who_look_through_her_eyes_take_no_copy(
    hosts: Hosts, member: User, operator: User, client_for: ClientFor
) -> None:
    written(member)
    browser = client_for(operator)
    assert browser.post("/impersonate/", {"person": member.email}).status_code == 302
    assert member.name in browser.get("/", follow=True).content.decode(), "else this shows nothing"
    assert browser.get(FILE).status_code == 403
    assert client_for(member).get(FILE).status_code == 200


def test_erasing_her_on_another_host_leaves_it_nowhere(
    hosts: Hosts, member: User, instructor: User, django_capture_on_commit_callbacks: Commit
) -> None:
    export = written(member)
    assert hosts.files("own-exports")
    hosts.on("web")
    with django_capture_on_commit_callbacks(execute=True):
        erasing.erase(membership=member.memberships.get(), person=instructor)
    assert not hosts.files("own-exports")
    assert not StoredFile.objects.filter(place=export.place).exists()


def test_deleting_her_course_takes_it_along(
    hosts: Hosts, course: Course, member: User, instructor: User, django_capture_on_commit_callbacks: Commit
) -> None:
    written(member)
    audit.record(course=course, person=instructor, action=removing.EXPORTED, what="x")
    hosts.on("web")
    with django_capture_on_commit_callbacks(execute=True):
        removing.delete_course(course=course, person=instructor)
    assert not User.objects.filter(pk=member.pk).exists()
    assert ErasureProof.objects.exists() and not hosts.files("own-exports")


def test_who_is_erased_while_it_is_written_has_no_file_afterwards(
    hosts: Hosts, member: User, django_capture_on_commit_callbacks: Commit
) -> None:
    export = person_exports.ask(member)

    def into(person: User, out: Any) -> None:
        out.write(b"her data")
        hosts.on("web")
        person_exports.forget_people([person])
        hosts.on("worker")

    with django_capture_on_commit_callbacks(execute=True):
        assert not person_exports.write(export.pk, into)
    assert not hosts.files("own-exports") and not StoredFile.objects.exists()


def test_a_worker_killed_while_she_was_erased_leaves_a_part_until_its_host_looks(hosts: Hosts, member: User) -> None:
    export = person_exports.ask(member)
    export.folder.mkdir(parents=True)
    (export.folder / "my-data-1.zip").write_bytes(b"her data")
    hosts.on("web")
    person_exports.forget_people([member])
    person_exports.sweep()
    assert hosts.files("own-exports"), "the scheduler's host does not reach it"
    hosts.on("worker")
    person_exports.clear_strays()
    assert not hosts.files("own-exports")


def test_two_tries_that_overlap_give_one_whole_file(hosts: Hosts, member: User) -> None:
    export = person_exports.ask(member)

    def quick(person: User, out: Any) -> None:
        out.write(b"second, and done before")

    def slow(person: User, out: Any) -> None:
        out.write(b"of the first try")
        assert person_exports.write(export.pk, quick)

    assert not person_exports.write(export.pk, slow)
    export.refresh_from_db()
    assert (export.state, export.file_name) == (PersonExportState.READY, "my-data-2.zip")
    with files.opened(export.place, export.file_name) as kept:
        assert kept.read() == b"second, and done before"


def test_a_storage_that_is_away_is_said_and_asking_again_works(
    hosts: Hosts, member: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise shelves.StorageAway(shelves.SAYS_NOW)

    export = person_exports.ask(member)
    with monkeypatch.context() as broken:
        broken.setattr(shelves.Shelf, "put", away)
        assert not write_person_export(export.pk)
    browser = client_for(member)
    assert "could not be made" in browser.get("/account/data/").content.decode()
    assert not hosts.files("own-exports"), "nothing of hers stays on the worker's disk"
    written(member)
    with monkeypatch.context() as broken:
        broken.setattr(shelves.Shelf, "open", away)
        assert browser.get(FILE).status_code == 503
    assert browser.get(FILE).status_code == 200


def test_a_day_later_it_is_gone_and_so_is_one_whose_row_a_crash_took(
    hosts: Hosts, member: User, other_member: User, django_capture_on_commit_callbacks: Commit
) -> None:
    written(member)
    orphan = written(other_member)
    PersonExport.objects.filter(person=member).update(asked_at=timezone.now() - timedelta(hours=25))
    PersonExport.objects.filter(pk=orphan.pk).delete()
    hosts.on("web")
    with django_capture_on_commit_callbacks(execute=True):
        person_exports.sweep()
    assert len(hosts.files("own-exports")) == 1
    StoredFile.objects.update(stored_at=timezone.now() - timedelta(hours=25))
    stray_files.sweep()
    assert not hosts.files("own-exports")


def test_the_archive_of_a_course_stays_on_no_workers_disk(hosts: Hosts, course: Course, instructor: User) -> None:
    """Whoever is erased later is erased on another host, which does not reach this one's disk."""
    archive_exports.ask(course=course, person=instructor, size=1000)
    export = ArchiveExport.objects.get()
    assert write_course_archive(export.pk, export.attempt) == "ready"
    assert not export.folder.exists()
    hosts.on("web")
    with files.opened(export.place, "archive.zip") as kept:
        assert kept.read(2) == b"PK"


def wait_for_beat(export: ArchiveExport) -> None:
    limit = time.monotonic() + 60
    while ArchiveExport.objects.get(pk=export.pk).told_bytes == 0:
        assert time.monotonic() < limit, "no beat came"
        time.sleep(0.01)


def end_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts here are settings of one process: a beat after the change would look at the other host's disk."""
    with monkeypatch.context() as patch:
        patch.setattr(archive_exports, "_mine", lambda _: ArchiveExport.objects.none())
        for thread in threading.enumerate():
            if thread.name == "archive-beat":
                thread.join(60)


@pytest.mark.django_db(transaction=True)
def test_a_long_archive_is_not_begun_anew_by_a_scheduler_that_does_not_see_its_file(
    hosts: Hosts, course: Course, instructor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_exports, "BEAT_SECONDS", 0.01)
    archive_exports.ask(course=course, person=instructor, size=1000)
    export = ArchiveExport.objects.get()
    long_ago = timezone.now() - timedelta(minutes=10)

    def into(_: ArchiveExport, out: Any) -> None:
        out.write(bytes(2_000))
        out.flush()
        ArchiveExport.objects.update(alive_at=long_ago)
        wait_for_beat(export)
        end_beats(monkeypatch)
        hosts.on("scheduler")
        assert archive_exports.sweep() == 0
        assert ArchiveExport.objects.get().written == 2_000, "its page tells how far it is"
        hosts.on("worker")

    assert archive_exports.write(export_id=export.pk, attempt=export.attempt, into=into) == "ready"
    ArchiveExport.objects.update(status=ExportStatus.WRITING, alive_at=long_ago, beat_at=long_ago)
    hosts.on("scheduler")
    assert archive_exports.sweep() == 1, "its worker is dead"
    export.refresh_from_db()
    assert (export.status, export.attempt, export.written) == (ExportStatus.WAITING, 2, 0)
