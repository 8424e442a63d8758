"""Findings 1 and 6: a course archive that anybody may have made brings one course, and nothing outside it."""

import io
import json
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courseplatform import archive, removing
from courseplatform.course_archive import bringing
from courseplatform.course_archive.bringing import bring_course, read_course_archive
from courseplatform.course_archive.rows import ArchiveRefused
from courseplatform.course_archive.tables import TABLES
from evaluation.models import (
    BetterAnswer,
    CalibrationRule,
    Conversation,
    Criterion,
    GradeScale,
    Interview,
    RubricVersion,
)
from teams import sandbox
from teams.models import (
    ArchiveImport,
    ArchiveKind,
    ArchiveStatus,
    AuditEntry,
    BudgetAccount,
    Confidence,
    Course,
    Hold,
    HoldState,
    LedgerEntry,
    Method,
    Price,
    User,
)
from teams.services import archive_imports, audit, billing, money
from tests import factories
from tests.evaluation.conftest import make_run
from tests.security.archive_tools import arrived, hostile_zips, opened_here, unzipped, zipped
from tests.world import make_world
from training.models import BaseModel, DeletedRun, Hosting, RunVerdict, TrainingRun
from training.services.checkpoints import NoCheckpoint, keep_checkpoint
from training.services.endpoints import NotReady, endpoint_for

OURS = ("teams", "datasets", "training", "evaluation")
RUNS, PRICES, BASES = "training.trainingrun.jsonl", "teams.price.jsonl", "training.basemodel.jsonl"
pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(sandbox, "opened", opened_here)


@pytest.fixture
def honest(course, team, professor):
    """The archive of a course that has one of everything, as its members."""
    world = make_world(team, professor, "ourmark")
    Interview.objects.update(status="done")
    Hold.objects.filter(state=HoldState.OPEN).update(state=HoldState.RELEASED)
    BudgetAccount.objects.update(held=0)
    course.account.__class__.objects.update(held=0)
    cloud = make_run(team, Method.OPENAI, name="cloud")
    Price.objects.create(
        course=course, provider="openai", model="gpt-test", kind="input", per_million=5, effective_from="2026-01-01", source="s"
    )  # fmt: skip
    assert world.run.pk != cloud.pk
    CalibrationRule.objects.create(course=course)
    GradeScale.objects.create(course=course, title="Second-grader", points=50, weights={"vocabulary": 2}, shares=[])
    BetterAnswer.objects.create(
        run=world.run, turn=world.turn, answer="ourmark!", person=world.turn.conversation.person
    )
    counted = dict.fromkeys(("asked", "changed", "language", "childlike", "repeats", "sums", "right"), 1)
    RunVerdict.objects.create(run=world.run, of="checkpoint", step=1, measure="1", answers=[], **counted)
    DeletedRun.objects.create(team=team, number=90, name="gone", method=Method.LORA, key=uuid.uuid4())
    out = io.BytesIO()
    archive.write(course, out)
    return unzipped(out.getvalue())


@pytest.fixture
def importer():
    return factories.make_person("Ivo Importer", "ivo@example.edu")


def bring(members, person):
    file = members if isinstance(members, bytes) else zipped(members)
    return bring_course(import_=arrived(ArchiveKind.COURSE, person, file), beat=lambda stage: None)


def lines(members, name):
    return [json.loads(line) for line in members[name].splitlines()]


def with_lines(members, name, rows):
    return {**members, name: b"".join(json.dumps(row).encode() + b"\n" for row in rows)}


def changed(members, member, fields):
    """The first row of a member with other values."""
    rows = lines(members, member)
    rows[0] |= fields
    return with_lines(members, member, rows)


def tables_now():
    """Every row of every table of ours."""
    return {
        model._meta.label_lower: sorted(map(repr, model._default_manager.order_by().values_list()))
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in OURS and model is not ArchiveImport
    }


def files_now(var):
    return sorted((str(path), path.stat().st_size) for path in var.parent.rglob("*") if "archives" not in path.parts)


