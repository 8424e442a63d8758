"""Streams answers from model to browser, off the request: one coroutine a turn, on one loop of the web process's own.

The row says whether to go on: a progress write that touches no row means that someone pressed Stop, in whatever process.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, close_old_connections

from evaluation.models import Turn
from evaluation.services import bots, closing
from evaluation.services.clean import MAX_ANSWER_CHARACTERS, clean
from evaluation.services.closing import Answered
from evaluation.services.live_answers import Outlet, here
from evaluation.services.reasons import (
    EMPTY_ANSWER,
    LEFT_BEHIND,
    NOT_ASKED,
    NOT_SENT_NOW,
    in_plain_words,
)
from teams.models import Hold
from teams.services.prices import PriceUnknown
from training.services.calls import stream
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.prepare import PreparedCall
from training.services.endpoints import NotReady

log = logging.getLogger(__name__)

Database = Callable[..., Awaitable[Any]]  # runs a function that uses the ORM, off the event loop

PROGRESS_SECONDS = 1.0
DATABASE_THREADS = 4
CLOSING_SECONDS = 3.0
SETTLE_WAITS = (
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
)  # seconds; together less than the sweeper's patience with a silent turn
NOT_SENT = (bots.DearerThanHeld, bots.QuestionTooLong, PriceUnknown, NotReady)


@dataclass(frozen=True)
class Job:
    turn: Turn
    call: PreparedCall


def load(turn_id: int) -> Job:
    """All that answering needs, in one visit to the database. Raises NOT_SENT where what was held does not pay for it."""
    turn = Turn.objects.select_related(
        "conversation__submission",
        "asked_by",
        "conversation__run__team__course",
        "conversation__run__base_model",
    ).get(pk=turn_id)
    held = Hold.objects.values_list("amount", flat=True).get(key=turn.hold_key)
    earlier = turn.conversation.turns.current().filter(position__lt=turn.position)
    # What was priced may have changed since: an answer that was stopped may have come all the same, say.
    call, left_out = bots.prepared(
        turn.conversation, list(earlier.remembered()), turn.question, most=held
    )
    if left_out != turn.left_out:
        Turn.objects.filter(pk=turn.pk).update(left_out=left_out)
    return Job(turn, call)


async def answer(turn_id: int, *, database: Database) -> None:
    """Ask the bot and see the turn to its end, whatever happens on the way. Cancelling this coroutine is Stop."""
    outlet = here()[turn_id] = Outlet()
    try:
        try:
            job: Job = await database(load, turn_id)
        except asyncio.CancelledError:
            await database(_never_asked, turn_id, outlet)
            return
        except NOT_SENT as refused:
            log.warning("turn %s was not sent: %s", turn_id, refused or type(refused).__name__)
            await database(_not_sent, turn_id)
            return
        outlet.begin(job.turn.topic)
        await _see_through(job, outlet, database)
    finally:
        del here()[turn_id]
        await outlet.end()


async def _see_through(job: Job, outlet: Outlet, database: Database) -> None:
    outlet.reading = asyncio.create_task(_read(job, outlet))
    _keep_beating(database)
    try:
        await outlet.reading
    except asyncio.CancelledError:
        outlet.reading.cancel()
        await _settle(database, _stopped, job, outlet)
    except CallFailed as error:
        log.warning("turn %s was not answered: %s", job.turn.key, error)
        outlet.usage = error.usage or outlet.usage
        await _settle(database, _failed, job, outlet, in_plain_words(error), error.outcome)
    else:
        await _settle(database, _complete, job, outlet)


async def _settle(database: Database, last_move: Callable[..., None], *args: Any) -> None:
    """Make the turn's last move, again where the database is away or its disk is full: what came is paid for.

    Being cancelled while it waits is Stop, or the end of this process: then it is tried once more, at once. Raises the last
    error after half a minute; the sweeper then books the turn as broken off.
    """
    for seconds in SETTLE_WAITS:
        try:
            await database(last_move, *args)
        except (OperationalError, InterfaceError) as error:
            log.warning(
                "an answer could not be settled, trying again in %s s: %s", seconds, error
            )
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                break
        else:
            return
    await database(last_move, *args)


_beats: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


def _keep_beating(database: Database) -> None:
    loop = asyncio.get_running_loop()
    if loop not in _beats or _beats[loop].done():
        _beats[loop] = loop.create_task(_beat(database), name="answers-beat")


async def _beat(database: Database) -> None:
    """While anything is answered in this loop: write all answers so far in one visit, and stop what someone stopped."""
    while here():
        await asyncio.sleep(PROGRESS_SECONDS)
        reading = {
            pk: outlet
            for pk, outlet in here().items()
            if outlet.reading and not outlet.reading.done()
        }
        try:
            going = await database(
                keep_going, {pk: outlet.text for pk, outlet in reading.items()}
            )
        except (
            Error
        ) as error:  # a lost connection may be an InterfaceError, which is no DatabaseError
            log.warning("answers so far not written, trying again: %s", error)
            continue
        for pk, outlet in reading.items():
            if pk not in going and outlet.reading:
                outlet.reading.cancel()


def keep_going(answers: dict[int, str]) -> set[int]:
    """Write these answers so far, by the turn's id. Those that are still to be answered."""
    return Turn.objects.keep_going(answers)


