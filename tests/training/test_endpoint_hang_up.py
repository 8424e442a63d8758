"""A program that hangs up before its answer begins: the call ends at once, and no money stays held for it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest
from django.test import RequestFactory

from teams.models import Confidence, Hold, HoldState, LedgerEntry, Team, User
from tests.evaluation.model_server import Script
from tests.training.test_endpoint import QUESTION, account, model_server, new_key, paid
from training.models import CallStatus, EndpointCall
from training.services import deployments
from training.views.endpoint_api import endpoint_chat

__all__ = ["model_server"]
pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def asked(team: Team, member: User, model_server: Script) -> HttpRequest:
    """A program's request for a streamed answer of a paid bot."""
    run, secret = paid(team, member), new_key(team, member)
    body = json.dumps({"model": f"run-{run.number}", "messages": QUESTION, "stream": True})
    return RequestFactory().post(
        "/v1/chat/completions", body, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
    )


@pytest_asyncio.fixture(autouse=True)
async def the_thread_keeps_no_connection() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


async def closed_call() -> EndpointCall:
    while True:
        call = await EndpointCall.objects.exclude(status=CallStatus.OPEN).afirst()
        if call is not None:
            return call
        await asyncio.sleep(0.01)


@sync_to_async
def nothing_is_held(team: Team) -> bool:
    return account(team)[1] == 0 and not Hold.objects.filter(state=HoldState.OPEN).exists()


async def test_while_the_money_is_being_held_nobody_is_asked_and_it_is_free(
    asked: HttpRequest, team: Team, model_server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on, open_call = threading.Event(), threading.Event(), deployments.open_call

    def slowly(**how: Any) -> EndpointCall:
        opening.set()
        assert go_on.wait(30)
        return open_call(**how)

    monkeypatch.setattr(deployments, "open_call", slowly)
    call = asyncio.ensure_future(endpoint_chat(asked))
    assert await asyncio.to_thread(opening.wait, 30)
    call.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    ended = await EndpointCall.objects.aget()
    assert (ended.status, ended.cost) == (CallStatus.FAILED, 0)
    assert await nothing_is_held(team)
    assert not model_server.asked
    assert not await LedgerEntry.objects.aexists()


async def test_between_the_models_first_word_and_the_callers_it_is_charged_for_what_was_read(
    asked: HttpRequest, team: Team
) -> None:
    response = await endpoint_chat(asked)
    await asyncio.to_thread(response.close)
    ended, entry = await closed_call(), await LedgerEntry.objects.aget()
    assert (ended.status, ended.cost, ended.output_tokens) == (CallStatus.BROKEN, entry.delta, 0)
    assert entry.confidence == Confidence.ESTIMATED
    assert await nothing_is_held(team)
    await asyncio.to_thread(response.close)
    assert await LedgerEntry.objects.acount() == 1


async def test_while_the_end_is_being_booked_it_is_booked_once(
    asked: HttpRequest, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking, go_on, close_call = threading.Event(), threading.Event(), deployments.close_call

    def slowly(**how: Any) -> None:
        booking.set()
        assert go_on.wait(30)
        close_call(**how)

    monkeypatch.setattr(deployments, "close_call", slowly)
    response: Any = await endpoint_chat(asked)

    async def read() -> None:
        async for _ in response:
            pass

    reading = asyncio.create_task(read())
    assert await asyncio.to_thread(booking.wait, 30)
    reading.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    ended = await EndpointCall.objects.aget()
    assert (ended.status, ended.cost) == (CallStatus.DONE, 30)
    assert await nothing_is_held(team)