def test_one_of_everything_comes_back(here, honest, importer, course):
    """Each table has a row in this archive, so that each way of keeping a row is tried."""
    empty = [table.member for table in TABLES if not honest[table.member].strip()]
    assert set(empty) <= {"training.trainingpolicy.jsonl", "teams.budgetrequest.jsonl"} | EMPTY, empty
    made = bring(honest, importer)
    for model in archive.in_order():
        if archive.label(model) not in ("teams.auditentry", "teams.membership", "training.basemodel"):
            of = [
                model._default_manager.filter(**{archive.paths()[model][0]: one.pk}).count() for one in (made, course)
            ]
            assert of[0] == of[1], archive.label(model)
    again = io.BytesIO()
    archive.write(made, again)
    assert bring(unzipped(again.getvalue()), importer) != made, "what came in can leave and come in again"


EMPTY = {
    "teams.announcement.jsonl",
    "training.runevent.jsonl",
    "evaluation.calibration.jsonl",
    "evaluation.calibrationlevel.jsonl",
    "evaluation.interviewanswer.jsonl",
    "evaluation.adjudication.jsonl",
    "evaluation.turntag.jsonl",
    "evaluation.vote.jsonl",
    "evaluation.graderevision.jsonl",
    "datasets.draft.jsonl",
    "datasets.draftchange.jsonl",
    "datasets.rowcomment.jsonl",
    "datasets.rowapproval.jsonl",
    "datasets.frozensplit.jsonl",
    "teams.milestone.jsonl",
}


@pytest.mark.django_db(transaction=True)
def test_the_worker_reads_an_honest_archive_in_a_child_of_its_own(honest, importer):
    import_ = arrived(ArchiveKind.COURSE, importer, zipped(honest))
    ArchiveImport.objects.update(status=ArchiveStatus.WAITING)
    assert read_course_archive(import_id=import_.pk, attempt=1).startswith("course ")
    import_.refresh_from_db()
    assert import_.course is not None
    assert (import_.status, import_.course.memberships.get(active=True).person) == (ArchiveStatus.DONE, importer)
    assert not import_.folder.exists()


REFUSED = [
    ("an artefact that is a secret", "training.artifact.jsonl", {"path": "/etc/passwd"}, "line 1, path"),
    ("an artefact above", "training.artifact.jsonl", {"path": "../../secrets.json"}, "line 1, path"),
    ("an artefact of no method", "training.artifact.jsonl", {"path": "spec.json"}, "line 1, path"),
    ("a price for everyone", PRICES, {"course_id": None}, "line 1, course_id"),
    ("a price below nothing", PRICES, {"per_million": -1}, "teams.price.jsonl"),
    ("an audit entry of the platform", "teams.auditentry.jsonl", {"course_id": None}, "line 1, course_id"),
    ("an audit entry of tomorrow", "teams.auditentry.jsonl", {"at": "2099-01-01T00:00:00+00:00"}, "line 1, at"),
    ("a team of nobody", "teams.team.jsonl", {"course_id": None}, "line 1, course_id"),
    ("a team of another course", "teams.team.jsonl", {"course_id": 1 << 40}, "line 1, course_id"),
    ("a queued run", RUNS, {"status": "queued"}, "line 1, status"),
    ("a running run", RUNS, {"status": "running"}, "line 1, status"),
    ("a run of no status", RUNS, {"status": "x"}, "line 1, status"),
    ("an endless attempt", RUNS, {"attempt": 10**12}, "line 1, attempt"),
    ("a run that is a list", RUNS, {"settings": []}, "line 1, settings"),
    ("a hold that is open", "teams.hold.jsonl", {"state": "open"}, "line 1, status"),
    ("money that is held", "teams.budgetaccount.jsonl", {"held": 5}, "is held"),
    ("money that was not spent", "teams.budgetaccount.jsonl", {"spent": 5}, "ledger adds up"),
    ("a ledger that jumps", "teams.ledgerentry.jsonl", {"before": 7, "after": 57}, "line 1, before"),
    ("a queued interview", "evaluation.interview.jsonl", {"status": "queued"}, "line 1, status"),
    ("a turn that is being answered", "evaluation.turn.jsonl", {"status": "streaming"}, "line 1, status"),
    ("an address that is none", "people.jsonl", {"email": "x"}, "line 1, email"),
    ("a staff account", "people.jsonl", {"is_staff": True}, "line 1, is_staff"),
    ("a password", "people.jsonl", {"password": "x"}, "line 1, password"),
    ("a field of no table", "teams.team.jsonl", {"is_open": True}, "line 1, is_open"),
    ("a key of ours", "teams.team.jsonl", {"pk": 1}, "line 1, pk"),
    ("a text for a number", "teams.course.jsonl", {"team_size": "5"}, "line 1, team_size"),
    ("a team of thousands", "teams.course.jsonl", {"team_size": 5000}, "line 1, team_size"),
    ("a list for a text", "teams.course.jsonl", {"name": ["x"]}, "line 1, name"),
    ("a name without end", "teams.course.jsonl", {"name": "x" * 500}, "line 1, name"),
    ("a NUL", "teams.course.jsonl", {"name": "a\x00b"}, "line 1, name"),
    ("a course in the year 1", "teams.course.jsonl", {"created_at": "0001-01-01T00:00:00+00:00"}, "line 1, created_at"),
    ("other rows", "datasets.datasetversion.jsonl", {"content_hash": "0" * 64}, "line 1, content_hash"),
    ("rows that are no rows", "datasets.rowblock.jsonl", {"rows": {"base64": "AAAA"}}, "line 1, rows"),
    ("a rubric of no course with other criteria", "evaluation.criterion.jsonl", {"rubric_id": 1 << 40}, "rubric_id"),
]


