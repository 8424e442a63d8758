"""What people are told of their data, what they get of it, and the proof that it is gone."""

import io
import json
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.utils import timezone

from courseplatform import data_map, person_data
from courseplatform.jobs import write_person_export
from teams import places
from teams.models import (
    AuditEntry,
    Course,
    ErasureProof,
    Notice,
    PersonExport,
    PersonExportState,
    PolicyKind,
    PolicyText,
    User,
)
from teams.services import erasing, person_exports, policies, proofs, retention_notice, second_factor
from teams.services.refused import CourseRefused
from tests import factories

# --- The data map --------------------------------------------------------------------------------------------------------


def test_every_table_is_told_on_the_data_map_and_nothing_else() -> None:
    """A new model: say in `courseplatform/data_map.py` what it holds, how long, and who sees it."""
    assert set(data_map.PLACES) == {model._meta.label_lower for model in apps.get_models()}
    assert len(data_map.PLACES) > 80


def test_a_table_that_names_people_is_told_to_be_personal() -> None:
    free = {"teams.erasureproof", "teams.policytext"}
    naming = {
        model._meta.label_lower
        for model in apps.get_models()
        if model._meta.app_label in person_data.OURS and "person" in person_data.lookups(model)
    }
    assert len(naming) > 15
    assert [label for label in sorted(naming - free) if not data_map.PLACES[label].personal] == []


def test_the_map_is_a_page(member, client_for) -> None:
    page = client_for(member).get("/privacy/data/").content.decode()
    assert "Second factor" in page and "backups" in page


# --- Notices -------------------------------------------------------------------------------------------------------------


def test_a_courses_text_goes_before_the_platforms_and_that_before_the_built_in(course, instructor, operator) -> None:
    def text(of: Course | None) -> str:
        return next(one.text for one in policies.shown(of) if one.kind == PolicyKind.GDPR)

    assert text(course) == policies.BUILT_IN[PolicyKind.GDPR]
    policies.save(course=None, kind=PolicyKind.GDPR, text="The platform's.", after=0, person=operator)
    assert text(course) == text(None) == "The platform's."
    policies.save(course=course, kind=PolicyKind.GDPR, text="The course's.", after=0, person=instructor)
    assert (text(course), text(None)) == ("The course's.", "The platform's.")


def test_each_change_is_a_version_and_none_is_lost_to_another_tab(course, instructor, client_for) -> None:
    client, path = client_for(instructor), f"/courses/{course.pk}/privacy/coppa/"
    assert client.post(path, {"text": "First", "after": 0}).status_code == 302
    late = client.post(path, {"text": "Second, from an old tab", "after": 0})
    assert late.status_code == 422
    page = late.content.decode()
    assert "Somebody else saved" in page and "Second, from an old tab" in page and "First" in page
    assert client.post(path, {"text": "Second", "after": 1}).status_code == 302
    assert list(PolicyText.objects.filter(course=course).values_list("number", "text")) == [(2, "Second"), (1, "First")]
    assert client.get(f"/courses/{course.pk}/privacy/nonsense/").status_code == 404


def test_a_notice_is_text_and_never_markup(course, instructor, member, client_for) -> None:
    policies.save(course=course, kind=PolicyKind.FERPA, text="<script>alert(1)</script>", after=0, person=instructor)
    assert "<script>alert" not in client_for(member).get(f"/courses/{course.pk}/privacy/").content.decode()


def test_strangers_read_the_platforms_notices_and_nobody_else_changes_them(db, instructor, client_for) -> None:
    assert "FERPA" in client_for(None).get("/privacy/").content.decode()
    assert client_for(instructor).post("/privacy/ferpa/", {"text": "x", "after": 0}).status_code == 403
    with pytest.raises(CourseRefused):
        policies.save(course=None, kind=PolicyKind.FERPA, text="x", after=3, person=instructor)


# --- One's own data ------------------------------------------------------------------------------------------------------


def files_of(person: User) -> dict[str, object]:
    out = io.BytesIO()
    person_data.write(person, out)
    with zipfile.ZipFile(out) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_a_person_gets_her_own_rows_and_no_secret(course, team, member, other_team, other_member) -> None:
    second_factor.begin_app(member)
    version = factories.make_dataset_version(team, person=member)
    factories.make_dataset_version(other_team, name="Theirs", person=other_member)
    files = files_of(member)
    text = json.dumps(files)
    assert "Mia Member" in text and version.dataset.name in text
    for strange in ("Otis Other", other_member.email, "Theirs", member.password, "sealed_secret", "session_key"):
        assert strange not in text, strange


def test_what_a_professor_gets_tells_neither_whose_bot_it_was_nor_what_it_cost(world, professor) -> None:
    files = files_of(professor)
    assert "evaluation.grading.json" in files
    blind = {name: rows for name, rows in files.items() if name.startswith("evaluation.")}
    text = json.dumps(blind)
    assert str(world.run) not in text and world.team.name not in text
    assert not {"teams.ledgerentry.json", "teams.hold.json"} & set(files)
    for name, rows in blind.items():
        for row in rows:  # type: ignore[attr-defined]
            assert not [key for key in row if key == "id" or key.endswith("_id")], name
            assert not [value for value in row.values() if isinstance(value, str) and "T" in value[10:11]], name


@pytest.fixture
def world(redis_server, team, professor):
    from tests.world import make_world

    return make_world(team, professor, "ourmark")


