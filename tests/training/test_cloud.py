"""OpenAI runs against the scripted provider: one job whatever happens, followed to its end, its rows deleted there."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django_rq
import httpx
import openai
import pytest

from teams.models import Confidence, Method, Team, User
from tests import factories
from tests.scripted_provider.server import BASE, ScriptedProvider
from tests.scripted_provider.server import child_rows as provider_rows
from tests.training.money import account, entry_of, no_money_is_held
from training import jobs
from training.models import RunStatus, TrainingRun
from training.providers import openai_api
from training.providers.openai_api import FineTuning, ProviderAway, ProviderRefused
from training.providers.values import points
from training.services import cancel, cloud, estimate, execute, reconcile
from training.services.charges import samples_cost
from training.services.launch import LaunchRefused

Launch = Callable[..., TrainingRun]
HALF_WAY, AFTER_THE_END = 55, 200  # seconds of the provider's clock; a job takes 100


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between questions to the provider are for its sake; this one is ours."""
    monkeypatch.setattr(openai_api, "ASK_AGAIN_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(openai_api, "SAFE_RETRIES", 0)


def begin(run: TrainingRun) -> TrainingRun:
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def look(run: TrainingRun) -> TrainingRun:
    jobs.poll_run(run.pk)
    run.refresh_from_db()
    return run


def finish(run: TrainingRun, provider: ScriptedProvider) -> TrainingRun:
    """Let the provider's clock pass the job's end, then look."""
    provider.faults(clock_ahead=AFTER_THE_END)
    return look(run)


def jobs_of(provider: ScriptedProvider, run: TrainingRun) -> list[Any]:
    return list(provider.client.fine_tuning.jobs.list(metadata={"run": str(run.key)}))


def files_at(provider: ScriptedProvider, run: TrainingRun) -> list[str]:
    names = [file.filename for file in provider.client.files.list(purpose="fine-tune")]
    return sorted(name for name in names if str(run.key) in name)


def test_a_run_goes_up_waits_without_a_worker_and_comes_back(
    start: Launch, provider: ScriptedProvider, team: Team
) -> None:
    run = begin(start(Method.OPENAI))
    assert (run.status, run.lease) == (RunStatus.WAITING, "")
    assert run.provider_job == jobs_of(provider, run)[0].id

    run = finish(run, provider)
    assert run.status == RunStatus.SUCCEEDED
    assert run.result_model.startswith("ft:gpt-4o-mini")
    steps = run.events.filter(kind="step").count()
    assert steps == run.step == run.total_steps > 3
    assert run.events.filter(kind="validation").exists()
    assert run.train_loss is not None
    assert {"result.csv", "train.jsonl", "result.json"} <= set(run.artifacts.values_list("path", flat=True))
    entry = entry_of(run)
    assert entry is not None
    assert (entry.provider, entry.confidence) == ("openai", Confidence.EXACT)
    assert entry.training_tokens == run.training_tokens > 0
    assert entry.delta == run.training_tokens * 3 + samples_cost(run)
    assert no_money_is_held(team)


def test_our_token_estimate_is_within_a_tenth_of_what_the_provider_charges(
    start: Launch, provider: ScriptedProvider
) -> None:
    run = start(Method.OPENAI)
    estimated = estimate.estimate(
        course=run.team.course,
        method=Method.OPENAI,
        base_model=run.base_model,
        dataset_version=run.dataset_version,
        settings=run.settings,
    )
    run = finish(begin(run), provider)
    assert run.training_tokens == pytest.approx(estimated.training_tokens, rel=0.1)


def test_what_is_uploaded_has_nothing_but_messages_and_is_deleted_afterwards(
    start: Launch, provider: ScriptedProvider
) -> None:
    run = begin(start(Method.OPENAI))
    assert files_at(provider, run) == [f"run-{run.key}-train.jsonl", f"run-{run.key}-validation.jsonl"]
    content = provider.client.files.content(run.provider_files[0]).read().decode()
    assert '"id"' not in content
    assert content.count("\n") == 18

    run = finish(run, provider)
    assert files_at(provider, run) == []
    assert run.provider_files == []
    assert run.events.filter(kind="note", data__message__icontains="deleted at the provider").exists()


def test_files_that_could_not_be_deleted_are_deleted_later(
    start: Launch, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: FineTuning, file_id: str) -> None:
        raise ProviderAway("not now")

    run = begin(start(Method.OPENAI))
    with monkeypatch.context() as patch:
        patch.setattr(FineTuning, "delete_file", away)
        run = finish(run, provider)
    assert run.status == RunStatus.SUCCEEDED
    assert len(run.provider_files) == len(files_at(provider, run)) == 2

    django_rq.get_queue("quick").empty()  # its worker has done what was sent before
    assert reconcile.reconcile().cleaned == [run.pk], "a worker does it: a provider that hangs must not stop the clock"
    look(run)
    assert files_at(provider, run) == []


def test_a_creation_whose_answer_was_lost_makes_one_job(start: Launch, provider: ScriptedProvider) -> None:
    provider.faults(create_then_500=1)
    run = begin(start(Method.OPENAI))
    assert run.status == RunStatus.WAITING
    assert len(jobs_of(provider, run)) == 1


def test_a_creation_that_timed_out_makes_one_job(
    start: Launch, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform waits half a second for this one answer; for all others, and for the job to be there, as long as it takes."""
    provider.faults(create_delay=1.5)
    create = FineTuning.create_job_once
    monkeypatch.setattr(
        FineTuning, "create_job_once", lambda self, key, body: create(self, key, body | {"timeout": 0.5})
    )
    monkeypatch.setattr(openai_api, "ASK_AGAIN_SECONDS", (0.0, 0.2, 1.0, 5.0, 20.0))
    run = begin(start(Method.OPENAI))
    assert run.status == RunStatus.WAITING
    assert len(jobs_of(provider, run)) == 1


def test_a_worker_killed_between_creation_and_saving_finds_its_job_again(
    start: Launch, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    create = FineTuning.create_job_once

    def dies_after(self: FineTuning, *args: Any) -> Any:
        create(self, *args)
        raise Killed

    run = start(Method.OPENAI)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(FineTuning, "create_job_once", dies_after)
        begin(run)
    run.refresh_from_db()
    assert (run.status, run.provider_job) == (RunStatus.QUEUED, "")

    run = begin(run)
    assert (run.status, run.attempt) == (RunStatus.WAITING, 2)
    assert len(jobs_of(provider, run)) == 1
    assert len(files_at(provider, run)) == 2, "files of the first attempt are used again"


def test_of_two_jobs_for_one_run_the_older_stays(start: Launch, provider: ScriptedProvider) -> None:
    run = start(Method.OPENAI)
    file = provider.upload(provider_rows(12))
    made = []
    for ahead in (0, 5):
        provider.faults(clock_ahead=ahead)
        metadata = {"run": str(run.key)}
        made.append(provider.client.fine_tuning.jobs.create(model=BASE, training_file=file, metadata=metadata).id)

    kept = cloud.provider_for(run)._keep_one(str(run.key), "")

    assert kept is not None and kept.id == made[0]
    assert [job.status for job in jobs_of(provider, run) if job.id == made[1]] == ["cancelled"]
    assert cloud.provider_for(run).create_job_once(str(run.key), {}).id == made[0]


def test_an_account_that_may_not_train_is_a_state_with_advice(
    start: Launch, provider: ScriptedProvider, team: Team
) -> None:
    provider.faults(training_not_available=True)
    run = begin(start(Method.OPENAI))

    assert (run.status, run.error_code) == (RunStatus.FAILED, "training_not_available")
    assert "on another provider, or on this platform" in run.error_fix
    assert files_at(provider, run) == [], "the orphaned upload is deleted"
    assert no_money_is_held(team)


def test_a_job_that_fails_says_why(start: Launch, provider: ScriptedProvider, team: Team) -> None:
    provider.faults(moderation_refusal=True)
    run = finish(begin(start(Method.OPENAI)), provider)

    assert (run.status, run.error_code) == (RunStatus.FAILED, "content_policy_violation")
    assert "harassment" in run.error_message
    assert "take them out" in run.error_fix
    assert no_money_is_held(team)
    assert files_at(provider, run) == []


@pytest.mark.parametrize("status", ["paused", "a status that nobody knows"])
def test_an_unknown_status_means_still_running(start: Launch, provider: ScriptedProvider, status: str) -> None:
    run = begin(start(Method.OPENAI))
    provider.faults(report_status=status)
    run = look(run)
    assert (run.status, run.provider_status) == (RunStatus.WAITING, status)
    assert finish(run, provider).status == RunStatus.SUCCEEDED


def test_a_running_job_draws_its_curve_as_it_goes(start: Launch, provider: ScriptedProvider) -> None:
    run = begin(start(Method.OPENAI))
    provider.faults(clock_ahead=HALF_WAY)
    run = look(run)
    assert (run.status, run.provider_status) == (RunStatus.WAITING, "running")
    assert 0 < run.step < run.total_steps
    steps: list[Any] = list(run.events.filter(kind="step").values_list("step", flat=True))
    assert steps == list(range(1, run.step + 1))

    run = look(run)
    assert list(run.events.filter(kind="step").values_list("step", flat=True))[: len(steps)] == steps
    finish(run, provider)
    every: list[Any] = list(run.events.filter(kind="step").values_list("step", flat=True))
    assert every == sorted(set(every)), "no step is written twice"


def test_a_provider_that_is_away_is_asked_again(start: Launch, provider: ScriptedProvider) -> None:
    run = begin(start(Method.OPENAI))
    provider.faults(server_errors=1, clock_ahead=AFTER_THE_END)
    assert look(run).status == RunStatus.WAITING
    assert run.lease == ""
    assert look(run).status == RunStatus.SUCCEEDED


def test_a_provider_that_stays_away_at_the_start_fails_the_run_unpaid(start: Launch, settings: Any, team: Team) -> None:
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    run = start(Method.OPENAI)
    for _ in range(3):
        run = begin(run)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "provider_away")
    assert no_money_is_held(team)


def test_cancelling_ends_the_job_at_the_provider_and_charges_the_steps_it_did(
    start: Launch, provider: ScriptedProvider, member: User, team: Team
) -> None:
    run = begin(start(Method.OPENAI))
    provider.faults(clock_ahead=HALF_WAY)
    run = look(run)
    cancel.cancel(run=run, person=member)
    assert run.status == RunStatus.CANCELLING

    run = look(run)
    assert run.status == RunStatus.CANCELLED
    assert [job.status for job in jobs_of(provider, run)] == ["cancelled"]
    entry = entry_of(run)
    assert entry is not None
    assert entry.confidence == Confidence.ESTIMATED
    whole = estimate.size_of(run.dataset_version).tokens * 18 // 20 * 2
    assert entry.training_tokens == pytest.approx(whole * run.step / run.total_steps, rel=0.1)
    assert no_money_is_held(team)


def test_a_job_that_finished_before_the_cancel_reached_it_is_kept_and_charged(
    start: Launch, provider: ScriptedProvider, member: User
) -> None:
    run = begin(start(Method.OPENAI))
    cancel.cancel(run=run, person=member)
    run = finish(run, provider)
    assert run.status == RunStatus.SUCCEEDED
    assert entry_of(run) is not None


def test_a_run_cancelled_while_its_job_was_made_is_ended_by_the_next_look(
    start: Launch, provider: ScriptedProvider, member: User, monkeypatch: pytest.MonkeyPatch, team: Team
) -> None:
    create = FineTuning.create_job_once

    def cancelled_meanwhile(self: FineTuning, *args: Any) -> Any:
        job = create(self, *args)
        cancel.cancel(run=TrainingRun.objects.get(pk=run.pk), person=member)
        return job

    run = start(Method.OPENAI)
    monkeypatch.setattr(FineTuning, "create_job_once", cancelled_meanwhile)
    run = begin(run)
    assert (run.status, run.lease) == (RunStatus.CANCELLING, "")
    assert run.provider_job
    assert look(run).status == RunStatus.CANCELLED
    assert no_money_is_held(team)


def test_a_run_cancelled_before_its_job_was_made_makes_none(
    start: Launch, provider: ScriptedProvider, member: User, monkeypatch: pytest.MonkeyPatch, team: Team
) -> None:
    upload = FineTuning.upload

    def cancelled_meanwhile(self: FineTuning, *args: Any) -> str:
        now = TrainingRun.objects.get(pk=run.pk)
        if now.status == RunStatus.RUNNING:
            cancel.cancel(run=now, person=member)
        return upload(self, *args)

    run = start(Method.OPENAI)
    monkeypatch.setattr(FineTuning, "upload", cancelled_meanwhile)
    run = begin(run)
    assert run.status == RunStatus.CANCELLED
    assert jobs_of(provider, run) == []
    assert files_at(provider, run) == []
    assert no_money_is_held(team)


def test_a_job_that_vanished_fails_the_run_with_a_sentence(
    start: Launch, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(start(Method.OPENAI))
    TrainingRun.objects.filter(pk=run.pk).update(provider_job="ftjob-gone")
    run = look(run)
    assert run.status == RunStatus.WAITING, "for a while it may be the provider's mistake"
    monkeypatch.setattr(cloud, "PATIENCE", timedelta(0))
    run = look(run)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "not_found")


def test_a_paid_job_that_cannot_be_seen_any_more_is_booked_at_its_most_as_unknown(
    start: Launch, provider: ScriptedProvider, team: Team, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "PATIENCE", timedelta(0))
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{provider.url}/v1", "sk-real"
    run = start(Method.OPENAI)
    held = account(team).held
    lease = run.claim()
    assert lease is not None and held > 0
    run.write(lease, provider_job="ftjob-gone")
    run.move_to(RunStatus.WAITING, fence=lease)
    run = look(run)
    entry = entry_of(run)
    assert (run.status, entry is not None) == (RunStatus.FAILED, True)
    assert entry is not None
    assert (entry.delta, entry.confidence) == (held, Confidence.UNKNOWN)
    assert no_money_is_held(team)


def test_result_files_are_read_plain_and_as_base64(provider: ScriptedProvider, start: Launch) -> None:
    provider.faults(plain_result_files=True)
    run = finish(begin(start(Method.OPENAI)), provider)
    assert (run.folder / "result.csv").read_bytes().startswith(b"step,")
    assert len(list(points((run.folder / "result.csv").read_bytes()))) == run.total_steps
    assert next(points(b"step,train_loss,valid_loss\n1,,\nx,1,1\n2,0.5,nan?\n")).train_loss is None


def test_the_system_prompt_of_most_rows_is_kept_for_chats(
    start: Launch, provider: ScriptedProvider, team: Team
) -> None:
    rows = factories.child_rows(14)
    for row in rows[:12]:
        row["messages"].insert(0, {"role": "system", "content": "You are Sam, seven years old."})
    version = factories.make_dataset_version(team, rows, name="With a system message")
    run = finish(begin(start(Method.OPENAI, dataset_version=version)), provider)
    assert run.result["system_prompt"] == "You are Sam, seven years old."


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "invalid_api_key", "provider_key"),
        (429, "insufficient_quota", "insufficient_quota"),
        (400, None, "provider_rejected"),
    ],
)
def test_refusals_are_told_in_a_persons_words(status: int, code: str | None, expected: str) -> None:
    body = {"error": {"message": "Some English of theirs.", "code": code}}
    response = httpx.Response(status, json=body, request=httpx.Request("POST", "http://provider/v1/x"))
    error = openai.OpenAI(api_key="x")._make_status_error_from_response(response)
    problem = openai_api._problem(error, "sk-x")
    assert isinstance(problem, ProviderRefused)
    assert problem.code == expected
    assert problem.fix


@pytest.mark.parametrize(("status", "code"), [(500, None), (503, None), (429, "rate_limit_exceeded"), (408, None)])
def test_later_is_not_a_refusal(status: int, code: str | None) -> None:
    body = {"error": {"message": "later", "code": code}}
    response = httpx.Response(status, json=body, request=httpx.Request("POST", "http://provider/v1/x"))
    error = openai.OpenAI(api_key="x")._make_status_error_from_response(response)
    assert isinstance(openai_api._problem(error, "sk-x"), ProviderAway)


def test_the_key_is_never_in_a_runs_folder_or_rows(start: Launch, provider: ScriptedProvider, settings: Any) -> None:
    settings.SERVICE_TOKEN = "very-secret-token"
    run = finish(begin(start(Method.OPENAI)), provider)
    written = "".join(file.read_text(errors="replace") for file in run.folder.iterdir() if file.is_file())
    assert "very-secret-token" not in written
    assert not run.events.filter(data__icontains="very-secret-token").exists()
    assert execute.execute(run.pk) == "nothing waits"


def preference_rows(count: int) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(factories.child_rows(count)):
        question, answer = row["messages"]
        rejected = {"role": "assistant", "content": f"The sum may be computed as follows, number {number}."}
        pair = {"preferred_output": [answer], "non_preferred_output": [rejected], "shape": "preference"}
        rows.append({"messages": [question, answer], **pair})
    return rows


def test_dpo_sends_pairs_of_answers(start: Launch, provider: ScriptedProvider, team: Team, member: User) -> None:
    from datasets.services import versions

    version = versions.create_version(
        dataset=versions.create_dataset(team=team, name="Pairs", person=member),
        rows=preference_rows(14),
        shape="preference",
        person=member,
        note="",
        source_name="pairs.jsonl",
    )
    run = begin(start(Method.OPENAI, dataset_version=version, settings={"training": "dpo", "beta": 0.2}))
    sent = provider.client.files.content(run.provider_files[0]).read().decode()
    assert '"non_preferred_output"' in sent
    job = provider.client.fine_tuning.jobs.retrieve(run.provider_job)
    assert job.method is not None
    assert job.method.type == "dpo"
    assert finish(run, provider).status == RunStatus.SUCCEEDED


def test_dpo_without_pairs_is_refused_with_a_way_out(start: Launch) -> None:
    with pytest.raises(LaunchRefused, match="Choose supervised training"):
        start(Method.OPENAI, settings={"training": "dpo"})