@pytest.mark.parametrize(("name", "fields", "said"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_may_not_come_is_refused_by_member_and_field(here, honest, importer, settings, name, fields, said):
    before, files = tables_now(), files_now(settings.VAR_DIR)
    with pytest.raises((sandbox.Refused, ArchiveRefused)) as told:
        bring(changed(honest, name, fields), importer)
    assert name.removesuffix(".jsonl") in str(told.value)
    assert said in str(told.value)
    assert tables_now() == before
    assert files_now(settings.VAR_DIR) == files


@pytest.mark.parametrize("both", [True, False])
def test_a_grade_that_is_of_a_bot_and_of_a_presentation_or_of_neither_is_refused(honest, importer, both):
    """Whose it is follows from what it is of."""
    rows = lines(honest, "evaluation.grade.jsonl")
    heard = next(row for row in rows if row["hearing_id"] is not None)
    of_a_bot = next(row["grading_id"] for row in rows if row["grading_id"] is not None)
    heard |= {"grading_id": of_a_bot} if both else {"hearing_id": None}
    with pytest.raises(ArchiveRefused, match="of a grading or of a hearing"):
        bring(with_lines(honest, "evaluation.grade.jsonl", rows), importer)


@pytest.mark.parametrize(
    "member",
    ["teams.user.jsonl", "teams.notice.jsonl", "auth.group.jsonl", "runs/x/y", "x.py", "training.endpointkey.jsonl"],
)
def test_a_table_that_is_not_on_the_list_is_refused_by_its_name(here, honest, importer, member):
    with pytest.raises(sandbox.Refused, match=member):
        bring({**honest, member: b"{}"}, importer)


def test_every_hostile_zip_is_refused_in_a_sentence_and_leaves_nothing(here, honest, importer, settings):
    before, files = tables_now(), files_now(settings.VAR_DIR)
    for wrong, file in hostile_zips(honest).items():
        with pytest.raises((sandbox.Refused, ArchiveRefused)) as told:
            bring(file, importer)
        assert str(told.value).endswith("."), (wrong, told.value)
    assert tables_now() == before
    assert files_now(settings.VAR_DIR) == files


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    "content",
    [DEEP, b'{"id": 1e999}', b'{"id": NaN}', b'{"id": "\xff"}', b"[]", b"9" * 100_000, b'{"id": %d}' % 10**60],
)
@pytest.mark.parametrize("name", ["about.json", "people.jsonl", "teams.course.jsonl", RUNS, "training.runevent.jsonl"])
def test_json_of_every_hostile_kind_is_refused_by_its_name(here, honest, importer, name, content):
    with pytest.raises((sandbox.Refused, ArchiveRefused), match=name.replace(".", "[.]")):
        bring({**honest, name: content}, importer)


def test_nobody_gets_a_role_because_a_file_names_their_address(here, honest, importer, member, professor):
    """Not even an inactive one: the old import made them members, and a course's retention could erase their account."""
    before = {person.pk: list(person.memberships.values_list("pk")) for person in User.objects.all()}
    names = dict(User.objects.values_list("pk", "name"))
    rows = [row | {"name": "Forged"} for row in lines(honest, "people.jsonl")]
    made = bring(with_lines(honest, "people.jsonl", rows), importer)
    for person in User.objects.filter(pk__in=before).exclude(pk=importer.pk):
        assert list(person.memberships.values_list("pk")) == before[person.pk]
        assert person.name == names[person.pk]
    assert made.memberships.filter(active=True).get().person == importer
    rest = made.memberships.exclude(person=importer)
    assert rest.count() >= 2
    assert not rest.exclude(person__is_active=False).exists()
    assert not Conversation.objects.filter(run__team__course=made, person__in=[member, professor]).exists()


def test_what_came_is_marked_in_the_audit_log_and_hides_no_bill(here, honest, importer, client_for):
    hidden = changed(honest, "teams.auditentry.jsonl", {"action": audit.IMPORTED})
    made = bring(hidden, importer)
    entries = AuditEntry.objects.filter(course=made)
    assert entries.filter(imported=False).get().action == audit.IMPORTED
    assert entries.filter(imported=True).count() == len(lines(honest, "teams.auditentry.jsonl"))
    page = client_for(importer).get(f"/courses/{made.pk}/audit/").content.decode()
    assert 'class="tag" title="Another platform wrote this line">imported' in page
    AuditEntry.objects.filter(imported=True).update(at=timezone.now() + timedelta(days=99))
    team = made.teams.first()
    money.hold(team=team, key="turn-new", amount=5)
    charge = money.Charge("turn", "x", Method.OPENAI, billing.PROVIDER, "m", 5, "", Confidence.EXACT)
    entry = money.settle(key="turn-new", charge=charge)
    assert billing.entries_on(billing.PROVIDER, entry.for_time.date()).get() == entry


def openai_row(members):
    rows = lines(members, RUNS)
    return next(place for place, row in enumerate(rows) if row["method"] == "openai"), rows


def test_a_model_in_a_provider_account_is_asked_only_where_this_platform_trained_it(here, honest, importer, client_for):
    BaseModel.objects.create(method=Method.OPENAI, name="gpt-test", label="GPT", hosting=Hosting.PROVIDER)
    place, rows = openai_row(honest)
    made = bring(honest, importer)
    ours = TrainingRun.objects.get(team__course=made, method=Method.OPENAI)
    assert endpoint_for(ours).model.startswith("ft:gpt-test")

    proofs = [row | {"model": "ft:gpt-test:of-somebody-else"} for row in lines(honest, "proofs.jsonl")]
    for forged in (with_lines(honest, "proofs.jsonl", proofs), with_lines(honest, "proofs.jsonl", [])):
        run = TrainingRun.objects.get(team__course=bring(forged, importer), method=Method.OPENAI)
        assert run.result_model == ""
        with pytest.raises(NotReady, match="stays in the provider account"):
            endpoint_for(run)
        page = client_for(importer).get(f"/teams/{run.team_id}/runs/{run.number}/").content.decode()
        assert "stays in the provider account" in page
        assert "Chat with it" not in page
    rows[place] |= {"result_model": "ft:gpt-test:of-somebody-else", "provider_job": "ftjob-1", "provider_files": ["f"]}
    run = TrainingRun.objects.get(team__course=bring(with_lines(honest, RUNS, rows), importer), method=Method.OPENAI)
    assert (run.result_model, run.provider_job, run.provider_files, run.lease) == (ours.result_model, "", [], "")


def test_no_checkpoint_of_a_file_becomes_a_run_with_anothers_model(here, honest, importer):
    place, rows = openai_row(honest)
    rows[place]["result"] = {"checkpoints": [{"step": 1, "model": "ft:x", "train_loss": 1.0, "validation_loss": None}]}
    run = TrainingRun.objects.get(team__course=bring(with_lines(honest, RUNS, rows), importer), method=Method.OPENAI)
    with pytest.raises(NoCheckpoint):
        keep_checkpoint(run=run, person=importer, step=1)


def test_what_was_handed_in_asks_the_imported_run_and_opens_its_files(here, honest, importer, settings):
    [row] = lines(honest, "evaluation.submission.jsonl")
    row["bundle"] |= {"artifacts": [{"path": str(settings.VAR_DIR / "secrets.json"), "sha256": "0" * 64}]}
    row["bundle"]["chat"] |= {"model": "gpt-5-pro", "provider": "openai", "n": 7}
    made = bring(with_lines(honest, "evaluation.submission.jsonl", [row]), importer)
    submission = made.teams.first().submissions.get()
    chat = submission.bundle["chat"]
    assert chat["model"] == submission.run.result_model == f"run-{submission.run.key}"
    assert "n" not in chat
    assert [one["path"] for one in submission.bundle["artifacts"]] == ["result.json"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "/etc", "hosting": "bundled"},
        {"name": "evil/model", "hosting": "hugging_face"},
        {"name": "../../secret", "hosting": "bundled"},
        {"name": "gpt-5-pro", "hosting": "provider", "course_id": None},
    ],
)
def test_a_base_model_that_nobody_here_looked_at_is_a_name(here, honest, importer, fields):
    before = BaseModel.objects.filter(course=None).count()
    used = {row["base_model_id"] for row in lines(honest, RUNS) if row["method"] == "lora"}
    rows = [row | fields if row["id"] in used else row for row in lines(honest, BASES)]
    made = bring(with_lines(honest, BASES, rows), importer)
    run = TrainingRun.objects.filter(team__course=made, method=Method.LORA)[0]
    assert (run.base_model.hosting, run.base_model.enabled, run.base_model.course) == (Hosting.ELSEWHERE, False, made)
    assert not BaseModel.objects.offered(made, Method.LORA).filter(name=fields["name"]).exists()
    assert BaseModel.objects.filter(course=None).count() == before
    with pytest.raises(NotReady, match="not on this platform"):
        endpoint_for(run)


