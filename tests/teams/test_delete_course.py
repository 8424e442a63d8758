"""A course is deleted whole, after an export and not by accident; nothing else of the platform goes with it."""

import io
import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db.models import ProtectedError
from django.utils import timezone

from courseplatform import archive, removing
from evaluation.models import RubricVersion
from teams.models import AuditEntry, Course, ErasureProof, Membership, Role, Team, User
from teams.services import audit, money
from tests import factories
from tests.evaluation.conftest import make_run
from tests.exporting import download
from tests.scripted_provider import server as scripted
from tests.security.archive_tools import brought
from tests.teams.test_archive import MARK, fill
from training.models import RunStatus, TrainingRun
from training.services import cloud


@pytest.fixture(autouse=True)
def no_pause_before_another_try(monkeypatch):
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0)


@pytest.fixture
def full(course, team, professor, instructor):
    fill(course, team, professor)
    return course


@pytest.fixture
def exported(full, instructor):
    audit.record(course=full, person=instructor, action=removing.EXPORTED, what=str(full))
    return full


def rows():
    own = ("teams", "datasets", "training", "evaluation")
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.app_label in own and model._meta.label not in OUTLIVING
    }


OUTLIVING = (
    "teams.AuditEntry",  # the platform's record of the deletion itself
    "teams.User",
    "teams.ErasureProof",  # says that the course is gone, so it comes with the deletion: looked at by itself
    "teams.SignedInBrowser",  # a person's, not a course's: looked at by itself
)


def delete(client, course, name=None):
    return client.post(f"/courses/{course.pk}/delete/", {"name": course.name if name is None else name}, follow=True)


def test_everything_of_the_course_goes_and_everything_of_another_stays(
    client_for, other_course, other_course_team, instructor, course, team, professor, django_capture_on_commit_callbacks
):
    grader = factories.make_person("Far Professor")
    factories.enrol(other_course, grader, Role.PROFESSOR)
    fill(other_course, other_course_team, grader, mark="farmark")
    before = rows()
    fill(course, team, professor)
    client_for(team.memberships.get().person)  # a student of this course alone is signed in somewhere
    folder = TrainingRun.objects.get(team=team).folder
    far_folder = TrainingRun.objects.get(team=other_course_team).folder
    download(client_for(instructor), course)
    with django_capture_on_commit_callbacks(execute=True):
        page = delete(client_for(instructor), course).content.decode()
    assert "is deleted." in page
    fresh = {"teams.Course", "teams.Team", "teams.Membership", "teams.BudgetAccount", "teams.CourseAccount"}
    after = rows()
    assert {name: n for name, n in after.items() if name not in fresh and n != before[name]} == {}
    assert (Course.objects.get(), Team.objects.get()) == (other_course, other_course_team)
    assert not folder.exists()
    assert far_folder.exists()
    assert RubricVersion.objects.filter(course=None).exists()
    proof = ErasureProof.objects.get()
    assert (proof.course, proof.what, proof.database["teams.Course"]) == (None, "a whole course", 1)
    assert str(course) not in json.dumps([proof.subject, proof.database, proof.files, proof.provider])
    left = {person.email for person in User.objects.filter(signed_in_browsers__isnull=False)}
    assert left == {instructor.email}, "who only was in this course is signed in nowhere"


def test_it_is_on_the_platforms_record_with_what_was_lost(exported, client_for, instructor):
    name = str(exported)
    delete(client_for(instructor), exported)
    entry = AuditEntry.objects.get(action="course deleted")
    assert (entry.person, entry.what, entry.course) == (instructor, name, None)
    assert entry.before == {"people": 3, "teams": 1, "runs": 1}


def test_the_file_that_was_exported_brings_it_back(full, instructor, member):
    out = io.BytesIO()
    archive.write(full, out)
    audit.record(course=full, person=instructor, action=removing.EXPORTED, what="x")
    removing.delete_course(course=full, person=instructor)
    assert not User.objects.filter(email=member.email).exists()
    again = brought(instructor, out.getvalue())
    run = TrainingRun.objects.get(team__course=again)
    assert MARK in run.name
    assert set(run.submissions.get().gradings.get().grade.scores.values_list("level", flat=True)) == {3}
    assert Membership.objects.filter(course=again, imported_email=member.email).exists()


def test_students_of_this_course_alone_go_with_it_and_everybody_else_stays(
    exported, client_for, other_course, member, other_member, professor, instructor
):
    factories.enrol(other_course, other_member, Role.STUDENT)
    delete(client_for(instructor), exported)
    left = set(User.objects.values_list("email", flat=True))
    assert member.email not in left
    assert {other_member.email, professor.email, instructor.email} <= left


