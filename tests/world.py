"""One of everything that a team can have, marked so that a leak into another team's pages is seen."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from lti_tool.models import LtiContext, LtiDeployment, LtiRegistration

from datasets.models import Dataset, DatasetVersion, FindingJustification, Import, MachineText, Review, SourceRecord
from datasets.services import imports, reviews, versions
from evaluation.models import (
    Comparison,
    Contender,
    Conversation,
    Grading,
    GradingDue,
    Hearing,
    Interview,
    JudgeOpinion,
    JudgeSetting,
    PresentationRule,
    RegradeRequest,
    RegradeStatus,
    ResultRelease,
    SecondLook,
    Submission,
    Turn,
    TurnCorrection,
    TurnStatus,
)
from evaluation.models.grading import UnappliedSave
from evaluation.services import gradings, hearings, presenting, rubrics, scripts, submissions
from evaluation.services.interviews import script_for
from teams.models import (
    ArchiveExport,
    ArchiveImport,
    ArchiveKind,
    ArchiveStatus,
    BudgetRequest,
    Confidence,
    Course,
    ExportStatus,
    LedgerEntry,
    LmsConnection,
    LmsCourse,
    Membership,
    Method,
    Milestone,
    Provider,
    Role,
    Section,
    Team,
    TeamRequest,
    User,
)
from teams.services import budget_requests, money
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import (
    ApiFile,
    Artifact,
    BaseModel,
    Drafting,
    DraftingStatus,
    EndpointCall,
    EndpointKey,
    FineTuningJob,
    Hosting,
    MergedModel,
    MergeStatus,
    ModelServer,
    Origin,
    Sweep,
    TrainingRun,
)
from training.services import deployments, merging

SERVER = "http://gpu1.example:8000/v1"


@dataclass
class World:
    """The objects of one team; `mark` stands in everything that has a text."""

    mark: str
    team: Team
    member: User
    dataset: Dataset
    version: DatasetVersion
    import_: Import
    archive_import: ArchiveImport
    review: Review
    run: TrainingRun
    conversation: Conversation
    turn: Turn
    submission: Submission
    grading: Grading
    interview_turn: Turn
    kept: UnappliedSave
    standard: Interview
    comparison: Comparison
    regrade: RegradeRequest
    look: SecondLook
    hearing: Hearing
    heard_turn: Turn
    heard_kept: UnappliedSave
    request: BudgetRequest
    asked: TeamRequest
    section: Section
    milestone: Milestone
    entry: LedgerEntry
    row_id: str
    call: EndpointCall
    job: FineTuningJob
    base_model: BaseModel
    provider: Provider

    def _key(self, name: str) -> Any:
        if name == "standard_detail":
            return self.standard.key
        if name == "run_import_detail":
            return self.archive_import.key
        if name.startswith("comparison_"):
            return self.comparison.key
        if name.startswith("sweep_"):
            return self.team.sweeps.get().key
        if name in ("drafting_detail", "drafting_stop", "drafting_row"):
            return self.team.draftings.get().key
        if name == "team_ledger_entry":
            return self.entry.key
        return self.import_.key if name.startswith("import_") else self.conversation.key

    def _provider(self, name: str) -> int:
        if name.startswith("platform_"):
            return Provider.objects.get(from_environment=True).pk
        return self.provider.pk

    def _server(self) -> int:
        return ModelServer.objects.get(address=SERVER).pk

    def _connection(self, name: str) -> int:
        """The first one: a walk that sends forms may have made more."""
        course = None if name.startswith("platform_") else self.team.course
        return LmsConnection.objects.filter(course=course).order_by("pk")[0].pk

    def _number(self, name: str) -> int:
        if name in ("calibration_detail", "calibration_choose", "grade_version"):
            return 1
        return self.run.number if name.startswith("run_") else self.version.number

    def _code(self, name: str) -> Any:
        if name == "second_look":
            return self.look.code
        if name.startswith("hearing_"):
            return self.hearing.code
        if name.startswith(("interview", "grading")):
            return self.grading.code
        return self.review.code_for(self.grading.grader.person)

    def _turn_key(self, name: str) -> Any:
        if name.startswith("hearing_"):
            return self.heard_turn.key
        return self.interview_turn.key if name.startswith(("interview", "grading")) else self.turn.key

    def values(self, name: str) -> dict[str, Any]:
        """What each part of the URL called `name` stands for in this world."""
        return {
            "course_id": self.team.course_id,
            "kind": "ferpa",
            "team_id": self.team.pk,
            "joined_id": self.team.pk,
            "edited_id": self.team.pk,
            "spender_id": self.team.pk,
            "membership_id": self.team.memberships.get().pk,
            "request_id": self.request.pk,
            "asked_id": self.asked.pk,
            "dataset_id": self.dataset.pk,
            "number": self._number(name),
            "key": self._key(name),
            "turn_key": self._turn_key(name),
            "code": self._code(name),
            "criterion": "vocabulary",
            "kept": self.heard_kept.code if name.startswith("hearing_") else self.kept.code,
            "session_id": self.hearing.presentation.session_id,
            "submission_id": self.submission.pk,
            "criterion_id": self.submission.rubric.criteria.order_by("pk")[0].pk,
            "regrade_id": self.regrade.pk,
            "rubric_id": self.team.course.rubrics.get().pk,
            "script_id": self.team.course.interview_scripts.get().pk,
            "row_id": self.row_id,
            "section_id": self.section.pk,
            "milestone_id": self.milestone.pk,
            "entry_id": self.entry.pk,
            "key_id": self.call.api_key_id,
            "deployment_id": self.run.deployments.get().pk,
            "model_id": self.base_model.pk,
            "provider_id": self._provider(name),
            "connection_id": self._connection(name),
            "linked_id": self.team.course.lms_courses.get().pk,
            "server_id": self._server(),
            "file_id": self.job.rows_id,
            "job_id": self.job.public_id,
            "model": self.job.model,
            "topic": "dspy",
            "uidb64": "MQ",
            "token": "no-such-token",
            "position": 0,
            "method": "lora",
            "field": "method",
            "layout": "canvas",
            "shape": "messages",
            "name": "lora_instructions",
            "path": "result.json",
        }


def make_what_the_platform_has() -> None:
    """A model server and an LMS connection that belong to no course. Made once."""
    told = {"base_sha256": "ab" * 32, "served_name": "base", "runs_folder": "/srv/runs", "enabled": False}
    ModelServer.objects.get_or_create(address=SERVER, defaults=told)
    LmsConnection.objects.get_or_create(course=None, name="The LMS of the platform")


def link_an_lms(course: Course, mark: str) -> None:
    """A connection of this course, and a course of that LMS that is linked to it. Made once."""
    if course.lms_connections.exists():
        return
    registration = LtiRegistration.objects.create(name=mark, issuer=f"https://{mark}.example", client_id=mark)
    connection = LmsConnection.objects.create(course=course, name=f"{mark} LMS", registration=registration)
    deployment = LtiDeployment.objects.create(registration=registration, deployment_id=mark, is_active=True)
    context = LtiContext.objects.create(deployment=deployment, id_on_platform=mark, title=f"{mark} in the LMS")
    LmsCourse.objects.create(context=context, connection=connection, course=course)


def make_world(team: Team, professor: User, mark: str) -> World:
    """Everything once; `mark` must be a word that stands nowhere else."""
    member = team.memberships.get().person
    make_what_the_platform_has()
    link_an_lms(team.course, mark)
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} + 1?"},
                {"role": "assistant", "content": f"{mark} {n + 1}!"},
            ]
        }
        for n in range(12)
    ]
    version = factories.make_dataset_version(team, rows, name=f"{mark} dataset", person=member)
    FindingJustification.objects.create(
        dataset=version.dataset,
        row_id=next(versions.rows(version))["id"],
        field="",
        text=mark,
        reason=mark,
        person=member,
    )
    SourceRecord.objects.create(
        dataset=version.dataset, kind=SourceRecord.Kind.PUBLISHED, place=f"{mark} archive", recorded_by=member
    )
    MachineText.objects.create(team=team, digest=f"{team.pk:064x}")
    run = make_run(team, name=f"{mark} run")
    TrainingRun.objects.filter(pk=run.pk).update(number=1000 + team.pk)
    run.refresh_from_db()
    _leave_archives(run, member, mark)
    _leave_a_file(run, mark)
    run.sweep = Sweep.objects.create(team=team, name=f"{mark} sweep", created_by=member)
    run.save(update_fields=["sweep"])
    Origin.objects.create(run=run, kind=Origin.Kind.BUNDLE, words=f"{mark} from afar", brought_by=member)
    conversation = Conversation.objects.create(run=run, person=member, title=f"{mark} talk")
    turn = _turn(conversation, mark)
    factories.assign(team, professor)
    rubrics.use_again(course=team.course, version=rubrics.rubric_for(team.course), person=professor)
    scripts.use_again(course=team.course, script=script_for(team.course), person=professor)
    submission = submissions.submit(team=team, run=run, person=member)
    grading = submission.gradings.get()
    interview_turn = _turn(gradings.interview_of(grading), mark)
    TurnCorrection.objects.create(grading=grading, turn=interview_turn, answer=f"{mark} corrected")
    standard = Interview.objects.create(run=run, script=script_for(team.course), started_by=member)
    JudgeSetting.objects.get_or_create(course=team.course)
    GradingDue.objects.get_or_create(course=team.course, defaults={"due_on": date(2026, 12, 1)})
    regrade = RegradeRequest.objects.create(
        submission=submission,
        criterion=submission.rubric.criteria.order_by("pk")[0],
        words=mark,
        person=member,
        status=RegradeStatus.SECOND_LOOK,
    )
    regrade.turns.add(interview_turn)
    ResultRelease.objects.create(submission=submission, number=1, content=_content(mark), reason=mark)
    JudgeOpinion.objects.create(
        interview=standard, subject="math", model="a-judge", prompt_version=1, status="given", score=3, reason=mark
    )
    drafting = Drafting.objects.create(
        team=team,
        dataset=version.dataset,
        version=version,
        examples=[],
        writer="base:0",
        writer_name=f"{mark} writer",
        wanted=1,
        status=DraftingStatus.DONE,
        created_by=member,
    )
    drafting.rows.create(position=0, question=mark, answer=mark)
    hearing = _hearing(team, professor, member, mark)
    talk = Conversation.objects.create(run=run, person=professor, hearing=hearing, title=f"{mark} heard")
    call, import_ = _endpoint_call(run, member, mark), _import_with_a_problem(team, member, mark)
    return World(
        mark=mark,
        team=team,
        member=member,
        dataset=version.dataset,
        version=version,
        import_=import_,
        archive_import=ArchiveImport.objects.create(
            kind=ArchiveKind.RUN,
            team=team,
            person=member,
            filename=f"{mark}.zip",
            size=1,
            status=ArchiveStatus.REFUSED,
            refusal=mark,
        ),
        review=reviews.ask(version=version, person=member),
        run=run,
        conversation=conversation,
        turn=turn,
        submission=submission,
        grading=grading,
        interview_turn=interview_turn,
        kept=UnappliedSave.objects.create(grade=grading.grade, comment=mark),
        comparison=_comparison(run, member, mark),
        standard=standard,
        regrade=regrade,
        look=SecondLook.objects.create(request=regrade, reader=grading.grader),
        hearing=hearing,
        heard_turn=_turn(talk, mark),
        heard_kept=UnappliedSave.objects.create(grade=hearing.grade, comment=mark),
        request=budget_requests.ask(team=team, person=member, amount=1_000_000, reason=f"{mark} needs more"),
        asked=_request_of_a_newcomer(team, mark),
        section=Section.objects.create(course=team.course, name=f"{mark} section"),
        milestone=Milestone.objects.create(
            course=team.course,
            position=100 + team.course.milestones.count(),
            title="A step of the whole course",
            goal=Milestone.Goal.DSPY,
        ),
        entry=_spend(team, run, mark),
        row_id=_first_row_id(version),
        call=call,
        job=_job(call.api_key, import_, run, mark),
        base_model=BaseModel.objects.create(
            course=team.course,
            method=Method.LORA,
            name=f"org/base-{team.pk}",
            label="A model of the whole course",
            hosting=Hosting.HUGGING_FACE,
        ),
        provider=Provider.objects.create(
            course=team.course, code=f"theirs-{team.pk}", name=f"A provider of the course {team.pk}"
        ),
    )


def _hearing(team: Team, professor: User, person: User, mark: str) -> Hearing:
    """A session of this team alone, and what the professor opened of it."""
    listener = membership_of(team, professor)
    session = presenting.save_session(
        course=team.course,
        session=None,
        starts_at=timezone.now() + timedelta(days=3),
        place=f"{mark} room",
        minutes=15,
        listeners=[listener],
        person=person,
    )
    PresentationRule.objects.get_or_create(course=team.course, defaults={"weight": 20, "points": 20})
    presenting.add_team(session=session, team=team, person=person)
    hearings.heard_by(listener)
    return Hearing.objects.select_related("grade", "presentation").get(presentation__session=session, listener=listener)


def _job(key: EndpointKey, import_: Import, run: TrainingRun, mark: str) -> FineTuningJob:
    file = ApiFile.objects.create(team=key.team, api_key=key, upload=import_)
    return FineTuningJob.objects.create(
        run=run, api_key=key, training_file=file, hyperparameters={}, model=f"ft:{mark}".lower()
    )


def _content(mark: str) -> dict[str, Any]:
    """Of a released version, which is hidden again."""
    marks = [{"grader": 1, "level": 2, "cannot_judge": False, "comment": mark}]
    criterion = {"key": "vocabulary", "weight": 1, "final": 2.0, "settled": None, "marks": marks}
    comments = [{"grader": 1, "comment": mark}]
    return {"points": 100, "shares": [], "criteria": [criterion], "comments": comments, "marked": []}


def membership_of(team: Team, person: User) -> Membership:
    return Membership.objects.get(course=team.course, person=person)


def _request_of_a_newcomer(team: Team, mark: str) -> TeamRequest:
    newcomer = factories.enrol(team.course, factories.make_person(f"{mark} Newcomer"), Role.STUDENT)
    return TeamRequest.objects.create(team=team, membership=newcomer)


def _turn(conversation: Conversation, mark: str) -> Turn:
    return Turn.objects.create(
        conversation=conversation, position=1, question=f"{mark}?", answer=f"{mark}!", status=TurnStatus.DONE
    )


def _spend(team: Team, run: TrainingRun, mark: str) -> LedgerEntry:
    money.hold(team=team, key=run.hold_key, paid_for=run.paid_for, amount=100)
    charge = money.Charge("run", str(run.pk), Method.LORA, "local", f"{mark}-model", 50, mark, Confidence.EXACT)
    return money.settle(key=run.hold_key, charge=charge)


def _endpoint_call(run: TrainingRun, member: User, mark: str) -> EndpointCall:
    deployments.deploy(team=run.team, run=run, person=member)
    key, _ = deployments.make_key(team=run.team, name=f"{mark} key", per_minute=5, daily_cap=0, person=member)
    return EndpointCall.objects.create(api_key=key, run=run, status="done", milliseconds=5)


def _comparison(run: TrainingRun, member: User, mark: str) -> Comparison:
    made = Comparison.objects.create(team=run.team, question=f"{mark}?", asked_by=member)
    for position, untrained in enumerate((False, True)):
        talk = Conversation.objects.create(run=run, person=member, untrained=untrained)
        _turn(talk, mark)
        Contender.objects.create(comparison=made, position=position, conversation=talk)
    return made


def _leave_archives(run: TrainingRun, person: User, mark: str) -> None:
    """Of the course and of the run, ready to be downloaded."""
    course = run.team.course
    ready = {"course": course, "person": person, "status": ExportStatus.READY, "ended_at": timezone.now()}
    for export in (
        ArchiveExport.objects.create(kind=ArchiveKind.COURSE, **ready),
        ArchiveExport.objects.create(kind=ArchiveKind.RUN, team=run.team, run_number=run.number, **ready),
    ):
        export.folder.mkdir(parents=True)
        export.file_path.write_bytes(mark.encode())


def _leave_a_file(run: TrainingRun, mark: str) -> None:
    from django.conf import settings

    path = Path(settings.RUNS_ROOT) / str(run.key) / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(f'{{"mark": "{mark}"}}')
    Artifact.objects.create(run=run, path="result.json", sha256="0" * 64, size=path.stat().st_size)
    merged = path.parent / merging.ZIP
    merged.parent.mkdir()
    merged.write_text(mark)
    now = timezone.now()
    MergedModel.objects.create(run=run, status=MergeStatus.READY, asked_at=now, alive_at=now, ready_at=now)


def _import_with_a_problem(team: Team, member: User, mark: str) -> Import:
    text = f'{{"instruction": "Say {mark}", "output": "{mark}"}}\n{{"instruction": "{mark}"}}\n'
    file = SimpleUploadedFile(f"{mark}.jsonl", text.encode())
    return imports.import_file(team=team, dataset=None, name=f"{mark} import", file=file, person=member)


def _first_row_id(version: DatasetVersion) -> str:
    from datasets.services.reading import row_at

    row = row_at(version, 0)
    assert row is not None
    return row.id
