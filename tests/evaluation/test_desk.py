"""The loop on which a web process answers."""

import asyncio
import threading

import pytest
from django.db import InterfaceError

from evaluation.services import answering
from evaluation.services.answering import Desk
from evaluation.services.live_answers import Outlet, here


@pytest.fixture
def began(monkeypatch):
    """An answer that never ends by itself; the event says that it has begun."""
    event = threading.Event()

    async def endless(turn_id, *, database):
        event.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    monkeypatch.setattr(answering, "answer", endless)
    return event


def test_an_answer_that_is_made_here_is_stopped_here(began):
    desk = Desk()
    desk.start(7)
    assert began.wait(10)
    assert desk.cancel(7, wait=10) is True


def test_an_answer_that_another_process_makes_is_not(began):
    assert Desk().cancel(7, wait=10) is False


def test_stopping_one_answer_leaves_the_others_alone(began):
    desk = Desk()
    desk.start(7)
    desk.start(8)
    assert began.wait(10)
    assert desk.cancel(7, wait=10) is True
    assert 8 in desk._running
    assert desk.cancel(8, wait=10) is True


def test_the_heartbeat_goes_on_after_the_database_was_away(monkeypatch):
    monkeypatch.setattr(answering, "PROGRESS_SECONDS", 0.001)
    written = []

    async def database(function, answers):
        written.append(answers)
        if len(written) == 1:
            raise InterfaceError("the connection is closed")
        here().clear()
        return set(answers)

    async def beat():
        outlet = here()[7] = Outlet()
        outlet.reading = asyncio.create_task(asyncio.sleep(60))
        await answering._beat(database)

    asyncio.run(beat())
    assert written == [{7: ""}, {7: ""}]
