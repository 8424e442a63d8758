# ruff: noqa: F811  (fixtures of the honest archives are imported by their names)
"""Finding 10: what an archive unpacks to is reserved against a quota before any of it is kept."""

import re
import shutil
from collections import namedtuple

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from courseplatform.course_archive import artefacts
from courseplatform.course_archive.rows import ArchiveRefused
from datasets.models import Dataset
from teams import sandbox
from teams.models import Course, DiskAccount, DiskKind, DiskUse
from teams.services import disk
from tests.security.archive_tools import opened_here
from tests.security.test_archives import bring, files_now, honest, importer, tables_now  # noqa: F401
from tests.security.test_run_archive import bring as bring_run
from tests.security.test_run_archive import files_of
from tests.training.conftest import *  # noqa: F403  (a run of each method, as the training services leave it)
from tests.training.test_import_bundle import finished, lora_shape, members_of, zipped  # noqa: F401
from training.models import TrainingRun
from training.services import imported
from training.services.imported import ImportRefused

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(sandbox, "opened", opened_here)


def test_a_course_that_does_not_fit_is_refused_before_any_row_or_file_of_it_is_kept(
    honest, importer, settings, monkeypatch
):
    monkeypatch.setattr(artefacts.Artefacts, "keep", lambda _: pytest.fail("a file was kept"))
    settings.COURSE_DISK_BYTES = 1_000
    before, files = tables_now(), files_now(settings.VAR_DIR)
    with pytest.raises(ArchiveRefused) as told:
        bring(honest, importer)
    said = r"Unpacked this course has \d+ KB, and a new course may keep 1 KB .* Nothing was kept\. .*ask whoever runs"
    assert re.match(said, str(told.value))
    assert tables_now() == before
    assert files_now(settings.VAR_DIR) == files


def test_a_course_that_the_machine_has_no_room_for_is_refused(honest, importer, settings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, settings.DISK_LEFT_FREE_BYTES + 2_000))
    before = tables_now()
    with pytest.raises(ArchiveRefused, match=r"2 KB are free for it .* Nothing was kept\. Ask whoever runs"):
        bring(honest, importer)
    assert tables_now() == before


def test_what_came_with_a_course_is_counted_by_team_when_it_opens(honest, importer, settings):
    made = bring(honest, importer)
    (team,) = made.teams.all()
    uses = dict(DiskUse.objects.filter(account__team=team).values_list("kind", "size"))
    run_files = sum(disk.size_of(run.folder) for run in TrainingRun.objects.filter(team=team))
    assert run_files > 0
    assert uses[DiskKind.RUN] == run_files
    assert uses[DiskKind.ROWS] > 0
    whole = DiskAccount.objects.get(course=made)
    assert whole.used == DiskAccount.objects.get(team=team).used == sum(uses.values())
    assert not whole.uses.exists(), "nothing stays reserved"


@pytest.mark.django_db
def test_a_course_archive_larger_than_a_course_may_be_is_refused_on_its_page(client_for, importer, settings):
    importer.user_permissions.add(Permission.objects.get(codename="add_course"))
    settings.COURSE_DISK_BYTES = 5
    file = SimpleUploadedFile("course.zip", b"PK and more", content_type="application/zip")
    answer = client_for(importer).post(reverse("course_import"), {"file": file})
    assert answer.status_code == 422
    assert "This archive has 1 KB; a course may keep 1 KB on this machine." in answer.content.decode()
    assert not Course.objects.filter(name="course").exists()


@pytest.mark.usefixtures("lora_shape")
@pytest.mark.parametrize("files_fit", [False, True])
def test_a_run_whose_files_or_rows_do_not_fit_is_refused_in_a_sentence(
    finished, other_team, other_member, settings, monkeypatch, files_fit
):
    file = zipped(members_of(finished()))
    disk.set_limit(course=other_team.course, team=other_team, limit=10, person=other_member)
    before = (TrainingRun.objects.count(), Dataset.objects.count(), files_of(settings))
    if files_fit:
        monkeypatch.setattr(imported._Arrival, "_reserve_disk", lambda _: None)
    with pytest.raises(ImportRefused, match=r"Your team uses .* needs .* more\. Nothing was kept\."):
        bring_run(file.read(), other_team, other_member)
    assert (TrainingRun.objects.count(), Dataset.objects.count(), files_of(settings)) == before
    assert DiskAccount.objects.get(team=other_team).used == 0
