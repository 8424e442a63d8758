import io
import json
import zipfile
from datetime import timedelta

import django_rq
import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from rq import SimpleWorker

from courseplatform import archive
from courseplatform.course_archive.bringing import bring_course
from courseplatform.course_archive.rows import ArchiveRefused
from datasets.services import reading
from evaluation.models import GradeStatus, RubricVersion
from evaluation.services import gradebook, gradings, submissions
from teams import sandbox
from teams.models import ArchiveKind, Confidence, Course, Hold, LedgerEntry, LedgerSum, Method, Price, Role, User
from teams.services import imported_people, money, plan
from tests import factories
from tests.evaluation.conftest import make_run
from tests.exporting import download
from tests.security.archive_tools import arrived, opened_here
from training.models import Artifact, RunStatus, TrainingRun

MARK = "sequoiamark"


@pytest.fixture(autouse=True)
def sandbox_here(monkeypatch):
    """The child's code in this process; `tests/security/test_archives.py` runs it in a real one."""
    monkeypatch.setattr(sandbox, "opened", opened_here)


def read(file, *, person):
    """As the worker does it, on this test's connection."""
    import_ = arrived(ArchiveKind.COURSE, person, file.getvalue())
    return bring_course(import_=import_, beat=lambda stage: None)


def fill(course, team, professor, mark=MARK):
    """A course with one of everything that its life leaves behind."""
    member = team.memberships.get().person
    plan.start_plan(course)
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{mark} {n}"}]}
        for n in range(12)
    ]
    factories.make_dataset_version(team, rows, name=f"{mark} data", person=member)
    run = make_run(team, name=f"{mark} run")
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").write_text(f'{{"of": "{mark}"}}')
    Artifact.objects.create(run=run, path="result.json", sha256="0" * 64, size=1)
    money.hold(team=team, key=run.hold_key, paid_for=run.paid_for, amount=50)
    charge = money.Charge("run", str(run.key), Method.LORA, "local", "tiny", 40, mark, Confidence.EXACT)
    money.settle(key=run.hold_key, charge=charge)
    talk = run.conversations.create(person=member, title=mark)
    talk.turns.create(position=1, question=f"{mark}?", answer="Um.", status="done")
    factories.assign(team, professor)
    submission = submissions.submit(team=team, run=run, person=member)
    gradings.ensure_gradings(course=course)
    grade = submission.gradings.get().grade
    grade.scores.update(level=3, comment=f"{mark} says so")
    grade.status = GradeStatus.COMMITTED
    grade.save()


@pytest.fixture
def full(course, team, professor, instructor):
    fill(course, team, professor)
    return course


def exported(course) -> io.BytesIO:
    out = io.BytesIO()
    archive.write(course, out)
    out.seek(0)
    return out


def counts(course) -> dict[str, int]:
    return {
        archive.label(model): model._default_manager.filter(**{archive.paths()[model][0]: course.pk}).count()
        for model in archive.in_order()
        if archive.label(model) not in ("teams.auditentry", "teams.membership", "training.basemodel")
    }


def test_a_course_comes_back_whole(full, instructor):
    made = read(exported(full), person=instructor)
    assert made != full
    assert counts(made) == counts(full)
    assert sum(1 for number in counts(made).values() if number) > 15, "this must not pass by exporting nothing"
    before, after = gradebook.course_results(full)[0], gradebook.course_results(made)[0]
    assert (after.overall, after.submission.rubric) == (before.overall, before.submission.rubric)
    team = made.teams.get()
    version = team.datasets.get().versions.get()
    assert [row.messages for row in reading.stored_rows(version)] == [
        row.messages for row in reading.stored_rows(full.teams.get().datasets.get().versions.get())
    ]
    run = team.runs.get()
    assert json.loads((run.folder / "result.json").read_text()) == run.result
    assert run.result["system_prompt"] == full.teams.get().runs.get().result["system_prompt"]
    assert run.result_model == f"run-{run.key}"
    assert run.created_at == full.teams.get().runs.get().created_at


