"""What reaches the provider is what was priced: its model, one answer, so many tokens at most; and it costs what was held."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models import F
from django.test import AsyncClient
from django.utils import timezone

from datasets.services import reading
from evaluation import judge_prompt
from evaluation.models import Interview, JudgeOpinion, JudgeUse, Turn, TurnStatus
from evaluation.services import answering, asking, bots, chat, comparing, interviews, judging, submissions
from teams.models import (
    BudgetAccount,
    Confidence,
    CourseAccount,
    Hold,
    LedgerEntry,
    Method,
    Price,
    Provider,
    Role,
    Team,
    User,
)
from teams.services import money
from tests import factories
from tests.evaluation.conftest import make_prices
from tests.security.paid_bots import bot, change_program
from tests.security.recording_provider import KNOWN, Recorder
from training.models import TrainingRun
from training.services import charges, deployments, drafting, tokens, writers
from training.services.calls import client
from training.services.endpoints import NotReady

LENGTHS = ("max_tokens", "max_completion_tokens")
CAPS = {Method.OPENAI: 300, Method.DSPY: 300, Method.LORA: 512 // 3}
Ask = Callable[[Team, User, Method], TrainingRun]
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]


def check(recorder: Recorder, *, models: set[str], most_tokens: int) -> None:
    """Every request that arrived, against what may be asked; and the money, against what was held."""
    assert recorder.requests, "nobody was asked"
    for body in recorder.requests:
        assert body["model"] in models
        assert body.get("n") in (None, 1)
        most = [body[name] for name in LENGTHS if name in body]
        assert len(most) == 1 and 1 <= most[0] <= most_tokens
        assert set(body) <= KNOWN, f"asked for more: {set(body) - KNOWN}"
        assert all(isinstance(message["content"], str) for message in body["messages"]), "something that is no text"
        assert "limits" not in body, "only the program server understands them"


def check_money(recorder: Recorder, team: Team) -> None:
    """All is settled; each charge within its hold, and together what the provider billed."""
    held = {hold.key: hold.amount for hold in Hold.objects.filter(account__team=team)}
    entries = list(LedgerEntry.objects.filter(account__team=team))
    assert all(0 <= entry.delta <= held[entry.key] and entry.beyond_hold == 0 for entry in entries)
    assert recorder.billed <= sum(held.values())
    assert sum(entry.delta for entry in entries) == pytest.approx(recorder.billed, abs=len(recorder.requests))
    assert BudgetAccount.objects.get(team=team).held == 0


def ask_in_chat(team: Team, member: User, method: Method) -> TrainingRun:
    run = bot(team, method)
    talk = chat.open_conversation(run=run, person=member)
    for question in ("What is ice?", "Why?", "¿Y por qué? " * 8):
        turn = chat.ask(conversation=talk, question=question, person=member)
        turn.refresh_from_db()
        assert turn.status == TurnStatus.DONE, turn.error_message
    again = chat.retry(turn=turn, person=member)
    again.refresh_from_db()
    assert again.status == TurnStatus.DONE
    return run


def ask_side_by_side(team: Team, member: User, method: Method) -> TrainingRun:
    run = bot(team, method)
    values = [comparing.bot_of(run, untrained=untrained).value for untrained in (False, True)]
    comparing.compare(team=team, question="What is ice?", values=values, person=member)
    return run


def ask_as_professor(team: Team, member: User, method: Method) -> TrainingRun:
    run = bot(team, method)
    professor = factories.make_person("Pat")
    factories.enrol(team.course, professor, role=Role.PROFESSOR)
    submission = submissions.submit(team=team, run=run, person=member)
    talk = chat.open_conversation(run=run, person=professor, submission=submission)
    turn = chat.ask(conversation=talk, question="What is ice?", person=professor)
    turn.refresh_from_db()
    assert turn.status == TurnStatus.DONE, turn.error_message
    assert Hold.objects.get(key=turn.hold_key).subject_kind == money.GRADING
    return run


def ask_the_standard_interview(team: Team, member: User, method: Method) -> TrainingRun:
    run = bot(team, method)
    interview = interviews.start(run=run, person=member, repeats=2)
    assert interviews.carry_out(interview.pk) == "done"
    return run


def ask_at_the_endpoint(team: Team, member: User, method: Method) -> TrainingRun:
    run, ask = endpoint_of(team, member, method)
    for more in ({}, {"max_tokens": 50}, {"max_completion_tokens": 10**6, "user": "x", "n": 1}):
        answer = ask(more)
        assert answer.status_code == 200, answer.content
    return run


WALK: dict[str, Ask] = {
    "chat": ask_in_chat,
    "side by side": ask_side_by_side,
    "professor's live interview": ask_as_professor,
    "standard interview": ask_the_standard_interview,
    "endpoint": ask_at_the_endpoint,
}


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("page", WALK)
def test_every_page_sends_what_was_priced(
    page: str,
    method: Method,
    priced: Team,
    member: User,
    recorder: Recorder,
    programs: str,
    answers_at_once: None,
    short_script: object,
    calls: object,
) -> None:
    run = WALK[page](priced, member, method)
    asked = (
        {charges.asked_model(run), run.base_model.name} if method != Method.LORA else {run.result_model, "tiny-student"}
    )
    check(recorder, models=asked, most_tokens=CAPS[method])
    if method == Method.LORA:
        assert not LedgerEntry.objects.exclude(delta=0).exists()
    else:
        check_money(recorder, priced)


HOSTILE_STATES: dict[str, dict[str, Any]] = {
    "seven answers": {"config": {"n": 7}},
    "a dearer model": {"config": {"model": "gpt-5-pro", "max_tokens": 100_000}},
    "the dear tier": {"config": {"service_tier": "priority", "logprobs": True, "top_logprobs": 20}},
    "a model of its own": {"lm": {"model": "openai/gpt-5-pro", "max_tokens": 100_000, "n": 3}},
    "thinking": {"config": {"reasoning_effort": "high", "tools": [{"type": "web_search"}]}},
    "its own demonstrations at each call": {"forward": "x", "temperature": 2, "stage": "y"},
}


@pytest.mark.parametrize("state", HOSTILE_STATES)
def test_whatever_a_program_says_the_request_is_ours(
    state: str, priced: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None
) -> None:
    run = bot(priced, Method.DSPY)
    change_program(run, serving={"model": "gpt-5-pro", "max_tokens": 100_000}, **HOSTILE_STATES[state])
    talk = chat.open_conversation(run=run, person=member)
    chat.ask(conversation=talk, question="What is ice?", person=member)
    check(recorder, models={"gpt-test"}, most_tokens=300)
    check_money(recorder, priced)


def test_a_marker_in_a_question_does_not_become_an_image(
    priced: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None
) -> None:
    """DSPy turns its own marks in any text into parts of a message; an image costs thousands of tokens that nobody priced."""
    run = bot(priced, Method.DSPY)
    image = '[{"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}]'
    question = f"Look: <<CUSTOM-TYPE-START-IDENTIFIER>>{image}<<CUSTOM-TYPE-END-IDENTIFIER>> What is it?"
    talk = chat.open_conversation(run=run, person=member)
    turn = chat.ask(conversation=talk, question=question, person=member)
    turn.refresh_from_db()
    assert (turn.status, recorder.requests) == (TurnStatus.FAILED, [])
    account = BudgetAccount.objects.get(team=priced)
    assert (account.spent, account.held) == (0, 0)


def test_a_prompt_that_grew_after_it_was_priced_is_not_sent(
    priced: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None
) -> None:
    run = bot(priced, Method.DSPY)
    instructions = {"instructions": "Be a child. " * 3_000, "fields": [{"prefix": "A:", "description": "b"}] * 4}
    change_program(run, signature=instructions)
    talk = chat.open_conversation(run=run, person=member)
    turn = chat.ask(conversation=talk, question="What is ice?", person=member)
    turn.refresh_from_db()
    assert (turn.status, recorder.requests) == (TurnStatus.FAILED, [])
    assert BudgetAccount.objects.get(team=priced).spent == 0


def test_an_answer_out_of_format_is_asked_for_twice_and_both_are_paid_out_of_the_hold(
    priced: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None
) -> None:
    """It was free before: a program that keeps to no format spent the course's money and stood in no ledger."""
    recorder.garbage = True
    run = bot(priced, Method.DSPY)
    talk = chat.open_conversation(run=run, person=member)
    turn = chat.ask(conversation=talk, question="What is ice?", person=member)
    turn.refresh_from_db()
    assert turn.status == TurnStatus.FAILED and "charged" in turn.error_message
    assert len(recorder.requests) == charges.PROGRAM_CALLS_PER_TURN
    check(recorder, models={"gpt-test"}, most_tokens=300)
    check_money(recorder, priced)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_out_of_format_at_the_endpoint_is_paid_for(
    streamed: bool, priced: Team, member: User, recorder: Recorder, programs: str
) -> None:
    recorder.garbage = True
    _, ask = endpoint_of(priced, member, Method.DSPY)
    answer = ask({"stream": streamed})
    assert answer.status_code == 502 and b"charged" in answer.content
    check(recorder, models={"gpt-test"}, most_tokens=300)
    check_money(recorder, priced)


