"""Nothing slow happens while a transaction holds back everybody else who wants to write."""

import inspect
import shutil
import subprocess
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client

from datasets import checks
from datasets.models import DatasetVersion, Draft
from datasets.services import measure, versions
from teams.access import Access
from teams.models import Team, User
from tests import factories
from tests.access_table import TABLE
from tests.datasets.conftest import jsonl, question
from tests.test_access import address
from tests.world import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

SLOW_FILE_WORK = ("copytree", "copyfile", "move", "make_archive", "unpack_archive")


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where measuring, hashing, a copy of files or a process began inside a transaction: should stay empty."""
    found: list[str] = []

    def guard(owner: Any, name: str) -> None:
        work = getattr(owner, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if connection.in_atomic_block:
                ours = [call for call in traceback.extract_stack() if "/tests/" not in call.filename]
                ours = [call for call in ours if "site-packages" not in call.filename][-4:]
                found.append(f"{name}: " + " < ".join(f"{call.name}:{call.lineno}" for call in reversed(ours)))
            return work(*args, **kwargs)

        monkeypatch.setattr(owner, name, guarded)

    for name in checks.__all__:
        if inspect.isfunction(getattr(checks, name)):
            guard(checks, name)
    guard(MD5PasswordHasher, "encode")
    guard(subprocess, "Popen")
    for name in SLOW_FILE_WORK:
        guard(shutil, name)
    return found


def test_the_guard_sees_slow_work_inside_a_transaction(held_back: list[str]) -> None:
    with transaction.atomic():
        checks.find_private([])
        factories.make_person()
    assert [told.split(":")[0] for told in held_back] == ["find_private", "encode"]


@pytest.fixture
def world(redis_server: str, team: Team, professor: User) -> World:
    return make_world(team, professor, "ourmark")


FIELDS = {
    "text": "A remark of more than a few words.",
    "name": "Another name",
    "reason": "Nobody real can be recognised by it, it is from a book.",
    "question": "What is two plus two?",
    "percent": "10",
    "seed": "17",
    "shape": "dialogue",
    "email": "new.person@example.edu",
    "password": "correct horse battery",
    "new_password1": "another horse battery",
    "new_password2": "another horse battery",
    "old_password": factories.PASSWORD,
    "which": "all",
    "note": "A note.",
    "title": "A title",
    "people": "A New Person, new.person@example.edu",
}
"""What many forms take; a form that wants more refuses, which is a use of the page too."""


def _last_what_deletes(name: str) -> tuple[bool, str]:
    return any(word in name for word in ("delete", "remove", "discard", "drop", "close", "erase", "sign_out")), name


def test_no_page_does_slow_work_inside_a_transaction(
    world: World, instructor: User, professor: User, held_back: list[str], client_for: Callable[..., Client]
) -> None:
    """Every URL, posted to by someone who may."""
    answered = []
    for serial, name in enumerate(sorted(TABLE, key=_last_what_deletes)):
        people = {Access.PUBLIC: None, Access.PROFESSOR: professor}
        client = client_for(people.get(TABLE[name], instructor))
        client.raise_request_exception = False
        data = FIELDS | {"file": SimpleUploadedFile("rows.jsonl", jsonl(question(serial)))}
        answered.append(client.post(address(name, world), data).status_code)
    assert len([status for status in answered if status in (200, 302, 422)]) > 60
    assert held_back == []


def test_the_life_of_a_dataset_does_slow_work_outside_transactions(
    team: Team, member: User, redis_server: str, held_back: list[str], client_for: Callable[..., Client]
) -> None:
    browser = client_for(member)
    pages = f"/teams/{team.pk}/datasets/"
    child = {"instruction": "Is my student Emma Johnson here?", "output": "Um, I don't know!"}
    file = SimpleUploadedFile("rows.jsonl", jsonl(child, *[question(number) for number in range(20)]))
    browser.post(f"{pages}new/", {"file": file})
    version = DatasetVersion.objects.get()
    assert version.measured_at and version.open_privacy_findings == 1
    first = f"{pages}{version.dataset_id}/versions/1/"
    browser.post(f"{first}split/decide/", {"percent": "10", "seed": "17"})
    browser.post(f"{first}privacy/pseudonyms/")
    browser.post(f"{first}labels/")
    browser.post(f"{first}swap/", {"which": "all"})
    browser.post(f"{first}rows/0/delete/")
    browser.post(f"{first}restore/")
    browser.post(f"{first}fork/", {"shape": "dialogue"})
    browser.post(f"{first}measure/")
    assert DatasetVersion.objects.filter(measured_at=None).count() == 0
    assert held_back == []


def test_a_big_upload_is_kept_outside_transactions(
    team: Team, member: User, redis_server: str, held_back: list[str], client_for: Callable[..., Client]
) -> None:
    """More than 2.5 MB lie on the disk already and are moved, which is a copy where the folders are of two disks."""
    rows = jsonl(*[question(number) for number in range(40_000)])
    assert len(rows) > 2.5 * 1024 * 1024
    file = SimpleUploadedFile("rows.jsonl", rows)
    assert client_for(member).post(f"/teams/{team.pk}/datasets/new/", {"file": file}).status_code == 302
    assert held_back == []


def test_measuring_inside_a_transaction_is_refused(team: Team) -> None:
    version = factories.make_dataset_version(team)
    with transaction.atomic(), pytest.raises(measure.InsideTransaction):
        measure.measure(version)


def test_a_version_is_measured_only_once_it_is_committed(team: Team) -> None:
    with transaction.atomic():
        version = factories.make_dataset_version(team)
        assert version.measured_at is None
    assert version.measured_at is not None
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        gone = factories.make_dataset_version(team, name="Gone")
        raise ZeroDivisionError
    assert gone.measured_at is None


def test_few_rows_with_much_text_are_left_to_the_worker(team: Team, redis_server: str) -> None:
    """Labels and other keys count too: they are looked through for personal data."""
    for hidden in ({"labels": {"source": "a@b.cc " * 40_000}}, {"extra": {"notes": "a@b.cc " * 40_000}}):
        rows = [row | hidden for row in factories.child_rows(1)]
        version = factories.make_dataset_version(team, rows, name="Hidden")
        assert version.measured_at is None
        measure.measure(version)
        assert version.open_privacy_findings == 40_000, "those that are not listed are open too"
        assert len(version.report["privacy"]) == 100 and version.report["privacy_found"] == 40_000


def test_saving_edits_that_change_meanwhile_is_refused(team: Team, member: User, monkeypatch: Any) -> None:
    """The rows are read before the transaction; what somebody changes in between is neither lost nor overwritten."""
    from datasets.services import drafts

    version = factories.make_dataset_version(team)
    drafts.remove_row(version=version, position=0, person=member)
    draft = Draft.objects.get()
    edited = drafts._edited

    def slowly(draft: Draft, totals: Any) -> Any:
        yield from edited(draft, totals)
        drafts.remove_row(version=version, position=1, person=member)

    monkeypatch.setattr(drafts, "_edited", slowly)
    with pytest.raises(drafts.EditRefused, match="Somebody changed a row"):
        drafts.publish(draft=draft, person=member, note="")
    monkeypatch.undo()
    made = drafts.publish(draft=draft, person=member, note="")
    assert made.row_count == version.row_count - 2 and versions.newest(version.dataset) == made