def test_the_imported_ledger_replays_and_leads_to_the_imported_run(full, instructor):
    made = read(exported(full), person=instructor)
    entry = LedgerEntry.objects.get(account__team__course=made)
    run = TrainingRun.objects.get(team__course=made)
    assert entry.purpose is not None
    assert (entry.purpose.kind, entry.purpose.key, entry.subject_id) == ("run", run.key, str(run.key))
    assert Hold.objects.get(run.paid_for.rows()).key == entry.key != run.hold_key
    assert made.teams.get().account.spent == entry.after == 40


def test_an_imported_correction_belongs_to_the_imported_charge(full, instructor):
    before = LedgerEntry.objects.get()
    money.correct(entry=before, delta=-15, why="not on the bill")
    made = read(exported(full), person=instructor)
    charge, correction = LedgerEntry.objects.filter(account__team__course=made).order_by("id")
    assert (correction.corrects, correction.purpose) == (charge, charge.purpose)
    assert correction.for_time == charge.for_time == before.for_time
    uses = LedgerSum.objects.filter(account__team__course=made, field="use")
    assert list(uses.values_list("group", "cost")) == [("lora", 25)]
    assert money.correct(entry=charge, delta=-1, why="again") is None


def test_a_charge_from_a_file_of_before_there_were_corrections_keeps_its_day(full, instructor):
    old = LedgerEntry.objects.get().at - timedelta(days=40)
    LedgerEntry.objects.update(at=old)
    with zipfile.ZipFile(exported(full)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    row = json.loads(members["teams.ledgerentry.jsonl"])
    del row["for_time"]
    members["teams.ledgerentry.jsonl"] = json.dumps(row).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    made = read(out, person=instructor)
    assert LedgerEntry.objects.get(account__team__course=made).for_time == old


def test_elsewhere_people_are_names_until_they_are_invited(full, member, professor, instructor):
    file = exported(full)
    addresses = {person.pk: person.email for person in (member, professor, instructor)}
    for person in (member, professor, instructor):
        User.objects.filter(pk=person.pk).update(email=f"other-{person.pk}@example.edu")
    importer = factories.make_person("Importer")
    before = User.objects.count()
    made = read(file, person=importer)
    assert User.objects.filter(email__in=addresses.values()).count() == 0
    by_address = {one.imported_email: one for one in made.memberships.select_related("person", "team")}
    imported = by_address[addresses[member.pk]]
    assert imported.team == made.teams.get()
    assert by_address[addresses[professor.pk]].role == "professor"
    assert [one.person for one in made.memberships.filter(active=True)] == [importer]
    assert made.memberships.get(person=importer).role == "instructor"
    assert not imported.person.has_usable_password()
    assert not imported.person.is_active

    known = factories.make_person("Ana Elsewhere", addresses[member.pk])
    imported_people.invite(membership=imported, person=importer)
    imported.refresh_from_db()
    assert (imported.person, imported.active, imported.imported_email) == (known, True, "")
    assert made.teams.get().runs.get().conversations.get(submission=None).person == known
    assert imported_people.invite_all(course=made, person=importer) == (2, [])
    assert User.objects.count() == before + 3, "names become the people they stood for"


def test_no_other_courses_row_and_no_secret_is_in_the_file(full, other_course, other_course_team, settings):
    stranger = factories.make_person("Far Professor")
    factories.enrol(other_course, stranger, Role.PROFESSOR)
    fill(other_course, other_course_team, stranger, "strangemark")
    Price.objects.create(
        course=other_course, provider="strangemark", model="m", kind="input", per_million=1,
        effective_from="2026-01-01", source="s",
    )  # fmt: skip
    with zipfile.ZipFile(exported(full)) as file:
        text = b"".join(file.read(name) for name in file.namelist()).decode()
    assert MARK in text
    for hidden in (
        "strangemark",
        stranger.email,
        full.student_code,
        full.professor_code,
        settings.SECRET_KEY,
        "password",
    ):
        assert hidden not in text


def test_the_own_rubric_stays_the_own_one(full, instructor):
    own = RubricVersion.objects.create(course=full, number=1, name="Ours")
    made = read(exported(full), person=instructor)
    assert made.rubrics.get().name == "Ours"
    assert own.course == full
    assert RubricVersion.objects.filter(course=None).count() == 1


def test_a_course_with_running_work_is_not_exported(client_for, full, team, instructor):
    TrainingRun.objects.filter(team=team).update(status=RunStatus.RUNNING)
    page = client_for(instructor).post(f"/courses/{full.pk}/export/", follow=True).content.decode()
    assert "still running" in page
    TrainingRun.objects.filter(team=team).update(status=RunStatus.SUCCEEDED)
    money.hold(team=team, key="turn-1", amount=0)
    with pytest.raises(archive.ArchiveRefused):
        archive.write(full, io.BytesIO())
    Hold.objects.update(state="released")
    assert download(client_for(instructor), full).startswith(b"PK")


def changed(file: io.BytesIO, name: str, text: str) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as target:
        for one in source.namelist():
            target.writestr(one, text if one == name else source.read(one))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("about.json", '{"format": 99}'),
        ("about.json", "not json"),
        ("teams.team.jsonl", '{"id": 1}\n'),
        ("teams.course.jsonl", ""),
        ("training.trainingrun.jsonl", "[1, 2]\n"),
    ],
)
def test_a_damaged_archive_is_refused_whole(full, instructor, name, text):
    before = Course.objects.count()
    with pytest.raises((ArchiveRefused, sandbox.Refused)):
        read(changed(exported(full), name, text), person=instructor)
    assert Course.objects.count() == before


