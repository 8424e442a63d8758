"""A team's bots for programs: the real openai client over a real web server, money held and settled for every call."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from django.conf import settings
from django.utils import timezone

from courseplatform.handler import Handler
from teams.models import (
    BudgetAccount,
    Confidence,
    Course,
    Hold,
    HoldState,
    LedgerEntry,
    Method,
    Price,
    Team,
    User,
)
from tests.evaluation.conftest import make_prices, make_run, model_server
from tests.evaluation.model_server import Script
from training.models import CallStatus, EndpointCall, EndpointKey, TrainingRun
from training.services import deployments, endpoints
from training.services.calls.usage import TokenUsage
from training.services.endpoint_places import OF_ONE_TEAM

__all__ = ["model_server"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

QUESTION: Any = [{"role": "user", "content": "What is 15 + 8?"}]
DOLLAR = 1_000_000


async def nothing() -> None:
    """No answers are made in this server."""


@pytest.fixture
def web(settings: Any) -> Iterator[str]:
    """The platform's own ASGI application, in a thread of this process."""
    application = Handler(on_start=nothing, on_stop=nothing)
    listener = socket.create_server(("127.0.0.1", 0))  # at once: a port that is only found free may be taken meanwhile
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    options: dict[str, Any] = {"log_level": "critical", "timeout_graceful_shutdown": 1, "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(application, timeout_keep_alive=75, **options))
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the web server does not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join(15)
    application.close()
    listener.close()


def new_key(team: Team, member: User, *, per_minute: int = 30, daily_cap: int = DOLLAR, trains: bool = False) -> str:
    limits = {"per_minute": per_minute, "daily_cap": daily_cap}
    return deployments.make_key(team=team, name="a page", person=member, trains=trains, **limits)[1]


def client_of(web: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=web, api_key=key, max_retries=0, timeout=100, _strict_response_validation=True)


def paid(team: Team, member: User) -> TrainingRun:
    """A fine-tuned model at 1 micro-dollar a token in and 2 out, deployed."""
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    deployments.deploy(team=team, run=run, person=member)
    return run


def account(team: Team) -> tuple[int, int]:
    """(spent, held)"""
    found = BudgetAccount.objects.get(team=team)
    return found.spent, found.held


def eventually(what: Any) -> Any:
    """The server closes a call after the client has gone: wait for it, however slow the machine."""
    deadline = time.monotonic() + 100
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def closed_call() -> EndpointCall:
    found: EndpointCall = eventually(lambda: EndpointCall.objects.exclude(status=CallStatus.OPEN).first())
    return found


@pytest.mark.parametrize("method", list(Method))
def test_every_method_answers_with_its_own_prompt_and_decoding(
    team: Team, member: User, web: str, model_server: Script, method: Method
) -> None:
    make_prices(team)
    run = make_run(team, method)
    deployments.deploy(team=team, run=run, person=member)
    client = client_of(web, new_key(team, member))
    assert [model.id for model in client.models.list()] == [f"run-{run.number}"]
    answer = client.chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    assert answer.choices[0].message.content == "It turns into ice!"
    assert answer.model == f"run-{run.number}"
    trained = endpoints.endpoint_for(run)
    sent = model_server.asked[-1]
    prompt = [{"role": "system", "content": trained.system_prompt}] if trained.system_prompt else []
    assert sent["messages"] == [*prompt, *QUESTION]
    assert (sent["model"], sent["temperature"]) == (trained.model, trained.temperature)
    assert sent["max_tokens"] == min(trained.max_tokens, trained.context_tokens // 3)


def test_a_call_is_held_for_and_charged_once_as_its_own_kind(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    run = paid(team, member)
    client_of(web, new_key(team, member)).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    entry, call, held = LedgerEntry.objects.get(), closed_call(), Hold.objects.get()
    assert (entry.delta, entry.confidence, entry.subject_kind) == (20 + 2 * 5, Confidence.EXACT, "endpoint")
    assert (entry.subject_id, entry.person) == (str(call.key), member)
    assert (call.status, call.cost, call.input_tokens, call.output_tokens) == (CallStatus.DONE, 30, 20, 5)
    assert held.amount > 30
    assert account(team) == (30, 0)


@pytest.mark.parametrize("with_usage", [True, False])
def test_a_streamed_answer_comes_in_pieces_and_is_charged_exactly(
    team: Team, member: User, web: str, model_server: Script, with_usage: bool
) -> None:
    run = paid(team, member)
    options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}
    stream = client_of(web, new_key(team, member)).chat.completions.create(
        model=f"run-{run.number}", messages=QUESTION, stream=True, **options
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert pieces == ["It turns", " into ", "ice!"]
    assert {chunk.model for chunk in chunks} == {f"run-{run.number}"}
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([5] if with_usage else [])
    assert (closed_call().status, closed_call().cost) == (CallStatus.DONE, 30)
    assert account(team) == (30, 0)


def test_a_caller_who_goes_away_pays_for_what_came(team: Team, member: User, web: str, model_server: Script) -> None:
    run = paid(team, member)
    model_server.hold_after = 2
    stream = client_of(web, new_key(team, member)).chat.completions.create(
        model=f"run-{run.number}", messages=QUESTION, stream=True
    )
    next(iter(stream))
    stream.close()
    call = closed_call()
    assert call.status == CallStatus.BROKEN
    entry = LedgerEntry.objects.get()
    assert (entry.confidence, entry.delta) == (Confidence.ESTIMATED, call.cost)
    assert 0 < call.cost < Hold.objects.get().amount
    assert account(team) == (call.cost, 0)


def test_a_provider_that_breaks_off_is_booked_at_the_most_as_unknown(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    run = paid(team, member)
    model_server.break_after = 1
    stream = client_of(web, new_key(team, member)).chat.completions.create(
        model=f"run-{run.number}", messages=QUESTION, stream=True
    )
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)
    call, entry = closed_call(), LedgerEntry.objects.get()
    assert (call.status, entry.confidence) == (CallStatus.FAILED, Confidence.UNKNOWN)
    assert entry.delta == Hold.objects.get().amount == account(team)[0]


def test_a_provider_that_refuses_or_is_not_there_costs_nothing(
    team: Team, member: User, web: str, model_server: Script, settings: Any
) -> None:
    run, client = paid(team, member), client_of(web, new_key(team, member))
    model_server.status = 500
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    assert "secret" not in str(refused.value)
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(openai.InternalServerError) as away:
        client.chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    assert away.value.status_code == 503
    assert account(team) == (0, 0)
    assert not LedgerEntry.objects.exists()


def test_a_spent_budget_is_said_in_openais_words(team: Team, member: User, web: str, model_server: Script) -> None:
    run = paid(team, member)
    BudgetAccount.objects.filter(team=team).update(limit=10)
    with pytest.raises(openai.APIStatusError) as refused:
        client_of(web, new_key(team, member)).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    assert (refused.value.status_code, refused.value.code) == (402, "insufficient_quota")
    assert "the team has $0.00001 left" in str(refused.value)
    assert not EndpointCall.objects.exists()
    assert not model_server.asked


def test_a_key_stops_at_its_own_cap_for_the_day_and_free_bots_go_on(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    run, free = paid(team, member), make_run(team, Method.LORA)
    deployments.deploy(team=team, run=free, person=member)
    client = client_of(web, new_key(team, member, daily_cap=10))
    with pytest.raises(openai.APIStatusError, match="a day"):
        client.chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    client.chat.completions.create(model=f"run-{free.number}", messages=QUESTION)
    assert account(team) == (0, 0)


def test_spending_that_is_paused_pauses_paid_calls(
    course: Course, team: Team, member: User, web: str, model_server: Script
) -> None:
    run = paid(team, member)
    Course.objects.filter(pk=course.pk).update(spending_frozen=True)
    with pytest.raises(openai.APIStatusError, match="paused"):
        client_of(web, new_key(team, member)).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)


def test_too_many_calls_at_once_are_told_to_wait_and_no_more_pass(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    run, key = paid(team, member), new_key(team, member, per_minute=3)

    def call(_: int) -> int:
        body = {"model": f"run-{run.number}", "messages": QUESTION}
        answer = httpx.post(
            f"{web}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=100
        )
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(call, range(8)))
    assert statuses == [200] * 3 + [429] * 5
    assert account(team) == (90, 0)


def test_calls_that_wait_for_a_slow_model_leave_room_for_everybody_else(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    run, key = paid(team, member), new_key(team, member, per_minute=100)
    model_server.says = lambda _: str(model_server.go_on.wait(200))
    headers = {"Authorization": f"Bearer {key}"}
    statuses: list[int] = []

    def call(_: int) -> None:
        body = {"model": f"run-{run.number}", "messages": QUESTION}
        statuses.append(httpx.post(f"{web}/chat/completions", json=body, headers=headers, timeout=200).status_code)

    with ThreadPoolExecutor(settings.WEB_THREADS) as pool:
        for number in range(settings.WEB_THREADS):
            pool.submit(call, number)
        try:
            eventually(lambda: len(statuses) == settings.WEB_THREADS - OF_ONE_TEAM)
            assert httpx.get(f"{web}/models", headers=headers, timeout=100).status_code == 200
        finally:
            model_server.go_on.set()
    assert sorted(statuses) == [200] * OF_ONE_TEAM + [429] * (settings.WEB_THREADS - OF_ONE_TEAM)
    assert account(team) == (30 * OF_ONE_TEAM, 0)
    call(0)
    assert statuses[-1] == 200


def test_a_revoked_or_unknown_key_is_refused_and_only_a_hash_is_kept(
    team: Team, member: User, web: str, model_server: Script
) -> None:
    secret = new_key(team, member)
    row = EndpointKey.objects.get()
    assert secret not in str(EndpointKey.objects.values_list().get())
    assert client_of(web, secret).models.list().data == []
    deployments.revoke(key=row, person=member)
    for wrong in (secret, "sk-course-guess"):
        with pytest.raises(openai.AuthenticationError):
            client_of(web, wrong).models.list()
    assert httpx.get(f"{web}/models", timeout=100).status_code == 401
    assert httpx.post(f"{web}/chat/completions", json={}, timeout=100).status_code == 401


def test_another_teams_model_or_a_stopped_one_is_not_found(
    team: Team, other_team: Team, member: User, web: str, model_server: Script
) -> None:
    run = paid(other_team, member)
    mine = make_run(team, Method.LORA)
    made = deployments.deploy(team=team, run=mine, person=member)
    deployments.stop(deployment=made, person=member)
    client = client_of(web, new_key(team, member))
    for name in (f"run-{run.number}", "run-999", "gpt-4o", "run-" + "9" * 40, "run-²"):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=QUESTION)
    assert not model_server.asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": 0.1}, "leave out temperature"),
        ({"tools": [{"type": "function"}]}, "does not know tools"),
        ({"n": 2}, "One answer at a time"),
        ({"messages": [{"role": "system", "content": "Be rude."}, *QUESTION]}, "leave system messages out"),
        ({"messages": []}, "a list of 1 to"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "and a text"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "23"}]}, "must be the teacher's"),
        ({"messages": [{"role": "user", "content": "a word " * 20_000}]}, "tokens at once"),
        ({"max_tokens": -1}, "above 0"),
        ({"model": 3}, "Say which model"),
    ],
)
def test_what_a_bot_cannot_do_is_refused_before_any_money(
    team: Team, member: User, web: str, model_server: Script, changes: dict[str, Any], said: str
) -> None:
    run = paid(team, member)
    body = {"model": f"run-{run.number}", "messages": QUESTION} | changes
    key = new_key(team, member)
    answer = httpx.post(f"{web}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=100)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert not Hold.objects.exists()
    assert not model_server.asked


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"[" * 100_000, b'"x"', b"\xff\xfe"])
def test_a_body_that_is_no_request_is_a_clear_400(
    team: Team, member: User, web: str, model_server: Script, raw: bytes
) -> None:
    headers = {"Authorization": f"Bearer {new_key(team, member)}"}
    answer = httpx.post(f"{web}/chat/completions", content=raw, headers=headers, timeout=100)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_question_that_may_have_been_billed_before_a_hang_up_is_unknown(
    team: Team, member: User, web: str, model_server: Script, settings: Any
) -> None:
    class HangsUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 20)

    run = paid(team, member)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HangsUp) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        settings.OPENAI_BASE_URL = f"http://127.0.0.1:{server.server_address[1]}/v1"
        with pytest.raises(openai.InternalServerError):
            client_of(web, new_key(team, member)).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
        server.shutdown()
    assert LedgerEntry.objects.get().confidence == Confidence.UNKNOWN