async def _read(job: Job, outlet: Outlet) -> None:
    """Raises CallFailed. What came is in the outlet, whatever ends it."""
    coming = await stream.begin(job.call)
    try:
        async with aclosing(coming.pieces()) as pieces:
            async for text, _ in pieces:
                if piece := clean(text):
                    outlet.add(piece[: MAX_ANSWER_CHARACTERS - len(outlet.text)])
                if len(outlet.text) >= MAX_ANSWER_CHARACTERS:
                    return
    finally:
        outlet.usage = coming.usage
        await coming.aclose()


def _answered(job: Job, outlet: Outlet) -> Answered:
    usage = outlet.usage or job.call.counted_here(outlet.text)
    return Answered(outlet.text, usage, outlet.first_token_ms)


def _complete(job: Job, outlet: Outlet) -> None:
    if outlet.text.strip():
        closing.complete(turn=job.turn, answered=_answered(job, outlet))
    else:
        _failed(job, outlet, EMPTY_ANSWER, Outcome.LOST)


def _never_asked(turn_id: int, outlet: Outlet) -> None:
    turn = Turn.objects.get(pk=turn_id)
    if outlet.left_behind:
        closing.fail(turn=turn, message=NOT_ASKED, outcome=Outcome.NEVER_REACHED)
    else:
        closing.never_asked(turn=turn)


def _not_sent(turn_id: int) -> None:
    turn = Turn.objects.get(pk=turn_id)
    closing.fail(turn=turn, message=NOT_SENT_NOW, outcome=Outcome.NEVER_REACHED)


def _stopped(job: Job, outlet: Outlet) -> None:
    if outlet.left_behind:
        _failed(job, outlet, LEFT_BEHIND, Outcome.LOST)
        return
    closing.stopped(turn=job.turn, answered=_answered(job, outlet))


def _failed(job: Job, outlet: Outlet, message: str, outcome: Outcome) -> None:
    closing.fail(
        turn=job.turn, message=message, outcome=outcome, answer=outlet.text, usage=outlet.usage
    )


class Desk:
    """Where this web process answers: in the server's event loop once `work_in` says so, else in one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="answers-database")
        self._running: dict[int, Future[None]] = {}

    def work_in(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._loop = loop

    async def close(self) -> None:
        """The process ends. Answers go on for DRAIN_SECONDS; what is not answered then fails at once, and says why.

        Called in the loop of `work_in`.
        """
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("turn-")]
        if tasks and settings.DRAIN_SECONDS:
            _, going = await asyncio.wait(tasks, timeout=settings.DRAIN_SECONDS)
            tasks = list(going)
        for outlet in here().values():
            outlet.left_behind = True
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
        await stream.close_connections()

    def start(self, turn_id: int) -> None:
        running = asyncio.run_coroutine_threadsafe(self._answer(turn_id), self._own_loop())
        self._running[turn_id] = running
        running.add_done_callback(lambda _: self._running.pop(turn_id, None))

    def cancel(self, turn_id: int, *, wait: float) -> bool:
        """Stop answering and wait up to `wait` seconds for the turn's end. False where the answer is not made here."""
        running = self._running.get(turn_id)
        if running is None:
            return False
        self._own_loop().call_soon_threadsafe(self._cancel_task, turn_id)
        ended, _ = wait_for([running], timeout=wait)
        return running in ended and not running.cancelled() and running.exception() is None

    def _cancel_task(self, turn_id: int) -> None:
        for task in asyncio.all_tasks(self._loop):
            if task.get_name() == f"turn-{turn_id}":
                task.cancel()

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="answers", daemon=True
                ).start()
            return self._loop

    async def _answer(self, turn_id: int) -> None:
        task = asyncio.create_task(
            answer(turn_id, database=self._database), name=f"turn-{turn_id}"
        )
        try:
            await task
        except Exception:
            log.exception(
                "turn %s broke off; the sweeper will fail it and release its hold", turn_id
            )
            raise

    async def _database(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, _with_fresh_connection, function, args
        )


def _with_fresh_connection(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    close_old_connections()
    try:
        return function(*args)
    finally:
        close_old_connections()


desk = Desk()
