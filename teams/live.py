"""Live progress: worker -> Redis stream (replay) + publish (wake-up) -> one subscriber per web process -> event stream.

The row is the truth: every stream begins with a snapshot made from it, so losing Redis loses liveness, never state.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse

log = logging.getLogger(__name__)

STREAM_LENGTH = 4000
STREAM_SECONDS = 24 * 3600
TOLD_SECONDS = 3600
KEEP_ALIVE_SECONDS = 15
BATCH = 500
CONNECTIONS = 16
END = "done"  # the event after which a stream is over
QUIET_SECONDS = 60.0


class _Complaints:
    """Redis that is away fails several times a second for as long as anybody talks: the log hears of it once a minute."""

    def __init__(self) -> None:
        self._next, self._unsaid = 0.0, 0

    def say(self, what: str, error: Exception) -> None:
        now = monotonic()
        if now < self._next:
            self._unsaid += 1
            return
        more = (
            f"; so were {self._unsaid} more since the last line like this"
            if self._unsaid
            else ""
        )
        self._next, self._unsaid = now + QUIET_SECONDS, 0
        log.warning("%s: %s%s", what, error, more)


_complaints = _Complaints()


@cache
def _connection() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def emit(topic: str, event: str, html_or_text: str) -> None:
    """Send one event to everyone watching `topic`. Without Redis the event is lost and the log says so; the row keeps the truth."""
    try:
        pipeline = _connection().pipeline(transaction=False)
        pipeline.xadd(
            f"live:{topic}",
            {"e": event, "d": html_or_text},
            maxlen=STREAM_LENGTH,
            approximate=True,
        )
        pipeline.expire(f"live:{topic}", STREAM_SECONDS)
        pipeline.publish(f"wake:{topic}", "1")
        pipeline.execute()
    except redis.exceptions.RedisError as error:
        _complaints.say(f"live event for {topic} not sent", error)


def forget(topics: list[str]) -> None:
    """Delete what was sent to these topics. Redis keeps a file of what it was told: that is written anew without it."""
    if not topics:
        return
    try:
        keys = [f"{kind}:{topic}" for topic in topics for kind in ("live", "told")]
        _connection().delete(*keys)
        _connection().bgrewriteaof()
    except (
        redis.exceptions.RedisError
    ) as error:  # they expire within a day, and the file is written anew as it grows
        log.warning("live events of %d topics not deleted: %s", len(topics), error)


def _waiting_client() -> redis.asyncio.Redis:
    """Few connections for many streams: who finds none free waits, where the default pool would refuse and lose the event."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL, max_connections=CONNECTIONS, timeout=None
    )
    return redis.asyncio.Redis(connection_pool=pool)


_async_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = (
    WeakKeyDictionary()
)


def _async_client() -> redis.asyncio.Redis:
    loop = asyncio.get_running_loop()
    if loop not in _async_connections:
        _async_connections[loop] = _waiting_client()
    return _async_connections[loop]


async def atell(states: dict[str, str]) -> bool:
    """Replace what is known of each topic and wake its readers, all in one round trip. False where it may be lost.

    For what is told anew from the beginning each time, so that nothing depends on what came before; `Hub.told` reads it.
    Where no process listens, nothing is told: whoever comes later begins with the row.
    """
    client = _async_client()
    try:
        if not await client.pubsub_numpat():
            return True
        pipeline = client.pipeline(transaction=False)
        for topic, state in states.items():
            pipeline.set(f"told:{topic}", state, ex=TOLD_SECONDS)
        pipeline.publish("wake:", " ".join(states))
        await pipeline.execute()
    except (redis.exceptions.RedisError, OSError) as error:
        _complaints.say(f"live news of {len(states)} topics not sent", error)
        return False
    return True


def wake(topic: str) -> None:
    """Let everyone who waits for `topic` look again at what they watch."""
    try:
        _connection().publish(f"wake:{topic}", "1")
    except redis.exceptions.RedisError as error:
        _complaints.say(f"readers of {topic} not woken", error)