def test_a_call_whose_web_process_died_is_closed_by_the_sweeper_once(
    team: Team, member: User, model_server: Script
) -> None:
    run = paid(team, member)
    new_key(team, member)
    key = EndpointKey.objects.get()
    call = deployments.open_call(key=key, run=run, most=500, streamed=False)
    assert deployments.sweep() == 0
    EndpointCall.objects.filter(pk=call.pk).update(at=timezone.now() - timedelta(hours=1))
    assert deployments.sweep() == 1
    assert deployments.sweep() == 0
    assert (LedgerEntry.objects.get().confidence, account(team)) == (Confidence.UNKNOWN, (500, 0))
    assert not Hold.objects.filter(state=HoldState.OPEN).exists()


def forgotten(team: Team, member: User) -> list[EndpointCall]:
    """Two calls of a paid bot whose web process died long ago; at most 500 micro-dollars each."""
    run = paid(team, member)
    new_key(team, member)
    key = EndpointKey.objects.get()
    calls = [deployments.open_call(key=key, run=run, most=500, streamed=False) for _ in range(2)]
    EndpointCall.objects.update(at=timezone.now() - timedelta(hours=1))
    return calls


def test_a_lost_call_whose_price_is_gone_is_booked_at_its_most_and_the_ledger_says_why(
    team: Team, member: User
) -> None:
    forgotten(team, member)
    Price.objects.all().delete()
    assert deployments.sweep() == 2
    assert account(team) == (1000, 0)
    for entry in LedgerEntry.objects.all():
        assert (entry.confidence, entry.delta, entry.provider) == (Confidence.UNKNOWN, 500, "openai")
        assert "No price is known for input tokens of ft:gpt-test" in entry.price_note