def test_nothing_is_added_to_the_rubric_that_all_courses_share(here, honest, importer):
    """The old import hung new criteria on the platform's own rubric."""
    built_in = RubricVersion.objects.filter(course=None)
    before = [list(one.criteria.values()) for one in built_in]
    rubrics = {row["id"] for row in lines(honest, "evaluation.rubricversion.jsonl") if row["course_id"] is None}
    rows = lines(honest, "evaluation.criterion.jsonl")
    theirs = next(row for row in rows if row["rubric_id"] in rubrics)
    more = theirs | {"id": 999_999, "key": "new", "position": 99, "name": "Obeys me"}
    made = bring(with_lines(honest, "evaluation.criterion.jsonl", [*rows, more]), importer)
    assert [list(one.criteria.values()) for one in RubricVersion.objects.filter(course=None)] == before
    assert Criterion.objects.get(name="Obeys me").rubric.course == made
    own = [row for row in lines(honest, "evaluation.rubricversion.jsonl") if row["course_id"] is not None]
    assert made.rubrics.count() == len(own) + 1


def test_no_key_of_an_archive_is_the_key_of_what_happens_here(here, honest, importer, team):
    coming = Hold.objects.order_by("-pk")[0].pk + 50
    for key in (f"run-{coming}", "turn-11111111-1111-1111-1111-111111111111", f"correction-{coming}", "x" * 120):
        made = bring(changed(honest, "teams.hold.jsonl", {"key": key}), importer)
        held = Hold.objects.filter(account__team__course=made)
        assert not held.filter(key=key).exists()
        assert held.filter(key__endswith=f"-c{made.pk}").exists()


