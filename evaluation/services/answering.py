"""Streams answers from model to browser, off the request: one coroutine a turn, on one loop of the web process's own.

The row says whether to go on: a progress write that touches no row means that someone pressed Stop, in whatever process.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from html import escape
from typing import Any, cast
from weakref import WeakKeyDictionary

import httpx
import openai
from django.db import close_old_connections

from evaluation.models import Turn
from evaluation.services import bots, closing
from evaluation.services.clean import MAX_ANSWER_CHARACTERS, clean
from evaluation.services.closing import Answered, Usage
from evaluation.services.reasons import EMPTY_ANSWER, in_plain_words
from teams import live
from training.services.endpoints import ChatEndpoint

log = logging.getLogger(__name__)

Database = Callable[..., Awaitable[Any]]  # runs a function that uses the ORM, off the event loop

PROGRESS_SECONDS = 1.0
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 90.0
DATABASE_THREADS = 4
BROKEN = (
    openai.OpenAIError,
    httpx.HTTPError,
    json.JSONDecodeError,
)  # the client wraps only what comes before the stream


@dataclass(frozen=True)
class Job:
    turn: Turn
    endpoint: ChatEndpoint
    messages: list[bots.Message]


def load(turn_id: int) -> Job:
    """All that answering needs, in one visit to the database."""
    turn = Turn.objects.select_related(
        "conversation__submission",
        "asked_by",
        "conversation__run__team__course",
        "conversation__run__base_model",
    ).get(pk=turn_id)
    endpoint = bots.endpoint_of(turn.conversation)
    earlier = turn.conversation.turns.current().filter(position__lt=turn.position)
    messages, _ = bots.messages_for(endpoint, list(earlier.remembered()), turn.question)
    return Job(turn, endpoint, messages)


class Outlet:
    """The answer so far, and its way to the browsers.

    What comes while a send is under way goes out with the next one: a slow Redis makes bigger bites and loses nothing.
    After a send that failed nobody knows what arrived, so the next one brings the whole answer so far.
    """

    def __init__(self, topic: str) -> None:
        self.topic, self.text = topic, ""
        self.first_token_ms: int | None = None
        self.usage: Usage | None = None
        self._began = time.monotonic()
        self._sent = 0
        self._certain = True  # every piece up to `_sent` arrived, once
        self._more = asyncio.Event()
        self._closed = False

    def add(self, piece: str) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = round(1000 * (time.monotonic() - self._began))
        self.text += piece
        self._more.set()

    def close(self) -> None:
        self._closed = True
        self._more.set()

    async def run(self) -> None:
        while not self._closed or self._sent < len(self.text):
            await self._more.wait()
            self._more.clear()
            if self._sent < len(self.text):
                await self._send()

    async def _send(self) -> None:
        fresh, self._sent = self.text[self._sent :], len(self.text)
        if self._certain:
            self._certain = await live.aemit(self.topic, "token", escape(fresh))
        else:
            self._certain = await live.aemit(self.topic, "whole", escape(self.text[: self._sent]))


async def answer(turn_id: int, *, database: Database) -> None:
    """Ask the bot and see the turn to its end, whatever happens on the way. Cancelling this coroutine is Stop."""
    job: Job = await database(load, turn_id)
    outlet = Outlet(job.turn.topic)
    try:
        await _converse(job, outlet, database)
    except asyncio.CancelledError:
        await database(_stopped, job, outlet)
    except BROKEN as error:
        log.warning("turn %s was not answered: %s", job.turn.key, error)
        await database(_failed, job, outlet, in_plain_words(error))
    else:
        await database(_complete, job, outlet)
    finally:
        await live.aemit(job.turn.topic, live.END, "")


async def _converse(job: Job, outlet: Outlet, database: Database) -> None:
    reading = asyncio.create_task(_read(job, outlet))
    beating = asyncio.create_task(_beat(job.turn, outlet, database, reading))
    sending = asyncio.create_task(outlet.run())
    try:
        await reading
    finally:
        beating.cancel()
        outlet.close()
        await sending


_open_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


def _connections() -> httpx.AsyncClient:
    """This loop's connections to models: making a pool reads all certificates, which takes longer than a first token."""
    loop = asyncio.get_running_loop()
    if loop not in _open_connections:
        _open_connections[loop] = httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
        )
    return _open_connections[loop]


async def _read(job: Job, outlet: Outlet) -> None:
    endpoint = job.endpoint
    client = openai.AsyncOpenAI(
        base_url=endpoint.base_url, api_key=endpoint.api_key or "none", max_retries=0, http_client=_connections()
    )
    async with await client.chat.completions.create(
        model=endpoint.model,
        messages=cast(Any, job.messages),
        temperature=endpoint.temperature,
        max_tokens=bots.answer_tokens(endpoint),
        stream=True,
        stream_options={"include_usage": True},
    ) as chunks:
        async for chunk in chunks:
            if chunk.usage is not None:
                outlet.usage = _usage(chunk.usage)
            piece = clean((chunk.choices[0].delta.content or "") if chunk.choices else "")
            if piece:
                outlet.add(piece[: MAX_ANSWER_CHARACTERS - len(outlet.text)])
            if len(outlet.text) >= MAX_ANSWER_CHARACTERS:
                return


def _usage(said: openai.types.CompletionUsage) -> Usage:
    details = said.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details else 0
    return Usage(said.prompt_tokens, cached, said.completion_tokens, exact=True)


async def _beat(turn: Turn, outlet: Outlet, database: Database, reading: "asyncio.Task[None]") -> None:
    going = True
    while going:
        await asyncio.sleep(PROGRESS_SECONDS)
        going = await database(turn.keep_going, outlet.text)
    reading.cancel()


def _answered(job: Job, outlet: Outlet) -> Answered:
    usage = outlet.usage or closing.estimate(job.turn, outlet.text)
    return Answered(outlet.text, usage, outlet.first_token_ms)


def _complete(job: Job, outlet: Outlet) -> None:
    if outlet.text.strip():
        closing.complete(turn=job.turn, answered=_answered(job, outlet))
    else:
        closing.fail(turn=job.turn, message=EMPTY_ANSWER)


def _stopped(job: Job, outlet: Outlet) -> None:
    closing.stopped(turn=job.turn, answered=_answered(job, outlet))


def _failed(job: Job, outlet: Outlet, message: str) -> None:
    closing.fail(turn=job.turn, message=message, answer=outlet.text)


class Desk:
    """Where this web process answers. The loop starts with the first question."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="answers-database")
        self._running: dict[int, Future[None]] = {}

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
                threading.Thread(target=self._loop.run_forever, name="answers", daemon=True).start()
            return self._loop

    async def _answer(self, turn_id: int) -> None:
        task = asyncio.create_task(answer(turn_id, database=self._database), name=f"turn-{turn_id}")
        try:
            await task
        except Exception:
            log.exception("turn %s broke off; the sweeper will fail it and release its hold", turn_id)
            raise

    async def _database(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, _with_fresh_connection, function, args)


def _with_fresh_connection(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    close_old_connections()
    try:
        return function(*args)
    finally:
        close_old_connections()


desk = Desk()