def test_a_file_cannot_be_written_outside_its_runs_folder(full, instructor, settings):
    file = exported(full)
    with zipfile.ZipFile(file) as source:
        rows = source.read("training.artifact.jsonl").decode()
        key = str(full.teams.get().runs.get().key)
    forged = changed(file, "training.artifact.jsonl", rows.replace('"result.json"', '"../../escaped"'))
    with zipfile.ZipFile(forged, "a") as target:
        target.writestr(f"runs/{key}/../../escaped", "out")
    with pytest.raises(sandbox.Refused, match="points outside"):
        read(forged, person=instructor)
    named = changed(exported(full), "training.artifact.jsonl", rows.replace('"result.json"', '"../../escaped"'))
    with pytest.raises(ArchiveRefused, match=r"training.artifact.jsonl, line 1, path: .* leaves no such file"):
        read(named, person=instructor)
    assert not list(settings.VAR_DIR.parent.rglob("escaped"))


def test_a_forged_run_cannot_answer_with_another_courses_adapter(full, other_course_team, instructor):
    strange = make_run(other_course_team)
    file = exported(full)
    with zipfile.ZipFile(file) as source:
        row = json.loads(source.read("training.trainingrun.jsonl"))
    row["result_model"] = f"run-{strange.key}"
    made = read(changed(file, "training.trainingrun.jsonl", json.dumps(row)), person=instructor)
    assert made.teams.get().runs.get().result_model != f"run-{strange.key}"


@pytest.mark.django_db(transaction=True)
def test_only_who_may_create_courses_imports_one_in_the_browser(client_for, full, instructor, redis_server):
    file = exported(full)
    assert client_for(instructor).get("/courses/import/").status_code == 403
    instructor.user_permissions.add(Permission.objects.get(codename="add_course"))
    client = client_for(User.objects.get(pk=instructor.pk))
    waiting = client.post("/courses/import/", {"file": SimpleUploadedFile("x.zip", b"no zip")})
    assert "waits for a free worker" in client.get(waiting["Location"]).content.decode()
    work()
    assert "This is not a zip file" in client.get(waiting["Location"]).content.decode()
    waiting = client.post("/courses/import/", {"file": SimpleUploadedFile("x.zip", file.getvalue())})
    work()
    page = client.get(waiting["Location"], follow=True).content.decode()
    assert "is here, with its data, runs and grades" in page


def work():
    queue = django_rq.get_queue("files")
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)