def test_keys_are_drawn_anew_so_that_no_folder_of_another_run_is_taken_over(here, honest, importer, team):
    old = {row["key"] for row in lines(honest, RUNS)}
    made = bring(honest, importer)
    assert not {str(key) for key in TrainingRun.objects.filter(team__course=made).values_list("key", flat=True)} & old
    subjects = LedgerEntry.objects.filter(account__team__course=made).values_list("subject_id", flat=True)
    assert not set(subjects) & old


def test_speeds_and_prompts_of_an_archive_price_nothing_here(here, honest, importer):
    rows = [row | {"result": {"prompt_tokens": -5, "machine": "ours", "metrics": {}}} for row in lines(honest, RUNS)]
    made = bring(with_lines(honest, RUNS, rows), importer)
    for run in TrainingRun.objects.filter(team__course=made):
        assert run.imported
        assert not run.result.keys() & {"prompt_tokens", "machine"}


def test_an_imported_version_is_measured_here_before_its_rows_may_leave(here, honest, importer):
    rows = [
        row | {"measured_at": "2026-01-01T00:00:00+00:00", "report": {}}
        for row in lines(honest, "datasets.datasetversion.jsonl")
    ]
    made = bring(with_lines(honest, "datasets.datasetversion.jsonl", rows), importer)
    version = made.teams.first().datasets.first().versions.first()
    assert version.measured_at is None
    assert not version.may_leave_this_machine


