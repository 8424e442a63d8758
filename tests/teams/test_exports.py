"""Archives to take along: written by the files worker, shown while that lasts, kept for a day, and gone with what they hold."""

import io
import shutil
import zipfile
from collections import namedtuple
from datetime import timedelta

import django_rq
import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rq import SimpleWorker

from courseplatform import archive, deleting_runs, erasing_rows, removing
from courseplatform.jobs import write_course_archive
from datasets.services.reading import row_at
from teams.models import ArchiveExport, AuditEntry, DiskAccount, DiskKind, DiskUse, ExportStatus, Hold, Membership
from teams.services import archive_exports, disk, erasing, money
from tests import factories
from tests.evaluation.conftest import make_run
from training.jobs import write_run_archive
from training.models import Artifact
from training.services import bundle

MARK = "Zyxquorvle"


@pytest.fixture
def address(course):
    return reverse("course_archive", args=[course.pk])


@pytest.fixture
def run(team, settings):
    made = make_run(team, name=MARK)
    made.folder.mkdir(parents=True)
    (made.folder / "result.json").write_text(f'{{"of": "{MARK}"}}')
    Artifact.objects.create(run=made, path="result.json", sha256="0" * 64, size=1)
    return made


@pytest.fixture
def large(monkeypatch):
    """Every run's archive is too large for a request."""
    monkeypatch.setattr(bundle, "SMALL_BYTES", -1)


def work() -> None:
    queue = django_rq.get_queue("files")
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)


def written(browser, address):
    """Asked for on its page, and written."""
    browser.post(address)
    export = ArchiveExport.objects.all()[0]
    job = write_course_archive if export.team is None else write_run_archive
    assert job(export.pk, export.attempt) == "ready"
    export.refresh_from_db()
    return export


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_the_page_of_a_course_waits_shows_how_far_it_is_and_hands_the_file_out(
    client_for, instructor, course, run, address
):
    browser = client_for(instructor)
    assert "Export the course" in browser.get(address).content.decode()
    waiting = browser.post(address, follow=True).content.decode()
    assert "waits for a free worker" in waiting
    assert browser.get(f"{address}file/").status_code == 404, "it is not ready"
    assert removing.last_export(course) is None, "nothing was taken along yet"
    export = ArchiveExport.objects.get()
    ArchiveExport.objects.update(status=ExportStatus.WRITING)
    export.folder.mkdir(parents=True)
    export.part_path.write_bytes(bytes(2_000_000))
    part = browser.get(address, headers={"HX-Request": "true"})
    assert "1.9 MB written so far" in part.content.decode()
    assert "<html" not in part.content.decode()
    ArchiveExport.objects.update(status=ExportStatus.WAITING)
    work()
    assert browser.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert "Download" in browser.get(address).content.decode()
    answer = browser.get(f"{address}file/")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as file:
        assert MARK in file.read("training.trainingrun.jsonl").decode()
    export.refresh_from_db()
    taken = removing.last_export(course)
    assert taken is not None
    assert removing.moment_of(taken) == export.alive_at < taken.at
    assert DiskUse.objects.get(kind=DiskKind.EXPORT).size == export.size == export.file_path.stat().st_size
    assert DiskAccount.objects.get(course=course).used == sum(DiskUse.objects.values_list("size", flat=True))


def test_a_small_runs_archive_comes_at_once_and_a_large_one_from_the_worker(
    client_for, member, run, large, monkeypatch
):
    browser, page = client_for(member), reverse("run_bundle", args=[run.team_id, run.number])
    assert "Write the archive" in browser.get(page).content.decode()
    export = written(browser, page)
    assert "Download" in browser.get(page).content.decode()
    answer = browser.get(reverse("run_bundle_file", args=[run.team_id, run.number]))
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as file:
        assert {"run.json", "rows.jsonl"} <= set(file.namelist())
    assert DiskUse.objects.get(account__team=run.team, kind=DiskKind.EXPORT).size == export.size
    monkeypatch.undo()
    assert browser.get(page)["Content-Type"] == "application/zip"
    assert ArchiveExport.objects.count() == 1