def test_without_an_export_of_the_last_day_nothing_is_deleted(full, client_for, instructor):
    assert (
        "Take the course along as a file first"
        in client_for(instructor).get(f"/courses/{full.pk}/delete/").content.decode()
    )
    assert "Export the course first" in delete(client_for(instructor), full).content.decode()
    entry = audit.record(course=full, person=instructor, action=removing.EXPORTED, what="x")
    AuditEntry.objects.filter(pk=entry.pk).update(at=timezone.now() - timedelta(hours=25))
    assert delete(client_for(instructor), full).status_code == 422
    assert Course.objects.filter(pk=full.pk).exists()


@pytest.mark.parametrize("name", ["", "EDEL", "edel 4620"])
def test_another_name_deletes_nothing(exported, client_for, instructor, name):
    assert delete(client_for(instructor), exported, name).status_code == 422
    assert Course.objects.filter(pk=exported.pk).exists()


def test_running_work_is_waited_for(exported, client_for, instructor, team):
    TrainingRun.objects.filter(team=team).update(status=RunStatus.RUNNING)
    assert "still running" in delete(client_for(instructor), exported).content.decode()
    TrainingRun.objects.filter(team=team).update(status=RunStatus.SUCCEEDED)
    money.hold(team=team, key="a talk", amount=5)
    assert "still running" in delete(client_for(instructor), exported).content.decode()
    assert Course.objects.filter(pk=exported.pk).exists()


@pytest.fixture
def uploaded(exported, team, settings):
    """Two files of a run whose clean-up failed, at a provider that does not answer."""
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    settings.OPENAI_API_KEY = "sk-test"
    TrainingRun.objects.filter(team=team).update(provider_files=["file-one", "file-two"])
    return exported


def test_rows_that_are_still_at_the_provider_are_deleted_there_first(
    uploaded, client_for, instructor, settings, team, tmp_path
):
    with scripted.started(tmp_path / "provider") as provider:
        settings.OPENAI_BASE_URL = f"{provider.url}/v1"
        files = [provider.upload(scripted.child_rows(12)) for _ in range(2)]
        TrainingRun.objects.filter(team=team).update(provider_files=files)
        assert "is deleted." in delete(client_for(instructor), uploaded).content.decode()
        assert list(provider.client.files.list()) == []
    assert AuditEntry.objects.get(action="course deleted").before == {"people": 3, "teams": 1, "runs": 1}


@pytest.mark.parametrize("key", ["sk-test", ""])
def test_a_provider_that_does_not_answer_keeps_the_course_and_its_files_are_named(
    uploaded, client_for, instructor, settings, key
):
    settings.OPENAI_API_KEY = key
    answer = delete(client_for(instructor), uploaded)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "still at the provider" in page and "file-one" in page and "Try again in some minutes" in page
    assert TrainingRun.objects.get(team__course=uploaded).provider_files == ["file-one", "file-two"]


def test_files_that_an_instructor_takes_over_are_on_record(uploaded, client_for, instructor):
    address, said = f"/courses/{uploaded.pk}/delete/", {"name": uploaded.name, "leave_uploads": "on"}
    assert "is deleted." in client_for(instructor).post(address, said, follow=True).content.decode()
    entry = AuditEntry.objects.get(action="course deleted")
    lost = {"people": 3, "teams": 1, "runs": 1}
    assert entry.before == lost | {"files left at the provider": ["file-one", "file-two"]}


def test_the_files_of_a_job_that_runs_stay(uploaded, client_for, instructor, team, monkeypatch):
    monkeypatch.setattr(cloud, "clean_up", lambda run: pytest.fail("the job needs them"))
    TrainingRun.objects.filter(team=team).update(status=RunStatus.WAITING)
    assert "still running" in delete(client_for(instructor), uploaded).content.decode()


def test_a_course_cannot_go_by_any_other_way(full, team):
    for row in (full, team, TrainingRun.objects.get(team=team)):
        with pytest.raises(ProtectedError):
            row.delete()


def test_students_and_professors_delete_nothing(exported, client_for, member, professor):
    for person in (member, professor):
        assert delete(client_for(person), exported).status_code == 403
    assert Course.objects.filter(pk=exported.pk).exists()


def test_an_empty_team_is_removed_and_its_people_stay(client_for, course, team, member, instructor):
    page = client_for(instructor).post(f"/courses/{course.pk}/teams/{team.pk}/remove/", follow=True).content.decode()
    assert "Its people are still in the course" in page
    assert not Team.objects.filter(pk=team.pk).exists()
    assert member.memberships.get().team is None
    assert AuditEntry.objects.filter(action="team removed", what="Maple").exists()


def test_a_team_that_worked_stays_on_record(client_for, course, team, instructor):
    make_run(team)
    page = client_for(instructor).post(f"/courses/{course.pk}/teams/{team.pk}/remove/", follow=True).content.decode()
    assert "Move its people to other teams instead" in page
    assert Team.objects.filter(pk=team.pk).exists()
