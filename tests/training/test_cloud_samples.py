"""What an OpenAI run shows beside its curve: the same questions before and after, paid once; its checkpoints; its last day."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import LedgerEntry, Method, Price, Team, User
from tests.scripted_provider.server import ScriptedProvider
from tests.training.money import entry_of, no_money_is_held
from training import jobs
from training.models import BaseModel, RunStatus, TrainingRun
from training.providers.openai_api import FineTuning
from training.services import charges, estimate
from training.services.calls import client
from training.services.calls.client import Answer
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.prepare import PreparedCall
from training.services.checkpoints import NoCheckpoint, keep_checkpoint
from training.services.endpoints import endpoint_for
from training.services.questions import SAMPLE_QUESTIONS

Launch = Callable[..., TrainingRun]
ClientFor = Callable[[User | None], Client]


def look(run: TrainingRun) -> TrainingRun:
    jobs.poll_run(run.pk)
    return TrainingRun.objects.with_related().get(pk=run.pk)


@pytest.fixture
def waiting(start: Launch, provider: ScriptedProvider) -> TrainingRun:
    run = start(Method.OPENAI)
    jobs.execute_run(run.pk)
    provider.faults(clock_ahead=200)
    return run


def test_the_base_model_and_the_trained_one_answer_the_same_questions(waiting: TrainingRun) -> None:
    run = look(waiting)
    assert run.status == RunStatus.SUCCEEDED
    asked = {(e.data["stage"], e.data["question"]): e.data for e in run.events.filter(kind="sample")}
    assert set(asked) == {(stage, question) for stage in ("before", "after") for question in SAMPLE_QUESTIONS}
    assert {data["model"] for (stage, _), data in asked.items() if stage == "before"} == {run.base_model.name}
    assert {data["model"] for (stage, _), data in asked.items() if stage == "after"} == {run.result_model}
    assert all(data["answer"] for data in asked.values())
    entry = entry_of(run)
    assert entry is not None
    assert entry.input_tokens == sum(data["input_tokens"] for data in asked.values()) > 0
    trained = charges.run_training_price(run)[0].cost(run.training_tokens)
    assert entry.delta - trained == charges.samples_cost(run) > 0


def test_a_look_that_was_cut_off_pays_for_no_answer_twice(
    waiting: TrainingRun, monkeypatch: pytest.MonkeyPatch, team: Team
) -> None:
    asked: list[tuple[str, str]] = []
    answer = client._answer

    class Killed(BaseException):
        pass

    def counted(web: Any, call: PreparedCall, seconds: float | None) -> Answer:
        if len(asked) == 4:
            asked.append(("cut", "off"))
            raise Killed
        asked.append((call.endpoint.model, call.messages[-1]["content"]))
        return answer(web, call, seconds)

    monkeypatch.setattr(client, "_answer", counted)
    with pytest.raises(Killed):
        look(waiting)
    assert TrainingRun.objects.get(pk=waiting.pk).status == RunStatus.WAITING
    run = look(waiting)
    assert run.status == RunStatus.SUCCEEDED
    real = [pair for pair in asked if pair != ("cut", "off")]
    assert len(real) == len(set(real)) == 2 * len(SAMPLE_QUESTIONS)
    assert LedgerEntry.objects.filter(key=run.hold_key).count() == 1
    assert no_money_is_held(team)


def test_a_provider_that_does_not_answer_questions_fails_no_run(
    waiting: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(web: Any, call: PreparedCall, seconds: float | None) -> Answer:
        asked.append(call)
        raise CallFailed(Outcome.REFUSED, status=503)

    monkeypatch.setattr(client, "_answer", away)
    run = look(waiting)
    assert run.status == RunStatus.SUCCEEDED
    assert len(asked) == 1, "the others would wait as long"
    assert run.events.filter(kind="note", data__message__startswith="Not all sample questions were asked").exists()


def test_nothing_is_asked_that_has_no_price(waiting: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    Price.objects.filter(model__startswith="ft:").delete()
    monkeypatch.setattr(client, "_answer", lambda *_, **__: pytest.fail("asked without a price"))
    run = look(waiting)
    assert run.status == RunStatus.SUCCEEDED
    assert entry_of(run) is not None
    estimated = charges.samples_estimate(course=run.team.course, base=run.base_model, questions=5)
    assert estimated == (0, 0)


def test_a_system_message_longer_than_what_is_held_is_not_sent(
    waiting: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingRun.objects.filter(pk=waiting.pk).update(result={"system_prompt": "very " * 2_000})
    monkeypatch.setattr(client, "_answer", lambda *_, **__: pytest.fail("asked beyond the hold"))
    assert look(waiting).status == RunStatus.SUCCEEDED


def test_the_questions_are_in_the_price_before_launch(start: Launch, team: Team) -> None:
    run = start(Method.OPENAI)
    quote, _ = charges.training_price(course=team.course, model=run.base_model.name, provider="openai")
    estimated = estimate.estimate(
        course=team.course, method=Method.OPENAI, base_model=run.base_model, dataset_version=run.dataset_version,
        settings=run.settings,
    )  # fmt: skip
    usual, most = charges.samples_estimate(course=team.course, base=run.base_model, questions=5)
    assert estimated.expected == quote.cost(estimated.training_tokens) + usual
    longest = charges.SAMPLE_QUESTION_TOKENS * 5
    dearest = charges.token_prices(course=team.course, model=f"ft:{run.base_model.name}", provider="openai")
    assert most >= dearest.cost(input_tokens=longest, cached_input_tokens=0, output_tokens=0)
    assert run.most_cost == estimated.most


def test_checkpoints_are_listed_and_one_can_be_kept_as_a_run(
    waiting: TrainingRun, team: Team, member: User, client_for: ClientFor
) -> None:
    run = look(waiting)
    points = run.result["checkpoints"]
    assert [point["step"] for point in points] == sorted(point["step"] for point in points)
    assert points[-1]["step"] == run.step
    browser, page = client_for(member), reverse("run_detail", args=[team.pk, run.number])
    html = browser.get(page).content.decode()
    assert points[0]["model"] in html
    entries = LedgerEntry.objects.count()
    address = reverse("run_checkpoint", args=[team.pk, run.number, points[0]["step"]])
    assert browser.get(address).status_code == 405
    for _ in range(2):
        answer = browser.post(address)
    made = TrainingRun.objects.with_related().exclude(pk=run.pk).get()
    assert answer["Location"] == reverse("run_detail", args=[team.pk, made.number])
    assert endpoint_for(made).model == points[0]["model"] != run.result_model
    assert (made.origin.source, made.status) == (run, RunStatus.SUCCEEDED)
    assert LedgerEntry.objects.count() == entries
    assert charges.samples_cost(made) == 0
    shown = re.sub(r"<[^>]+>", "", browser.get(answer["Location"]).content.decode())
    assert f"step {points[0]['step']} of Run 1" in shown
    assert browser.post(reverse("run_checkpoint", args=[team.pk, run.number, 999_999])).status_code == 404


def test_a_run_without_checkpoints_keeps_none(start: Launch, member: User) -> None:
    with pytest.raises(NoCheckpoint):
        keep_checkpoint(run=start(), person=member, step=1)


def test_an_account_that_may_not_train_is_told_before_a_row_leaves(start: Launch, provider: ScriptedProvider) -> None:
    provider.faults(training_not_available=True)
    uploads = len(list(provider.client.files.list()))
    run = start(Method.OPENAI)
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "training_not_available")
    assert not run.provider_files
    assert not any("deleted at the provider" in str(e.data) for e in run.events.all()), "there was nothing to delete"
    assert len(list(provider.client.files.list())) == uploads


def test_an_account_that_is_closed_after_the_upload_leaves_no_file_behind(
    start: Launch, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FineTuning, "refuse_if_closed", lambda *_: None)
    provider.faults(training_not_available=True)
    run = start(Method.OPENAI)
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert run.error_code == "training_not_available"
    assert run.provider_files == []
    assert not [file for file in provider.client.files.list() if str(run.key) in file.filename]


def test_the_last_day_of_a_model_stands_on_the_run(
    start: Launch, team: Team, member: User, client_for: ClientFor
) -> None:
    BaseModel.objects.update(shutdown_on=date(2027, 1, 14))
    run = start(Method.OPENAI)
    html = client_for(member).get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    assert "14 Jan 2027" in html