def test_one_at_a_time_and_asking_twice_changes_nothing(client_for, member, run, large):
    other = make_run(run.team)
    browser = client_for(member)
    page, second = (reverse("run_bundle", args=[run.team_id, one.number]) for one in (run, other))
    browser.post(page)
    browser.post(page)
    assert ArchiveExport.objects.count() == 1
    answer = browser.post(second)
    assert answer.status_code == 422
    assert f"The archive of run {run.number} is being written." in answer.content.decode()


def test_a_new_one_takes_the_place_of_the_one_before(
    client_for, member, run, large, redis_server, django_capture_on_commit_callbacks
):
    """Else a team that asks again and again fills its own room with files that nobody can open."""
    page, browser = reverse("run_bundle", args=[run.team_id, run.number]), client_for(member)
    first = written(browser, page)
    disk.set_limit(course=run.team.course, team=run.team, limit=bundle.estimate(run) + 5_000, person=member)
    with django_capture_on_commit_callbacks(execute=True):
        second = written(browser, page)
    assert not first.folder.exists()
    assert second.file_path.exists()
    assert DiskUse.objects.get(kind=DiskKind.EXPORT).size == second.size


def test_where_there_is_no_room_for_a_new_one_the_one_before_stays(
    client_for, member, run, large, django_capture_on_commit_callbacks
):
    page, browser = reverse("run_bundle", args=[run.team_id, run.number]), client_for(member)
    first = written(browser, page)
    disk.set_limit(course=run.team.course, team=run.team, limit=1_000, person=member)
    with django_capture_on_commit_callbacks(execute=True):
        assert browser.post(page).status_code == 422
    assert first.file_path.exists()
    assert "Download" in browser.get(page).content.decode()


@pytest.mark.parametrize("full", ["team", "course", "machine"])
def test_without_room_it_is_refused_before_anything_is_written(
    client_for, member, instructor, run, large, address, monkeypatch, full
):
    page = address if full == "course" else reverse("run_bundle", args=[run.team_id, run.number])
    if full == "machine":
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, settings.DISK_LEFT_FREE_BYTES + 5_000))
    else:
        disk.set_limit(
            course=run.team.course, team=run.team if full == "team" else None, limit=1_000, person=instructor
        )
    answer = client_for(instructor if full == "course" else member).post(page)
    said = {"team": "Your team uses", "course": "All teams of this course", "machine": "5 KB are free for it"}[full]
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ArchiveExport.objects.exists()
    assert not DiskUse.objects.filter(kind=DiskKind.EXPORT).exists()


def test_what_began_meanwhile_is_told_and_leaves_nothing(client_for, instructor, course, team, address, settings):
    browser = client_for(instructor)
    browser.post(address)
    money.hold(team=team, key="turn-1", amount=0)
    export = ArchiveExport.objects.get()
    assert write_course_archive(export.pk, 1) == "refused"
    assert "still running" in browser.get(address).content.decode()
    assert not export.folder.exists()
    assert DiskAccount.objects.get(course=course).used == 0
    assert "still running" in browser.post(address).content.decode(), "told at once the next time"
    Hold.objects.update(state="released")
    assert written(browser, address).status == ExportStatus.READY


def test_a_worker_that_died_is_made_up_for_and_after_three_it_says_so(
    client_for, instructor, course, address, monkeypatch, settings
):
    sent = []
    monkeypatch.setattr(archive_exports, "_enqueue", lambda export: sent.append(export.attempt))
    browser = client_for(instructor)
    browser.post(address)
    for attempt in (1, 2, 3):
        with monkeypatch.context() as killed, pytest.raises(SystemExit):
            killed.setattr(archive, "write", lambda *_: exit())
            write_course_archive(ArchiveExport.objects.get().pk, attempt)
        assert archive_exports.sweep() == 0, "it may be at it still"
        ArchiveExport.objects.update(alive_at=timezone.now() - timedelta(minutes=3))
        assert archive_exports.sweep() == 0, "its file was written to a moment ago"
        export = ArchiveExport.objects.get()
        export.part_path.unlink()
        assert archive_exports.sweep() == 1
        assert sent[-1] == attempt + 1
    assert write_course_archive(export.pk, 3) == "not needed", "an old call does nothing"
    assert write_course_archive(export.pk, 4) == "refused"
    assert "broke down three times" in browser.get(address).content.decode()
    assert not export.folder.exists()
    assert DiskAccount.objects.get(course=course).used == 0


