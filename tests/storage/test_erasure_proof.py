"""The proof that something was erased is true on several hosts: it counts what the storage held, and asks it afterwards."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from courseplatform import removing, stray_files
from datasets.models import Import
from teams import places
from teams.models import Course, ErasureProof, StoredFile, Team, User
from teams.services import audit, proofs
from teams.services.storage import files, health, shelves
from tests.evaluation.conftest import make_run
from tests.storage import kinds
from tests.storage.test_shelves import another_host, put
from training.services import host_scratch

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]


@pytest.fixture
def place(team: Team) -> str:
    """Of a run of the course."""
    return make_run(team).place


def delete_course(course: Course, person: User, commit: Commit) -> ErasureProof:
    audit.record(course=course, person=person, action=removing.EXPORTED, what="x")
    with commit(execute=True):
        removing.delete_course(course=course, person=person)
    return ErasureProof.objects.get()


def stored(proof: ErasureProof) -> dict[str, Any]:
    return next(one for one in proof.files if one["where"].startswith("storage "))


def test_it_counts_what_is_stored_though_this_host_has_nothing_and_says_that_nothing_is_left(
    kept_on: str,
    course: Course,
    instructor: User,
    place: str,
    settings: Any,
    tmp_path: Path,
    client_for: Callable[[User | None], Client],
    operator: User,
    django_capture_on_commit_callbacks: Commit,
) -> None:
    one = put(place, "adapter/a", b"weights")
    put(place, "adapter/b", b"weights")
    shelf = shelves.shelf(one.shelf)
    orphan = f"{place}/{'0' * 64}"  # of a worker that died before its row
    shelf.put(orphan, places.folder_of(place) / "adapter" / "a")
    settings.HOST_NAME = "web-2"
    another_host(settings, tmp_path)
    proof = delete_course(course, instructor, django_capture_on_commit_callbacks)
    found = stored(proof)
    assert (found["files"], found["objects"], found["bytes"]) == (2, 1, 14)
    here = next(one for one in proof.files if one["where"] == "disk of web-2")
    assert here["files"] == 0
    assert proof.destroyed_at is not None and proof.to_destroy == []
    assert shelf.size(one.key) is None and shelf.size(orphan) is None and not StoredFile.objects.exists()
    page = client_for(operator).get("/accounts/erasures/").content.decode()
    assert "storage " in page and "disk of web-2" in page and "nothing is left" in page


def test_a_storage_that_is_away_is_not_said_to_be_empty_until_it_was_asked(
    course: Course,
    instructor: User,
    place: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Commit,
) -> None:
    kinds.use_memory(settings)
    for name in ("a", "b", "c"):
        put(place, name, name.encode())
    asked: list[str] = []

    def away(storage: Any, name: str) -> None:
        asked.append(name)
        raise ConnectionError("no route")

    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.storage.InMemoryStorage.delete", away)
        proof = delete_course(course, instructor, django_capture_on_commit_callbacks)
        assert proof.to_destroy and proof.destroyed_at is None
        assert len(asked) == 2, "each step waits for a storage that is away once, not once for each file"
        assert proofs.settle_all() == 0
    with monkeypatch.context() as silent:
        silent.setattr(health, "away", lambda: "It does not answer.")
        silent.setattr(proofs, "settle", lambda _: pytest.fail("it would be waited for once for each proof"))
        assert proofs.settle_all() == 0
    stray_files.sweep()
    proof.refresh_from_db()
    assert proof.destroyed_at is not None and proof.to_destroy == [] and not StoredFile.objects.exists()


def test_a_file_that_somebody_still_keeps_is_not_destroyed_for_a_proof(place: str, settings: Any) -> None:
    kinds.use_memory(settings)
    put(place, "a", b"kept")
    assert files.destroy_everything([place]) == [place]
    with files.opened(place, "a") as kept:
        assert kept.read() == b"kept"


# --- Copies on other hosts ---------------------------------------------------------------------------------------------


def old(folder: Path, seconds: float) -> None:
    at = time.time() - seconds
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (at, at))


@pytest.fixture
def upload(team: Team, member: User) -> Import:
    return Import.objects.create(team=team, created_by=member, filename="rows.jsonl", size=1)


def test_each_host_removes_its_copy_of_an_upload_that_was_deleted_on_another_one(upload: Import, settings: Any) -> None:
    kinds.use_memory(settings)
    put(upload.place, "upload", b"a child's words")
    place, folder = upload.place, upload.folder
    old(folder, 3600)
    assert host_scratch.clear() == 0, "it may be read here just now"
    files.forget_rows(place)
    upload.delete()
    assert host_scratch.clear() == 1 and not folder.exists()


def test_a_copy_of_what_is_stored_goes_after_some_hours_and_what_is_stored_nowhere_stays(
    upload: Import, settings: Any
) -> None:
    kinds.use_nothing(settings)
    put(upload.place, "upload", b"only here")
    old(upload.folder, 1e6)
    assert host_scratch.clear() == 0
    kinds.use_memory(settings)
    assert host_scratch.clear() == 0, "it was not moved yet"
    StoredFile.objects.all().delete()
    assert host_scratch.clear() == 0, "of before files had rows"
    (upload.folder / "upload").write_bytes(b"stored")
    put(upload.place, "upload", b"stored")
    old(upload.folder, 7 * 3600)
    assert host_scratch.clear() == 1
    assert files.local(upload.place, "upload").read_bytes() == b"stored", "and is brought anew"


def test_a_young_folder_without_a_row_is_left_to_who_writes_it(settings: Any) -> None:
    kinds.use_memory(settings)
    folder = places.folder_of(places.of_import(uuid4()))
    folder.mkdir(parents=True)
    (folder / "upload.part").write_bytes(b"on its way in")
    strange = folder.parent / "not-ours"
    strange.mkdir()
    old(strange, 1e6)
    assert host_scratch.clear() == 0
    old(folder, 1200)
    assert host_scratch.clear() == 1 and strange.exists()