def test_the_worker_writes_the_file_and_only_she_gets_it(member, other_member, client_for, redis_server) -> None:
    client = client_for(member)
    client.post("/account/data/")
    export = PersonExport.objects.get(person=member)
    assert "is being made" in client.get("/account/data/").content.decode()
    assert client.get("/account/data/file/").status_code == 302
    assert write_person_export(export.pk)
    assert not write_person_export(export.pk), "once"
    body = b"".join(client.get("/account/data/file/").streaming_content)
    assert zipfile.is_zipfile(io.BytesIO(body))
    assert client_for(other_member).get("/account/data/file/").status_code == 302


def test_a_file_is_gone_after_a_day_and_a_worker_that_dies_is_given_up(
    member, other_member, redis_server, django_capture_on_commit_callbacks
) -> None:
    export = person_exports.ask(member)
    write_person_export(export.pk)
    folder = export.folder
    assert folder.exists()
    PersonExport.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    stuck = person_exports.ask(other_member)
    PersonExport.objects.filter(pk=stuck.pk).update(tries=3, tried_at=timezone.now() - timedelta(hours=1))
    with django_capture_on_commit_callbacks(execute=True):
        person_exports.sweep()
    assert not folder.exists()
    stuck.refresh_from_db()
    assert stuck.state == PersonExportState.FAILED


# --- Erasure and its proof -----------------------------------------------------------------------------------------------


def test_an_erasure_leaves_a_proof_that_names_nobody(course, team, member, instructor, client_for, settings) -> None:
    settings.BACKUP_KEPT_DAYS = 10
    client_for(member)  # is signed in somewhere
    address = member.email
    erasing.erase(membership=member.memberships.get(), person=instructor)
    proof = ErasureProof.objects.get()
    assert proof.database["accounts"] == 1 and proof.database["sign-ins"] == 1
    assert proof.backups_until == timezone.localdate() + timedelta(days=10)
    kept = json.dumps([proof.what, proof.subject, proof.database, proof.files, proof.provider])
    assert "Mia" not in kept and address not in kept
    page = client_for(instructor).get(f"/courses/{course.pk}/erasures/", {"q": address.upper()}).content.decode()
    assert proof.subject[:12] in page
    nothing = client_for(instructor).get(f"/courses/{course.pk}/erasures/", {"q": "else@example.edu"})
    assert proof.subject[:12] not in nothing.content.decode()
    told = client_for(instructor).get(f"/courses/{course.pk}/erasures/", {"as": "json"}).json()
    assert told[0]["subject"] == proof.subject


def test_an_erasure_takes_the_file_of_her_own_data_and_her_second_factor_along(
    course, member, instructor, redis_server, django_capture_on_commit_callbacks
):
    export = person_exports.ask(member)
    write_person_export(export.pk)
    assert export.folder.exists()
    second_factor.begin_app(member)
    with django_capture_on_commit_callbacks(execute=True):
        erasing.erase(membership=member.memberships.get(), person=instructor)
    assert not export.folder.exists()
    assert not PersonExport.objects.exists() and not hasattr(User.objects.get(pk=member.pk), "totp_device")


def test_a_manifest_says_what_was_kept_where_without_saying_what_was_in_it(db, settings) -> None:
    settings.HOST_NAME = "web-1"
    place = places.of_run(uuid4())
    folder = places.folder_of(place)
    assert [(one["where"], one["files"]) for one in proofs.manifest("files", [place])] == [("disk of web-1", 0)]
    folder.mkdir(parents=True)
    (folder / "a").write_text("secret")
    told = proofs.manifest("files", [place])
    assert [(one["where"], one["files"], one["bytes"]) for one in told] == [("disk of web-1", 1, 6)]
    assert "secret" not in json.dumps(told)
    (folder / "b").write_text("more")
    assert proofs.manifest("files", [place]) != told


# --- Retention -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(course: Course) -> Course:
    """Its students' names were to be kept until yesterday."""
    yesterday = timezone.localdate() - timedelta(days=1)
    Course.objects.filter(pk=course.pk).update(ends_on=yesterday - timedelta(days=30), keep_days=30)
    course.refresh_from_db()
    return course


def days_pass(course: Course, days: int) -> None:
    """As if it had been told so long ago."""
    told = timezone.localdate() - timedelta(days=days)
    Course.objects.filter(pk=course.pk).update(erasure_told_at=told)


def test_nobody_is_erased_before_it_was_announced_and_a_week_went_by(ended, team, member) -> None:
    assert erasing.apply_retention() == 0, "nobody was told"
    assert retention_notice.announce() == 1
    assert retention_notice.announce() == 0, "once"
    assert Notice.objects.filter(person=member, text__contains="are removed").count() == 1
    assert AuditEntry.objects.filter(course=ended, action="erasure announced").exists()
    days_pass(ended, 6)
    assert erasing.apply_retention() == 0
    days_pass(ended, 7)
    assert erasing.apply_retention() == 1
    assert AuditEntry.objects.filter(course=ended, action="personal data erased").exists()
    assert ErasureProof.objects.count() == 1


def test_a_day_that_was_moved_is_announced_anew(ended, team, member) -> None:
    retention_notice.announce()
    days_pass(ended, 20)
    Course.objects.filter(pk=ended.pk).update(keep_days=29)
    assert erasing.apply_retention() == 0, "of this day nobody was told"
    assert retention_notice.announce() == 1
    assert erasing.apply_retention() == 0