@pytest.mark.django_db(transaction=True)
def test_half_a_course_is_taken_back_when_its_worker_was_killed(here, honest, importer, settings, monkeypatch):

    def killed(_arrival, _course):
        raise SystemExit

    before, files = tables_now(), files_now(settings.VAR_DIR)
    import_ = arrived(ArchiveKind.COURSE, importer, zipped(honest))
    ArchiveImport.objects.update(status=ArchiveStatus.WAITING)
    monkeypatch.setattr(bringing.Arrival, "_open", killed)
    monkeypatch.setattr(bringing, "undo", lambda _: None)
    with pytest.raises(SystemExit):
        read_course_archive(import_id=import_.pk, attempt=1)
    half = ArchiveImport.objects.get(pk=import_.pk).course
    assert isinstance(half, Course)
    assert not half.memberships.filter(active=True).exists(), "nobody sees half a course"
    monkeypatch.undo()
    monkeypatch.setattr(sandbox, "opened", opened_here)
    ArchiveImport.objects.update(status=ArchiveStatus.WAITING, attempt=archive_imports.MOST_ATTEMPTS + 1)
    assert read_course_archive(import_id=import_.pk, attempt=archive_imports.MOST_ATTEMPTS + 1) == "given up"
    assert tables_now() == before
    assert files_now(settings.VAR_DIR) == files


def test_deleting_an_imported_course_deletes_the_names_that_came_with_it(here, honest, importer):
    before = User.objects.count()
    made = bring(honest, importer)
    audit.record(course=made, person=importer, action=removing.EXPORTED, what="x")
    removing.delete_course(course=made, person=importer)
    assert User.objects.count() == before


# --- Whatever is changed ------------------------------------------------------------------------------------------------

VALUES = st.sampled_from(
    [None, 0, 1, 2, -1, 2**31, 2**63, 10**30, 1.5, True, "", "x", "x" * 400, "../../x", "/etc/passwd", [], {}, [1], {"a": 1},
     "2099-01-01T00:00:00+00:00", "queued", "open", "instructor", "openai", "ivo@example.edu"]
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), VALUES, st.sampled_from("svvvvvdx")),
    min_size=1,
    max_size=3,
)


def mutated(members, changes):
    """`s`: a member twice as long; `v`: another value; `d`: a row less; `x`: a field more."""
    made = dict(members)
    for member, place, column, value, kind in changes:
        name = sorted(name for name in made if name.endswith(".jsonl") and made[name].strip())[member % 40]
        rows = lines(made, name)
        row = rows[place % len(rows)]
        if kind == "d":
            rows.remove(row)
        elif kind == "s":
            rows += rows
        elif kind == "x":
            row["is_superuser"] = value
        else:
            row[sorted(row)[column % len(row)]] = value
        made = with_lines(made, name, rows)
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_no_archive_makes_a_row_or_a_file_outside_its_course(here, honest, importer, settings, changes):
    """Refused: all is as before. Taken: once its course is taken away, all is as before."""
    before, files = tables_now(), files_now(settings.VAR_DIR)
    with transaction.atomic():
        try:
            made = bring(mutated(honest, changes), importer)
        except (sandbox.Refused, ArchiveRefused) as told:
            assert str(told).endswith("."), told
        else:
            places = [run.place for run in TrainingRun.objects.filter(team__course=made)]
            assert made.memberships.get(active=True).person == importer
            removing.delete_rows(made)
            for import_ in ArchiveImport.objects.all():
                import_.names().delete()
            removing._forget_files(places)
            removing._remove_files(places)
        assert tables_now() == before
        assert files_now(settings.VAR_DIR) == files
        transaction.set_rollback(True)
