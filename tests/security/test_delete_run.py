"""A deleted run is gone from every byte of the disk; what must stay is refused, and nobody loses money by it."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from courseplatform import archive, deleting_runs
from courseplatform.deleting_runs import DeletionRefused
from courseplatform.value import subject_of
from evaluation.models import (
    Comparison,
    Contender,
    Conversation,
    Interview,
    InterviewAnswer,
    InterviewStatus,
    JudgeOpinion,
    Submission,
    Turn,
    TurnStatus,
    Vote,
)
from evaluation.services import answering, chat, comparing, interviews, submissions
from evaluation.services.interviews import script_for
from teams import live
from teams.models import AuditEntry, BudgetAccount, Confidence, DiskUse, Hold, HoldState, Method, Notice, Team, User
from teams.services import money
from tests import factories
from tests.evaluation.conftest import make_run
from tests.evaluation.model_server import Script
from tests.security.archive_tools import brought
from tests.security.redis_files import redis_files
from tests.security.test_erasure import places_of
from training.models import (
    Artifact,
    CallStatus,
    DeletedRun,
    Deployment,
    EndpointCall,
    Hosting,
    Origin,
    RunEvent,
    RunStatus,
    TrainingRun,
)
from training.providers.openai_api import FineTuning, ProviderAway
from training.services import cloud, deployments, run_disk
from training.services.deployments import EndpointRefused
from training.services.launch import next_number

MARK = "Zyxquorvle"
pytestmark = pytest.mark.django_db(transaction=True)
Put = Callable[..., Any]


def _write(run: TrainingRun, name: str, text: str) -> None:
    path = run.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _files(run: TrainingRun) -> None:
    """What engines leave: rows, a program with its demonstrations, an adapter, a checkpoint, a log."""
    demonstrations = {"demos": [{"question": "Who are you?", "answer": f"I am {MARK}."}]}
    _write(run, "program.json", json.dumps({"predict": demonstrations}))
    _write(run, "train.jsonl", json.dumps({"messages": [{"role": "user", "content": MARK}]}) + "\n")
    for name in ("engine.log", "checkpoint/checkpoint.pt", "adapter/adapter_model.safetensors", "calls.journal"):
        _write(run, name, MARK)
    Artifact.objects.create(run=run, path="program.json", sha256="0" * 64, size=5)
    run_disk.count(run)


def _talk(run: TrainingRun, person: User) -> Conversation:
    talk = Conversation.objects.create(run=run, person=person, title=MARK)
    Turn.objects.create(conversation=talk, position=1, question=MARK, answer=f"Um, {MARK}!", status=TurnStatus.DONE)
    return talk


def _interview(run: TrainingRun) -> Interview:
    script = script_for(run.team.course)
    made = Interview.objects.create(run=run, script=script, status=InterviewStatus.DONE)
    question = script.questions.all()[0]
    InterviewAnswer.objects.create(interview=made, question=question, wording="question", answer=MARK)
    JudgeOpinion.objects.create(
        interview=made, subject="math", model="j", prompt_version=1, status="given", score=3, reason=MARK
    )
    return made


def _comparison(run: TrainingRun, other: TrainingRun, person: User) -> Comparison:
    made = Comparison.objects.create(team=run.team, question=MARK, asked_by=person)
    sides = [
        Contender.objects.create(comparison=made, position=place, conversation=_talk(bot, person))
        for place, bot in enumerate((run, other))
    ]
    Vote.objects.create(comparison=made, person=person, better=sides[1])
    return made


def _paid(run: TrainingRun) -> None:
    money.hold(team=run.team, key=run.hold_key, paid_for=run.paid_for, amount=100)
    charge = money.Charge("run", str(run.key), Method(run.method), "local", "m", 70, "a price", Confidence.EXACT)
    money.settle(key=run.hold_key, charge=charge)


def _full(team: Team, member: User) -> TrainingRun:
    """Everything that can hang on a run, marked."""
    other = make_run(team, name="stays")
    run = make_run(team, Method.DSPY, name="shy")
    result = {"instructions": MARK, "system_prompt": MARK}
    TrainingRun.objects.filter(pk=run.pk).update(result=result, error_message=MARK)
    RunEvent.objects.create(run=run, kind="sample", data={"question": "Who?", "answer": MARK, "stage": "after"})
    _files(run)
    _talk(run, member)
    _interview(run)
    _comparison(run, other, member)
    _paid(run)
    deployments.deploy(team=team, run=run, person=member)
    key, _ = deployments.make_key(team=team, name="k", per_minute=5, daily_cap=10, person=member)
    EndpointCall.objects.create(api_key=key, run=run, status=CallStatus.DONE, cost=7)
    path = reverse("run_detail", args=[team.pk, run.number])
    Notice.objects.create(person=member, course=team.course, kind="run", text=MARK, path=path)
    live.emit(run.topic, "run-answers", f"<p>{MARK}</p>")
    run.refresh_from_db()
    return run


def test_a_deleted_run_is_gone_from_every_byte(
    team: Team, member: User, redis_server: str, client_for: Callable[..., Client]
) -> None:
    run = _full(team, member)
    assert len(places_of(MARK)) > 10 and MARK.encode() in redis_files(redis_server)
    page, browser = reverse("run_delete", args=[team.pk, run.number]), client_for(member)
    assert page in browser.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    shown = browser.get(page).content.decode()
    for said in ("1 chat with it", "1 standard interview", "1 comparison", "<code>run-2</code>", "$0.00007"):
        assert said in shown, said
    answer = browser.post(page, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("run_list", args=[team.pk])
    assert "Run 2 · shy is deleted." in answer.content.decode()
    assert places_of(MARK) == [] and not run.folder.exists()
    assert MARK.encode() not in redis_files(redis_server)
    assert not DiskUse.objects.filter(key=run.disk_key).exists()
    assert [one.name for one in team.runs.all()] == ["stays"]
    assert not Comparison.objects.exists() and not Deployment.objects.exists()


def test_its_money_number_and_name_stay(
    team: Team, member: User, instructor: User, redis_server: str, client_for: Callable[..., Client]
) -> None:
    run = _full(team, member)
    deleting_runs.delete_run(run=run, person=member)
    entry = team.account.entries.get(key=f"run-{run.pk}")
    assert entry.delta == BudgetAccount.objects.get(team=team).spent == 70
    assert subject_of(entry, team, is_instructor=False).said == "deleted run 2 · shy"
    shown = client_for(member).get(reverse("team_ledger_entry", args=[team.pk, entry.key])).content.decode()
    assert "deleted run 2 · shy" in shown
    record = AuditEntry.objects.get(action="run deleted")
    assert (record.person, record.what) == (member, "Run 2 · shy")
    assert record.before == {"chats": 1, "interviews": 1, "comparisons": 1, "files": 1}
    assert next_number(team) == 3, "the number of a deleted run is never given again"
    assert EndpointCall.objects.get().cost == 7, "deleting a run gives no key a new day"


def test_a_course_archive_written_after_it_reads_back(
    team: Team, member: User, instructor: User, redis_server: str, request: pytest.FixtureRequest
) -> None:
    deleting_runs.delete_run(run=_full(team, member), person=member)
    out = io.BytesIO()
    archive.write(team.course, out)
    assert MARK.encode() not in out.getvalue()
    course = brought(instructor, out.getvalue())
    there = course.teams.get(name=team.name)
    entry = there.account.entries.get(subject_kind="run")
    assert subject_of(entry, there, is_instructor=True).said == "deleted run 2 · shy"
    assert there.runs.count() == 1 and next_number(there) == 3


def _active(run: TrainingRun, member: User) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING)


def _handed_in(run: TrainingRun, member: User) -> None:
    submissions.submit(team=run.team, run=run, person=member)


def _replaced(run: TrainingRun, member: User) -> None:
    _handed_in(run, member)
    _handed_in(make_run(run.team), member)


def _source(run: TrainingRun, member: User) -> None:
    Origin.objects.create(run=make_run(run.team), kind="checkpoint", source=run, words="step 3")


def _streaming(run: TrainingRun, member: User) -> None:
    talk = _talk(run, member)
    Turn.objects.create(conversation=talk, position=2, question="Why?")


def _beside_a_streaming_one(run: TrainingRun, member: User) -> None:
    made = _comparison(run, make_run(run.team), member)
    Turn.objects.filter(conversation__contender__comparison=made).exclude(conversation__run=run).update(
        status=TurnStatus.STREAMING
    )


def _interviewed(run: TrainingRun, member: User) -> None:
    Interview.objects.create(run=run, script=script_for(run.team.course))


def _called(run: TrainingRun, member: User) -> None:
    key, _ = deployments.make_key(team=run.team, name="k", per_minute=5, daily_cap=0, person=member)
    EndpointCall.objects.create(api_key=key, run=run)


def _unsettled(run: TrainingRun, member: User) -> None:
    turn = _talk(run, member).turns.get()
    money.hold(team=run.team, key=turn.hold_key, paid_for=turn.paid_for, amount=10)


def _unknown_job(run: TrainingRun, member: User) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.FAILED, provider_status="creating")


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (_active, "cancel it first"),
        (_handed_in, "was handed in"),
        (_replaced, "was handed in"),
        (_source, "Run 2 was taken from Run 1"),
        (_streaming, "answering somebody"),
        (_beside_a_streaming_one, "answering somebody"),
        (_interviewed, "answering somebody"),
        (_called, "answering somebody"),
        (_unsettled, "still being charged"),
        (_unknown_job, "whether the provider made the job"),
    ],
)
def test_what_must_stay_is_refused_in_a_sentence(
    arrange: Put, said: str, team: Team, member: User, redis_server: str, client_for: Callable[..., Client]
) -> None:
    run = make_run(team)
    _files(run)
    arrange(run, member)
    page, browser = reverse("run_delete", args=[team.pk, run.number]), client_for(member)
    shown = browser.get(page).content.decode()
    assert said in shown and "for ever</button>" not in shown
    answer = browser.post(page)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert run.folder.exists() and TrainingRun.objects.filter(pk=run.pk).exists()
    assert run.artifacts.exists() and not AuditEntry.objects.filter(action="run deleted").exists()


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_runs_that_ended_badly_can_go(status: RunStatus, team: Team, member: User, redis_server: str) -> None:
    run = make_run(team)
    TrainingRun.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()
    deleting_runs.delete_run(run=run, person=member)
    assert not team.runs.exists() and DeletedRun.objects.get().number == 1


def test_who_may_delete_a_run_is_in_its_team(
    team: Team,
    other_member: User,
    professor: User,
    member: User,
    redis_server: str,
    client_for: Callable[..., Client],
) -> None:
    run = make_run(team)
    page = reverse("run_delete", args=[team.pk, run.number])
    for stranger in (other_member, professor):
        assert [client_for(stranger).get(page).status_code, client_for(stranger).post(page).status_code] == [404, 404]
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(member)
    assert careful.post(page).status_code == 403
    assert TrainingRun.objects.filter(pk=run.pk).exists()


def test_what_is_hung_on_a_run_that_was_just_deleted_is_refused_in_words(
    team: Team, member: User, model_server: Script, redis_server: str
) -> None:
    """Each was about to write when the run went: its own copy of the row says that the run is there."""
    run, other = make_run(team), make_run(team)
    talk = chat.open_conversation(run=run, person=member)
    bots = comparing.bots_of(team)
    deleting_runs.delete_run(run=TrainingRun.objects.get(pk=run.pk), person=member)
    with pytest.raises(submissions.CannotSubmit, match="deleted a moment ago"):
        submissions.submit(team=team, run=run, person=member)
    with pytest.raises(chat.ChatRefused, match="deleted a moment ago"):
        chat.open_conversation(run=run, person=member)
    with pytest.raises(chat.ChatRefused, match="deleted a moment ago"):
        chat.ask(conversation=talk, question="Why?", person=member)
    with pytest.raises(interviews.InterviewRefused, match="deleted a moment ago"):
        interviews.start(run=run, person=member)
    with pytest.raises(EndpointRefused, match="deleted a moment ago"):
        deployments.deploy(team=team, run=run, person=member)
    values = [f"run-{other.number}", f"run-{run.number}"]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(comparing.CompareRefused, match="deleted a moment ago"):
        patch.setattr(comparing, "bots_of", lambda team: bots)
        comparing.compare(team=team, question="Why?", values=values, person=member)
    with pytest.raises(DeletionRefused, match="deleted already"):
        deleting_runs.delete_run(run=run, person=member)
    assert not Hold.objects.filter(state=HoldState.OPEN).exists() and not Comparison.objects.exists()


def test_a_run_handed_in_while_the_provider_was_asked_stays(
    team: Team, member: User, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(team)
    _files(run)

    def meanwhile(run: TrainingRun) -> bool:
        submissions.submit(team=team, run=run, person=member)
        return True

    monkeypatch.setattr(cloud, "clean_up", meanwhile)
    with pytest.raises(DeletionRefused, match="was handed in"):
        deleting_runs.delete_run(run=run, person=member)
    assert run.folder.exists() and Submission.objects.get().run == run


@pytest.mark.parametrize("kind", ["submit", "ask"])
def test_whoever_comes_first_in_a_race_wins_whole(
    kind: str, team: Team, member: User, model_server: Script, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    for _ in range(4):
        run = make_run(team)
        _files(run)
        talk = chat.open_conversation(run=run, person=member)
        ready = Barrier(2)

        def rival(run: TrainingRun = run, talk: Conversation = talk, ready: Barrier = ready) -> bool:
            try:
                ready.wait(30)
                if kind == "submit":
                    submissions.submit(team=team, run=run, person=member)
                else:
                    chat.ask(conversation=talk, question="Why?", person=member)
            except (submissions.CannotSubmit, chat.ChatRefused) as refused:
                assert "deleted a moment ago" in str(refused)
                return False
            finally:
                connection.close()
            return True

        def delete(run: TrainingRun = run, ready: Barrier = ready) -> bool:
            try:
                ready.wait(30)
                deleting_runs.delete_run(run=TrainingRun.objects.with_related().get(pk=run.pk), person=member)
            except DeletionRefused:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.submit(rival), pool.submit(delete)
            hung, deleted = first.result(60), second.result(60)
        assert hung != deleted
        assert TrainingRun.objects.filter(pk=run.pk).exists() == run.folder.exists() == hung
        assert Hold.objects.filter(state=HoldState.OPEN).count() <= Turn.objects.filter(status="streaming").count()
        Submission.objects.all().delete()
        Turn.objects.all().delete()
        Hold.objects.update(state=HoldState.RELEASED)


def _in_an_account(team: Team) -> TrainingRun:
    run = make_run(team, Method.OPENAI)
    TrainingRun.objects.filter(pk=run.pk).update(provider_job="ftjob-1")
    assert run.base_model.hosting == Hosting.PROVIDER
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("ticked", [True, False])
def test_a_model_in_the_providers_account_goes_only_where_the_box_is_ticked(
    ticked: bool,
    team: Team,
    member: User,
    redis_server: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    client_for: Callable[..., Client],
) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    asked: list[str] = []
    monkeypatch.setattr(FineTuning, "job", lambda self, job: None)
    monkeypatch.setattr(FineTuning, "delete_model", lambda self, model: asked.append(model))
    run = _in_an_account(team)
    page, browser = reverse("run_delete", args=[team.pk, run.number]), client_for(member)
    assert run.result_model in browser.get(page).content.decode()
    answer = browser.post(page, {"model_too": "on"} if ticked else {}, follow=True).content.decode()
    record = AuditEntry.objects.get(action="run deleted")
    assert asked == ([run.result_model] if ticked else [])
    assert (record.before or {}).get("left at the provider", []) == ([] if ticked else [run.result_model])
    assert ("Left at the provider" in answer) == (not ticked)


def test_a_model_that_the_provider_keeps_after_all_is_on_the_record(
    team: Team, member: User, redis_server: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def away(self: FineTuning, model: str) -> None:
        raise ProviderAway("not now")

    settings.OPENAI_API_KEY = "sk-test"
    monkeypatch.setattr(FineTuning, "job", lambda self, job: None)
    monkeypatch.setattr(FineTuning, "delete_model", away)
    run = _in_an_account(team)
    assert deleting_runs.delete_run(run=run, person=member, model_too=True) == [run.result_model]
    record = AuditEntry.objects.get(action="deleted run left at the provider")
    assert record.before == {"left at the provider": [run.result_model]}


def test_the_disk_is_searched_where_it_should_be() -> None:
    assert Path(django_settings.RUNS_ROOT).is_relative_to(django_settings.VAR_DIR)


def test_its_dataset_can_go_afterwards(team: Team, member: User, redis_server: str) -> None:
    from datasets.services import versions

    version = factories.make_dataset_version(team)
    run = make_run(team)
    deleting_runs.delete_run(run=run, person=member)
    versions.delete_dataset(dataset=version.dataset, person=member)
    assert not team.datasets.exists()