def frame(event: str, data: str, event_id: str = "") -> str:
    """One server-sent event; every line of `data` gets its own `data:` field."""
    lines = [f"event: {event}"] + ([f"id: {event_id}"] if event_id else [])
    lines += [f"data: {line}" for line in data.split("\n")]
    return "\n".join(lines) + "\n\n"


class Hub:
    """One Redis subscription for a whole web process; it wakes the streams whose topic got something."""

    def __init__(self) -> None:
        self.redis = _waiting_client()
        self.waiting: dict[str, set[asyncio.Event]] = {}
        self.leaving = False  # the process ends: browsers are to come back to another one
        self.task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        # The client takes a cancellation for a lost connection and connects again: whoever ended this task would wait for ever,
        # so each wait is short and asks whether somebody has.
        me = asyncio.current_task()
        while me is not None and not me.cancelling():
            try:
                async with self.redis.pubsub() as subscription:
                    await subscription.psubscribe("wake:*")
                    while not me.cancelling():
                        self._wake(
                            await subscription.get_message(
                                ignore_subscribe_messages=True, timeout=1
                            )
                        )
            except (redis.exceptions.RedisError, OSError) as error:
                if me.cancelling():
                    return
                _complaints.say("live events not received, trying again", error)
                await asyncio.sleep(1)

    def _wake(self, message: dict[str, Any] | None) -> None:
        if message:
            one = message["channel"].decode()[5:]
            for topic in [one] if one else message["data"].decode().split():
                for event in self.waiting.get(topic, ()):
                    event.set()

    def send_everybody_on(self) -> None:
        """End the streams that would go on for hours; browsers open them again, and find another process."""
        self.leaving = True
        for events in self.waiting.values():
            for event in events:
                event.set()

    def join(self, topic: str) -> asyncio.Event:
        event = asyncio.Event()
        self.waiting.setdefault(topic, set()).add(event)
        return event

    def leave(self, topic: str, event: asyncio.Event) -> None:
        waiting = self.waiting.get(topic, set())
        waiting.discard(event)
        if not waiting:
            self.waiting.pop(topic, None)

    async def since(self, topic: str, last_id: str) -> list[tuple[str, str, str]]:
        """Events after `last_id` as (id, event, data)."""
        low = f"({last_id}" if last_id != "0" else "-"
        rows: Any = await self.redis.xrange(f"live:{topic}", min=low, count=BATCH)
        return [
            (key.decode(), fields[b"e"].decode(), fields[b"d"].decode()) for key, fields in rows
        ]

    async def told(self, topic: str) -> str | None:
        """What `atell` told last."""
        state = await self.redis.get(f"told:{topic}")
        return state.decode() if isinstance(state, bytes) else None


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def send_everybody_on() -> None:
    """See `Hub.send_everybody_on`; in the running event loop."""
    if asyncio.get_running_loop() in _hubs:
        hub().send_everybody_on()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


async def _events(
    topic: str, last_id: str, snapshot: Callable[[], Awaitable[list[tuple[str, str]]]]
) -> AsyncIterator[str]:
    here = hub()
    woken = here.join(topic)
    try:
        first = await snapshot()
        for event, data in first:
            yield frame(event, data)
        if any(event == END for event, _ in first):
            return
        while not here.leaving:
            woken.clear()
            try:
                events = await here.since(topic, last_id)
            except redis.exceptions.RedisError:
                events = []
                await asyncio.sleep(2)
            for last_id, event, data in events:
                yield frame(event, data, last_id)
                if event == END:
                    return
            if len(events) == BATCH:
                continue
            try:
                await asyncio.wait_for(woken.wait(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        here.leave(topic, woken)


def stream(
    request: HttpRequest, topic: str, snapshot: Callable[[], Awaitable[list[tuple[str, str]]]]
) -> StreamingHttpResponse:
    """An event stream of `topic`. `snapshot` gives the (event, data) pairs that bring a new or returning reader up to date;
    when one of them is `done` the stream ends there."""
    last_id = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    response = StreamingHttpResponse(
        _events(topic, last_id, snapshot), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