def test_it_is_kept_for_a_day(client_for, instructor, course, address, django_capture_on_commit_callbacks):
    export = written(client_for(instructor), address)
    assert archive_exports.sweep() == 0
    ArchiveExport.objects.update(ended_at=timezone.now() - archive_exports.KEPT - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert archive_exports.sweep() == 1
    assert not export.folder.exists()
    assert DiskAccount.objects.get(course=course).used == 0
    assert client_for(instructor).get(f"{address}file/").status_code == 404


def _row(run, member, instructor):
    row = row_at(run.dataset_version, 0)
    assert row is not None
    erasing_rows.erase(team=run.team, row_id=row.id, person=member, reason="A parent asked for it.")


def _run(run, member, instructor):
    deleting_runs.delete_run(run=run, person=member)


def _person(run, member, instructor):
    erasing.erase(membership=Membership.objects.get(person=member), person=instructor)


def _course(run, member, instructor):
    AuditEntry.objects.create(course=run.team.course, person=instructor, action=removing.EXPORTED, what="x")
    removing.delete_course(course=run.team.course, person=instructor)


@pytest.mark.parametrize("deleted", [_row, _run, _person, _course])
@pytest.mark.parametrize("ready", [True, False])
def test_what_is_deleted_takes_the_archives_along_that_hold_it(
    client_for,
    instructor,
    member,
    run,
    large,
    address,
    redis_server,
    django_capture_on_commit_callbacks,
    deleted,
    ready,
):
    """Also one that is being written: it may hold it already."""
    of_run = written(client_for(member), reverse("run_bundle", args=[run.team_id, run.number]))
    of_course = written(client_for(instructor), address)
    if not ready:
        ArchiveExport.objects.update(status=ExportStatus.WRITING)
        for one in (of_run, of_course):
            one.file_path.rename(one.part_path)
    with django_capture_on_commit_callbacks(execute=True):
        deleted(run, member, instructor)
    assert not of_course.folder.exists()
    assert of_run.folder.exists() == (deleted is _person), "a run's archive names nobody"
    assert not ArchiveExport.objects.filter(team=None).exists()
    of_course.status = ExportStatus.WRITING
    of_course.folder.mkdir()
    of_course.part_path.write_bytes(b"it was being written")
    assert archive_exports._keep(of_course) == "superseded"
    assert not of_course.folder.exists()


def test_folders_that_no_export_names_go_after_an_hour(db, settings):
    import os

    stray = settings.VAR_DIR / "exports" / "3b9aca00-0000-4000-8000-000000000000"
    stray.mkdir(parents=True)
    assert archive_exports.sweep() == 0
    os.utime(stray, (0, 0))
    assert archive_exports.sweep() == 1
    assert not stray.exists()


@pytest.mark.django_db(transaction=True)
def test_all_of_a_courses_file_is_of_one_moment(course, team, instructor):
    """What others write while it is being written is not in it, and they need not wait."""
    with archive.one_moment():
        before = course.teams.count()
        assert before == 1
        from concurrent.futures import ThreadPoolExecutor

        from django.db import connection

        if connection.vendor == "sqlite" and "memory" in str(connection.settings_dict["NAME"]):
            return  # one connection for all threads: nobody else can write

        def another() -> None:
            factories.make_team(course, "Late")
            connection.close()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(another).result()
        assert course.teams.count() == before
    assert course.teams.count() == before + 1
