"""One question to a model, however it ends: what came, what it may cost, and how often it is asked."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from teams.models import Method
from training.services.calls import client, stream
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.prepare import PreparedCall
from training.services.calls.purse import Purse
from training.services.calls.usage import TokenUsage
from training.services.endpoints import ChatEndpoint

MOST = 100


class OneEach:
    """Prices: one micro-dollar a token, whichever."""

    def __init__(self) -> None:
        self.note = "test"

    def cost(self, *, input_tokens: int, cached_input_tokens: int, output_tokens: int) -> int:
        return input_tokens + output_tokens


def call_to(url: str = "http://model.test/v1") -> PreparedCall:
    endpoint = ChatEndpoint(
        base_url=url,
        api_key="k",
        model="m",
        system_prompt="",
        temperature=0,
        max_tokens=50,
        method=Method.OPENAI,
        provider="openai",
        context_tokens=1_000,
    )
    prices: Any = OneEach()
    return PreparedCall(endpoint, [{"role": "user", "content": "What is ice?"}], 50, 20, MOST, prices=prices)


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.Client, list[httpx.Request]]:
    """A provider that says these, one after the other."""
    asked: list[httpx.Request] = []
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        said = next(left)
        if isinstance(said, Exception):
            raise said
        return said

    return httpx.Client(transport=httpx.MockTransport(answer)), asked


def said(text: Any = "Ice!", **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": {"content": text}}], **more})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WAIT_SECONDS", 0)


def test_what_is_sent_is_what_was_prepared() -> None:
    web, asked = answering(said(usage={"prompt_tokens": 7, "completion_tokens": 3}))
    call = call_to()
    answer = client.ask(web, call, purse=Purse(MOST))
    assert json.loads(asked[0].content) == call.body(stream=False)
    assert (answer.text, answer.usage) == ("Ice!", TokenUsage(7, 0, 3, exact=True))


COSTS_NOTHING = [
    httpx.ConnectError("no"),
    httpx.ConnectTimeout("no"),
    httpx.PoolTimeout("no"),
    httpx.UnsupportedProtocol("no"),
    httpx.Response(500),
    httpx.Response(429),
]
MAY_COST = [httpx.ReadTimeout("late"), httpx.ReadError("gone"), httpx.RemoteProtocolError("half")]


@pytest.mark.parametrize("trouble", COSTS_NOTHING)
def test_a_try_that_costs_nothing_is_made_again_out_of_the_same_money(trouble: Any) -> None:
    web, asked = answering(trouble, said())
    purse = Purse(MOST)
    assert client.ask(web, call_to(), purse=purse, tries=2).text == "Ice!"
    assert (len(asked), purse.unanswered) == (2, [])


@pytest.mark.parametrize("trouble", MAY_COST)
def test_a_try_that_may_cost_is_made_again_only_where_that_is_paid_for_too(trouble: Any) -> None:
    web, asked = answering(trouble, said())
    purse = Purse(MOST)
    with pytest.raises(CallFailed) as failed:
        client.ask(web, call_to(), purse=purse, tries=2)
    assert failed.value.outcome is Outcome.LOST
    assert (len(asked), purse.left, len(purse.unanswered)) == (1, 0, 1)

    web, asked = answering(trouble, said())
    purse = Purse(2 * MOST)
    assert client.ask(web, call_to(), purse=purse, tries=2).text == "Ice!"
    assert (len(asked), len(purse.unanswered)) == (2, 1)


def test_a_refusal_that_says_what_was_used_is_paid_for_and_gives_the_rest_back() -> None:
    used = {"prompt_tokens": 20, "completion_tokens": 10}
    web, _ = answering(httpx.Response(422, json={"usage": used}))
    purse = Purse(MOST)
    with pytest.raises(CallFailed) as failed:
        client.ask(web, call_to(), purse=purse)
    assert (failed.value.outcome, failed.value.usage) == (Outcome.REFUSED, TokenUsage(20, 0, 10, exact=True))
    assert purse.left == MOST - 30


def test_nobody_is_asked_where_the_money_is_short() -> None:
    web, asked = answering(said())
    with pytest.raises(client.NotPaidFor):
        client.ask(web, call_to(), purse=Purse(MOST - 1))
    assert asked == []


NONSENSE = ["<html>", "[]", "null", '{"choices": [[]]}', '{"choices": [{"message": {"content": 5}}]}', "[" * 100_000]


@pytest.mark.parametrize("body", NONSENSE)
def test_what_is_no_answer_is_lost_and_not_asked_again(body: str) -> None:
    web, asked = answering(httpx.Response(200, text=body), said())
    with pytest.raises(CallFailed) as failed:
        client.ask(web, call_to(), purse=Purse(9 * MOST), tries=3)
    assert (failed.value.outcome, failed.value.nonsense, len(asked)) == (Outcome.LOST, True, 1)


@pytest.mark.parametrize("url", ["http://[", "gopher://x/v1", ""])
def test_an_address_that_cannot_be_asked_costs_nothing(url: str) -> None:
    purse = Purse(MOST)
    with pytest.raises(CallFailed) as failed, httpx.Client() as web:
        client.ask(web, call_to(url), purse=purse)
    assert (failed.value.outcome, purse.left) == (Outcome.NEVER_REACHED, MOST)


class Lines(httpx.AsyncByteStream):
    def __init__(self, *lines: str) -> None:
        self.lines = lines

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self.lines:
            yield f"data: {line}\n\n".encode()


PIECE = '{"choices": [{"delta": {"content": "Ice"}}]}'
END = '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'
USED = '{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}'


async def read(*lines: str) -> stream.AnswerOnItsWay:
    coming = stream.AnswerOnItsWay(call_to(), httpx.Response(200, stream=Lines(*lines)))
    async for _ in coming.pieces():
        pass
    return coming


@pytest.mark.parametrize("lines", [(PIECE, USED, "[DONE]"), (PIECE, END, USED), (PIECE, "[DONE]"), (PIECE, END)])
async def test_a_stream_that_comes_to_its_end_is_whole(lines: tuple[str, ...]) -> None:
    coming = await read(*lines)
    assert coming.whole
    assert coming.used().exact == (USED in lines)


BROKEN = [(), (PIECE,), (PIECE, "{"), (PIECE, "5"), (PIECE, '{"error": {"message": "x"}}'), (PIECE, "[" * 100_000)]


@pytest.mark.parametrize("lines", BROKEN)
async def test_a_stream_that_breaks_off_is_lost(lines: tuple[str, ...]) -> None:
    with pytest.raises(CallFailed) as failed:
        await read(*lines)
    assert (failed.value.outcome, failed.value.usage) == (Outcome.LOST, None)


async def test_a_stream_that_breaks_off_after_it_said_what_it_used_is_paid_for_that() -> None:
    with pytest.raises(CallFailed) as failed:
        await read(PIECE, USED, "{")
    assert failed.value.usage == TokenUsage(7, 0, 3, exact=True)