def test_an_interview_of_a_program_that_keeps_to_no_format_stops_at_its_hold(
    priced: Team, member: User, recorder: Recorder, programs: str, short_script: object, calls: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(client, "WAIT_SECONDS", 0)
    recorder.garbage = True
    run = bot(priced, Method.DSPY)
    interview = interviews.start(run=run, person=member)
    held = BudgetAccount.objects.get(team=priced).held
    assert interviews.carry_out(interview.pk) == "failed"
    assert 0 < recorder.billed <= held
    check(recorder, models={"gpt-test"}, most_tokens=300)
    check_money(recorder, priced)


def test_a_talk_that_grew_after_the_hold_is_cut_to_what_was_held(
    priced: Team, member: User, recorder: Recorder, answers_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop was pressed, the next question asked, and only then all of the stopped answer came in."""
    run = bot(priced, Method.OPENAI)
    talk = chat.open_conversation(run=run, person=member)
    first = chat.ask(conversation=talk, question="What is ice?", person=member)
    start, grown = answering.desk.start, "a very long answer " * 400

    def grow_first(turn_id: int) -> None:
        Turn.objects.filter(pk=first.pk).update(answer=grown)
        start(turn_id)

    monkeypatch.setattr(answering.desk, "start", grow_first)
    turn = chat.ask(conversation=talk, question="Why?", person=member)
    turn.refresh_from_db()
    assert (turn.status, turn.left_out) == (TurnStatus.DONE, 1)
    assert grown not in json.dumps(recorder.requests[-1])
    check_money(recorder, priced)


def test_a_price_that_rose_after_the_hold_stops_the_question(
    priced: Team, member: User, recorder: Recorder, answers_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = chat.open_conversation(run=bot(priced, Method.OPENAI), person=member)
    start = answering.desk.start

    def raise_first(turn_id: int) -> None:
        Price.objects.filter(course=priced.course).update(per_million=F("per_million") * 3)
        start(turn_id)

    monkeypatch.setattr(answering.desk, "start", raise_first)
    turn = chat.ask(conversation=talk, question="Why?", person=member)
    turn.refresh_from_db()
    assert (turn.status, recorder.requests) == (TurnStatus.FAILED, [])
    assert "Nothing was charged" in turn.error_message
    account = BudgetAccount.objects.get(team=priced)
    assert (account.spent, account.held) == (0, 0)


ASKED_FOR_MORE: list[dict[str, Any]] = [
    {"n": 7},
    {"best_of": 5},
    {"stop": ["x"]},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"logprobs": True},
    {"service_tier": "priority"},
    {"reasoning_effort": "high"},
    {"limits": {"model": "gpt-5-pro", "max_tokens": 32_000, "calls": 10, "input_tokens": 10**6}},
    {"modalities": ["audio"]},
    {"max_tokens": 10**9, "max_completion_tokens": 0},
    {"max_tokens": -5},
    {"max_tokens": True},
    {"stream_options": {"include_usage": False, "n": 9}, "stream": True},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x.test/a"}}]}]},
    {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}]},
    {"messages": [{"role": "user", "content": "x", "name": "y" * 50_000, "tool_calls": []}]},
    {"model": "gpt-5-pro"},
]


@pytest.mark.parametrize("method", [Method.DSPY, Method.OPENAI])
def test_an_endpoint_client_gets_no_more_than_was_priced(
    method: Method, priced: Team, member: User, recorder: Recorder, programs: str
) -> None:
    run, ask = endpoint_of(priced, member, method)
    answered = 0
    for more in ASKED_FOR_MORE:
        answer = ask(more)
        answered += answer.status_code == 200
    assert answered == 3, "longer than allowed is cut; what is not known is refused"
    check(recorder, models={charges.asked_model(run)}, most_tokens=300)
    check_money(recorder, priced)


def endpoint_of(team: Team, member: User, method: Method) -> tuple[TrainingRun, Callable[[dict[str, Any]], Any]]:
    run = bot(team, method)
    deployments.deploy(team=team, run=run, person=member)
    _, secret = deployments.make_key(team=team, name="page", per_minute=60, daily_cap=10**9, person=member)
    usual = {"model": f"run-{run.number}", "messages": [{"role": "user", "content": "What is ice?"}]}

    async def ask(more: dict[str, Any]) -> Any:
        """Asked and read in one event loop, as a server does it: a connection belongs to the loop that opened it."""
        headers = {"Authorization": f"Bearer {secret}"}
        body = json.dumps(usual | more)
        answer: Any = await AsyncClient().post("/v1/chat/completions", body, "application/json", headers=headers)
        if answer.streaming:
            # Read to its end, so that it is settled.
            async for _ in answer:
                pass
        return answer

    return run, async_to_sync(ask)


def test_the_judge_is_asked_what_was_held_for(
    priced: Team, member: User, instructor: User, recorder: Recorder, short_script: object, calls: object
) -> None:
    make_prices(priced, "gpt-judge")
    judging.switch(course=priced.course, use=JudgeUse.EVERY, model="gpt-judge", person=instructor)
    interview = interviews.start(run=bot(priced, Method.LORA), person=member)
    assert interviews.carry_out(interview.pk) == "done"
    judged = [body for body in recorder.requests if body["model"] == "gpt-judge"]
    assert len(judged) == JudgeOpinion.objects.filter(status="given").count() > 0
    recorder.requests = judged
    check(recorder, models={"gpt-judge"}, most_tokens=judge_prompt.REPLY_TOKENS)
    check_money(recorder, priced)


def test_drafted_rows_are_asked_for_as_they_were_held_for(
    priced: Team, member: User, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_prices(priced, "gpt-writer")
    Provider.objects.filter(code="openai").update(for_drafting=True)
    monkeypatch.setattr(drafting, "send_for_worker", lambda one: None)
    version = factories.make_dataset_version(priced, factories.child_rows(8), name="To draft from")
    ids = [row.id for row in reading.stored_rows(version)]
    one = drafting.start(
        version=version, row_ids=ids, writer="model:gpt-writer", wanted=4, topic="¿Frogs?", person=member
    )
    assert drafting.carry_out(one.pk) == "done"
    check(recorder, models={"gpt-writer"}, most_tokens=writers.LONGEST_ROW_TOKENS)
    check_money(recorder, priced)


def test_a_judge_that_is_asked_again_after_a_kill_is_held_for_again(
    priced: Team, member: User, instructor: User, recorder: Recorder, short_script: object, calls: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_prices(priced, "gpt-judge")
    judging.switch(course=priced.course, use=JudgeUse.EVERY, model="gpt-judge", person=instructor)
    interview = interviews.start(run=bot(priced, Method.LORA), person=member)
    ask = judging._ask

    def killed(*args: Any) -> Any:
        ask(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(judging, "_ask", killed)
    with pytest.raises(KeyboardInterrupt):
        interviews.carry_out(interview.pk)
    monkeypatch.setattr(judging, "_ask", ask)
    Interview.objects.update(heartbeat_at=timezone.now() - 2 * interviews.SILENT_FOR)
    assert interviews.carry_out(interview.pk) == "done"
    recorder.requests = [body for body in recorder.requests if body["model"] == "gpt-judge"]
    paid = LedgerEntry.objects.filter(subject_kind="judge")
    assert paid.filter(confidence=Confidence.UNKNOWN).count() == 1
    assert (
        recorder.billed
        <= sum(paid.values_list("delta", flat=True))
        <= sum(Hold.objects.filter(subject_kind="judge").values_list("amount", flat=True))
    )


def test_an_interview_taken_up_after_a_kill_still_costs_no_more_than_its_hold(
    priced: Team, member: User, recorder: Recorder, short_script: object, calls: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    interview = interviews.start(run=bot(priced, Method.OPENAI), person=member)
    held = BudgetAccount.objects.get(team=priced).held
    keep = interviews.keep

    def killed(*args: Any) -> bool:
        keep(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(interviews, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        interviews.carry_out(interview.pk)
    monkeypatch.setattr(interviews, "keep", keep)
    Interview.objects.update(heartbeat_at=timezone.now() - 2 * interviews.SILENT_FOR)
    assert interviews.carry_out(interview.pk) == "done"
    check(recorder, models={charges.asked_model(interview.run)}, most_tokens=300)
    account = BudgetAccount.objects.get(team=priced)
    assert account.held == 0
    assert recorder.billed <= account.spent <= held, "what the killed worker had asked is paid for too"


def test_an_interview_asks_no_further_than_its_hold_pays_for(
    priced: Team, member: User, recorder: Recorder, short_script: object, calls: object
) -> None:
    interview = interviews.start(run=bot(priced, Method.OPENAI), person=member)
    Hold.objects.filter(key=interview.hold_key).update(amount=2_500)
    BudgetAccount.objects.update(held=2_500)
    CourseAccount.objects.update(held=2_500)
    assert interviews.carry_out(interview.pk) == "failed"
    interview.refresh_from_db()
    assert interview.error_message == asking.MOST_IS_USED
    assert 0 < recorder.billed <= 2_500
    check_money(recorder, priced)


def test_a_submission_that_names_another_model_is_not_asked(
    priced: Team, member: User, recorder: Recorder, answers_at_once: None
) -> None:
    run = bot(priced, Method.OPENAI)
    submission = submissions.submit(team=priced, run=run, person=member)
    submission.bundle["chat"]["model"] = "gpt-5-pro"
    submission.save()
    talk = chat.open_conversation(run=run, person=member, submission=submission)
    with pytest.raises(NotReady, match="no longer the one"):
        chat.ask(conversation=talk, question="What is ice?", person=member)
    assert recorder.requests == [] and not Hold.objects.exists()


def test_a_rehearsed_program_is_not_asked_at_the_real_provider(
    priced: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None, settings: Any
) -> None:
    """Nothing was held for a rehearsal of an earlier version, and a lenient server may answer any model name."""
    talk = chat.open_conversation(run=bot(priced, Method.DSPY, rehearsal=True), person=member)
    settings.HAS_PROVIDER = True
    with pytest.raises(NotReady, match="was a rehearsal"):
        chat.ask(conversation=talk, question="What is ice?", person=member)
    assert recorder.requests == []


def test_a_long_talk_is_counted_from_its_end_and_no_further_than_fits(
    priced: Team, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question took as long as the square of the talk: growth is what counts, not seconds."""
    talk = chat.open_conversation(run=bot(priced, Method.OPENAI), person=member)
    counted: list[int] = []
    count = tokens.count_messages

    def counting(messages: Any) -> int:
        counted.append(1)
        return count(messages)

    monkeypatch.setattr(bots, "count_messages", counting)
    turns = [Turn(conversation=talk, question="What is ice?", answer="Um, cold water. " * 100) for _ in range(400)]
    work = []
    for length in (100, 200, 400):
        counted.clear()
        _, left_out = bots.messages_for(bots.endpoint_of(talk), turns[:length], "Why?")
        assert 0 < length - left_out < 100
        work.append(len(counted))
    assert work[0] == work[1] == work[2] < 100
