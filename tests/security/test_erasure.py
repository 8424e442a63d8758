"""What is deleted is gone: a marker is planted everywhere, deleted, and then looked for in every byte under VAR_DIR and the
database."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_rq
import pytest
import zstandard
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from courseplatform import erasing_rows, jobs, removing
from datasets.models import (
    DatasetVersion,
    Draft,
    DraftChange,
    FindingJustification,
    Import,
    ImportStatus,
    RowBlock,
    RowComment,
)
from datasets.services import drafts, erasing, imports, measure, retention, reviews, split, versions
from datasets.services.reading import plain, row_at
from teams import live
from teams.models import AuditEntry, DiskUse, Notice, Team, User
from tests import factories
from tests.datasets.conftest import jsonl, question
from tests.evaluation.conftest import make_run
from tests.security.redis_files import redis_files
from training.models import RunStatus, TrainingRun
from training.services import run_disk

MARK = "Zyxquorvle"
"""A word that stands nowhere else."""
pytestmark = pytest.mark.django_db(transaction=True)


def readings(content: bytes) -> Iterator[bytes]:
    """The bytes, and what they are when unpacked."""
    yield content
    for unpack in (gzip.decompress, zlib.decompress, zstandard.decompress):
        try:
            yield unpack(content)
        except Exception:
            continue


def places_of(mark: str) -> list[str]:
    """Where the mark stands: files under VAR_DIR, the database file with its log, and rows that are kept compressed."""
    erasing_rows.forget_freed_pages()
    wanted = mark.encode().lower()
    found = []
    paths = [path for path in Path(django_settings.VAR_DIR).rglob("*") if path.is_file()]
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        paths += [path for path in (Path(name), Path(f"{name}-wal")) if path.exists()]
    for path in paths:
        if any(wanted in one.lower() for one in readings(path.read_bytes())):
            found.append(str(path))
    for pk, data in RowBlock.objects.values_list("pk", "rows"):
        if any(wanted in one.lower() for one in readings(bytes(data))):
            found.append(f"row block {pk}")
    return found + list(_in_tables(mark))


def _in_tables(mark: str) -> Iterator[str]:
    """For PostgreSQL, whose files are not ours to read."""
    from django.apps import apps

    tables = set(connection.introspection.table_names())
    for model in apps.get_models():
        if model._meta.db_table not in tables:
            continue
        for values in model._base_manager.values():
            if mark.lower() in str(values).lower():
                yield model._meta.label


def child(number: int) -> dict[str, Any]:
    return {"instruction": f"Who is {MARK}?", "output": f"Um, {MARK} Smith is my friend. I am {number}."}


@pytest.fixture
def version(team: Team, member: User, redis_server: str) -> DatasetVersion:
    """Three versions of a dataset that came in as a file; the marked row in each of them, once edited, and everywhere beside."""
    rows = [question(0), child(7), *[question(number) for number in range(1, 12)]]
    file = SimpleUploadedFile("rows.jsonl", jsonl(*rows))
    made = imports.import_file(team=team, dataset=None, name="Rows", file=file, person=member).version
    assert made is not None
    shown = drafts.shown(made, 1, 2)[0]
    row = row_at(made, 1)
    assert row is not None
    edited = plain(row)
    edited.messages[1]["content"] = f"My friend {MARK} is nice. I am seven."
    drafts.edit_row(version=made, position=1, row=edited, seen=shown.fingerprint, person=member)
    second = drafts.publish(draft=Draft.objects.get(), person=member, note="")
    drafts.remove_row(version=second, position=5, person=member)
    drafts.publish(draft=Draft.objects.get(), person=member, note="")
    versions.fork(version=made, shape="dialogue", name="Other", person=member)
    reviews.comment(version=made, row=row, person=member, text=f"Is {MARK} real?", by_reviewer=False)
    FindingJustification.objects.create(
        dataset=made.dataset, row_id=row.id, field="messages[0].content", text=MARK, reason="A book.", person=member
    )
    split.split(made, 0.5, 17)
    return made


def _open_import(team: Team, member: User) -> Import:
    file = SimpleUploadedFile("again.jsonl", jsonl(child(7), "not json"))
    made = imports.import_file(team=team, dataset=None, name="Again", file=file, person=member)
    assert made.status == ImportStatus.READY
    return made


def _run_on(version: DatasetVersion, team: Team) -> TrainingRun:
    run = make_run(team)
    TrainingRun.objects.filter(pk=run.pk).update(dataset_version=version)
    run.refresh_from_db()
    run.folder.mkdir(parents=True, exist_ok=True)
    versions.write_jsonl(version, run.folder / "train.jsonl")
    return run


def test_a_row_is_erased_from_every_version_file_and_page(
    version: DatasetVersion, team: Team, member: User, client_for: Callable[..., Client]
) -> None:
    run, waiting = _run_on(version, team), _open_import(team, member)
    drafts.remove_row(version=version, position=9, person=member)
    before = {one.pk: (one.row_count, one.content_hash) for one in DatasetVersion.objects.all()}
    behind = row_at(version, 9)
    assert len(places_of(MARK)) > 8
    row = row_at(version, 1)
    assert row is not None
    page = reverse("row_erase", args=[team.pk, version.dataset_id, version.number, 1])
    browser = client_for(member)
    assert MARK in browser.get(page).content.decode()
    answer = browser.post(page, {"row_id": row.id, "reason": "Her parents asked for it."}, follow=True)
    link = reverse("run_delete", args=[team.pk, run.number])
    assert f'<a href="{link}">run {run.number}</a>' in answer.content.decode()
    assert places_of(MARK) == []
    for one in DatasetVersion.objects.filter(pk__in=before):
        count, digest = before[one.pk]
        assert (one.row_count, one.erased_rows) == (count - 1, 1) and one.content_hash != digest
        assert len(list(versions.stored_rows(one))) == one.row_count and one.measured_at is not None
    kept = (run.folder / "train.jsonl").read_text().splitlines()
    assert len(kept) == before[version.pk][0] - 1 and all(json.loads(line)["id"] != row.id for line in kept)
    version.refresh_from_db()
    change = DraftChange.objects.get()
    assert behind is not None and row_at(version, change.position or 0) == behind, "edits still stand on their rows"
    assert not RowComment.objects.exists() and not waiting.folder.exists()
    entry = AuditEntry.objects.get(action="row erased")
    assert "Her parents asked for it." in str(entry.after) and entry.person == member
    assert (
        "erased later" in browser.get(reverse("version_detail", args=[team.pk, version.dataset_id, 1])).content.decode()
    )


def test_in_a_team_with_many_rows_the_worker_erases_and_tells(
    version: DatasetVersion,
    team: Team,
    member: User,
    client_for: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = _run_on(version, team)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    django_rq.get_queue("files").empty()
    row = row_at(version, 1)
    assert row is not None
    page, browser = reverse("row_erase", args=[team.pk, version.dataset_id, 1, 1]), client_for(member)
    assert browser.post(page, {"row_id": row.id, "reason": "short"}).status_code == 422, "told at once"
    answer = browser.post(page, {"row_id": row.id, "reason": "Her parents asked for it."}, follow=True)
    assert "a worker looks through them" in answer.content.decode()
    assert len(places_of(MARK)) > 8, "nothing was erased in the request"
    (job,) = django_rq.get_queue("files").jobs
    assert job.func_name == "courseplatform.jobs.erase_row" and job.retries_left > 0
    _killed_in_the_middle(job, monkeypatch)
    jobs.erase_row(*job.args)
    assert places_of(MARK) == []
    told = Notice.objects.latest("pk")
    assert told.person == member and f"those of run {run.number}." in told.text
    jobs.erase_row(*job.args)
    assert "was not erased: This row is in no version any more." in Notice.objects.latest("pk").text


def _killed_in_the_middle(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(erasing, "erase_row", killed)
        jobs.erase_row(*job.args)


def test_the_only_row_of_a_version_leaves_a_stand_in(team: Team, member: User, redis_server: str) -> None:
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": f"I am {MARK}."}]}
    version = factories.make_dataset_version(team, [row], person=member)
    stored = row_at(version, 0)
    assert stored is not None
    erasing_rows.erase(team=team, row_id=stored.id, person=member, reason="A parent asked.")
    version.refresh_from_db()
    assert places_of(MARK) == [] and version.row_count == 1
    assert [one.prompt() for one in versions.stored_rows(version)] == ["(erased)"]


def test_another_teams_rows_stay(team: Team, other_team: Team, member: User, redis_server: str) -> None:
    """The same row has the same id wherever it is uploaded."""
    ours, theirs = (factories.make_dataset_version(one, person=member) for one in (team, other_team))
    row = row_at(ours, 0)
    assert row is not None
    erasing_rows.erase(team=team, row_id=row.id, person=member, reason="A parent asked.")
    theirs.refresh_from_db()
    assert theirs.row_count == 12 and theirs.erased_rows == 0


@pytest.mark.parametrize("sent", [{"row_id": "another", "reason": "A parent asked."}, {"reason": "short"}])
def test_nothing_is_erased_without_a_reason_or_where_rows_moved(
    sent: dict[str, str], team: Team, member: User, redis_server: str, client_for: Callable[..., Client]
) -> None:
    version = factories.make_dataset_version(team, person=member)
    row = row_at(version, 0)
    assert row is not None
    page = reverse("row_erase", args=[team.pk, version.dataset_id, 1, 0])
    answer = client_for(member).post(page, {"row_id": row.id} | sent)
    assert answer.status_code == 422 and "Nothing was erased." in answer.content.decode()
    version.refresh_from_db()
    assert version.row_count == 12 and not AuditEntry.objects.filter(action="row erased").exists()


def test_nothing_is_erased_under_a_run_that_reads_it(team: Team, member: User, redis_server: str) -> None:
    version = factories.make_dataset_version(team, person=member)
    run = make_run(team)
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, finished_at=None)
    row = row_at(version, 0)
    assert row is not None
    with pytest.raises(erasing_rows.ErasureRefused, match="under way"):
        erasing_rows.erase(team=team, row_id=row.id, person=member, reason="A parent asked.")


def test_a_deleted_dataset_is_gone_from_the_disk(version: DatasetVersion, team: Team, member: User) -> None:
    for one in {one.dataset for one in DatasetVersion.objects.all()}:
        versions.delete_dataset(dataset=one, person=member)
    assert places_of(MARK) == []


def test_a_deleted_course_is_gone_from_the_disk(
    version: DatasetVersion, team: Team, member: User, instructor: User, redis_server: str
) -> None:
    run = _run_on(version, team)
    _open_import(team, member)
    live.emit(run.topic, "run-answers", f"<p>{MARK}</p>")
    member.name = f"{MARK} Student"
    member.save()
    said = {"name": member.name, "told": [member.email.upper()]}
    AuditEntry.objects.create(course=None, action="account made", what=f"{member.name}, by roster", after=said)
    assert MARK.encode() in redis_files(redis_server)
    AuditEntry.objects.create(course=team.course, person=instructor, action=removing.EXPORTED, what="x")
    removing.delete_course(course=team.course, person=instructor)
    assert places_of(MARK) == [] and not DiskUse.objects.exists()
    assert places_of(member.email) == [], "nor does the platform's own log name who went with it"
    assert AuditEntry.objects.get(action="account made").what == f"Former student {member.pk}, by roster"
    assert MARK.encode() not in redis_files(redis_server)
    assert not list((Path(django_settings.VAR_DIR) / "imports").glob("*"))


def test_a_removed_team_leaves_no_files(team: Team, member: User, redis_server: str) -> None:
    _open_import(team, member)
    removing.remove_team(team=team, person=factories.make_person())
    assert places_of(MARK) == []


def test_files_of_old_uploads_go_and_their_rows_stay(version: DatasetVersion, team: Team, member: User) -> None:
    young, left = Import.objects.get(), _open_import(team, member)
    assert retention.prune() == 0 and young.folder.exists()
    Import.objects.filter(pk=young.pk).update(decided_at=timezone.now() - timedelta(days=15))
    Import.objects.filter(pk=left.pk).update(created_at=timezone.now() - timedelta(days=61))
    assert retention.prune() == 2 and retention.prune() == 0
    left.refresh_from_db()
    assert not young.folder.exists() and not left.folder.exists() and left.status == ImportStatus.DISCARDED
    assert version.row_count == len(list(versions.stored_rows(version)))
    assert not DiskUse.objects.filter(kind="upload").exists()


def test_folders_that_no_import_names_go_after_an_hour(team: Team, redis_server: str) -> None:
    import os

    stray = Path(django_settings.VAR_DIR) / "imports" / "3b9aca00-0000-4000-8000-000000000000"
    stray.mkdir(parents=True)
    assert retention.prune() == 0 and stray.exists(), "it may be an upload of this moment"
    os.utime(stray, (0, 0))
    assert retention.prune() == 1 and not stray.exists()


def test_checkpoints_of_finished_runs_go_and_adapters_stay(team: Team, redis_server: str) -> None:
    run = make_run(team)
    for name in ("checkpoint/checkpoint.pt", "adapter/adapter_model.safetensors"):
        path = run.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1_000)
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=13))
    assert run_disk.prune() == 0
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=15))
    assert run_disk.prune() == 1 and run_disk.prune() == 0
    assert not (run.folder / "checkpoint").exists() and (run.folder / "adapter").is_dir()
    assert DiskUse.objects.get(kind="run").size == 1_000


def test_what_was_kept_before_there_were_quotas_is_counted(version: DatasetVersion, team: Team) -> None:
    run = _run_on(version, team)
    before = dict(DiskUse.objects.values_list("key", "size"))
    DiskUse.objects.all().delete()
    retention.prune()
    run_disk.prune()
    after = dict(DiskUse.objects.values_list("key", "size"))
    assert {key: after[key] for key in before} == before and after[run.disk_key] > 0


def test_who_may_erase_a_row_is_in_the_team(
    team: Team, other_member: User, professor: User, redis_server: str, client_for: Callable[..., Client]
) -> None:
    factories.make_dataset_version(team)
    page = reverse("row_erase", args=[team.pk, DatasetVersion.objects.get().dataset_id, 1, 0])
    assert [client_for(one).get(page).status_code for one in (other_member, professor)] == [404, 404]