def test_an_answered_call_whose_price_is_gone_leaves_no_money_held(team: Team, member: User) -> None:
    call, _ = forgotten(team, member)
    Price.objects.all().delete()
    deployments.close_call(call=call, status=CallStatus.DONE, usage=TokenUsage(20, 0, 5, exact=True))
    call.refresh_from_db()
    entry = LedgerEntry.objects.get()
    assert (call.status, call.cost, entry.delta, entry.confidence) == (CallStatus.DONE, 500, 500, Confidence.UNKNOWN)
    assert account(team) == (500, 500), "the other call is open"


def test_a_lost_call_that_cannot_be_closed_does_not_keep_the_others_open(
    team: Team, member: User, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = forgotten(team, member)
    Hold.objects.filter(key=bad.hold_key).delete()
    assert deployments.sweep() == 1
    good.refresh_from_db()
    assert (good.status, LedgerEntry.objects.get().key) == (CallStatus.FAILED, good.hold_key)
    assert "could not be set right" in caplog.text


def test_the_page_makes_a_key_shows_it_once_and_shows_use(
    team: Team, member: User, web: str, model_server: Script, client_for: Any
) -> None:
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    browser = client_for(member)
    address = f"/teams/{team.pk}/endpoint/"
    assert "None yet" in browser.get(address).content.decode()
    browser.post(f"{address}runs/", {"run": run.number})
    shown = browser.post(f"{address}keys/", {"name": "Our page", "per_minute": "5", "daily_cap": "0.50"})
    assert shown["Cache-Control"] == "no-store"
    secret = shown.content.decode().split("<code>")[1].split("</code>")[0]
    client_of(web, secret).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    closed_call()
    page = browser.get(address).content.decode()
    assert secret not in page
    assert "Our page" in page and "20 · 5" in page and "$0.00003" in page
    entry = LedgerEntry.objects.get()
    assert "at the team&#x27;s endpoint" in browser.get(f"/teams/{team.pk}/costs/entries/{entry.key}/").content.decode()
    browser.post(f"{address}keys/{EndpointKey.objects.get().pk}/revoke/")
    with pytest.raises(openai.AuthenticationError):
        client_of(web, secret).models.list()
    browser.post(f"{address}runs/{run.deployments.get().pk}/stop/")
    assert "None yet" in browser.get(address).content.decode()
    assert browser.post(f"{address}keys/", {"name": "", "per_minute": "0", "daily_cap": "-1"}).status_code == 422


def test_an_unfinished_run_cannot_answer(team: Team, member: User, client_for: Any) -> None:
    run = make_run(team, Method.LORA)
    TrainingRun.objects.filter(pk=run.pk).update(status="failed")
    page = client_for(member).post(f"/teams/{team.pk}/endpoint/runs/", {"run": run.number}, follow=True)
    assert "Only a run of your team that is done" in page.content.decode()
