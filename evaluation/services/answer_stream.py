"""The event stream of one answer: first the whole answer so far, then every new piece, then `done`.

An event's id says how many characters of the answer the browser has, so one who comes back (by Last-Event-ID) gets exactly what is
missing, whoever knows it: the outlet in this process, Redis, or the row. The row decides where Redis cannot.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from html import escape

import redis
from asgiref.sync import sync_to_async
from django.utils import timezone

from evaluation.models import Turn, TurnStatus
from evaluation.services.live_answers import State, here, pause
from teams import live

WHOLE = "whole"
TOKEN = "token"  # noqa: S105  (the name of an event)
LOOK_AGAIN_SECONDS = 5.0
LAST_WORDS_SECONDS = (
    3.0  # a turn that was stopped elsewhere gets its last words, and `done`, within a heartbeat
)
WITHOUT_REDIS_SECONDS = 1.5


async def answer_events(turn: Turn, last_id: str = "") -> AsyncGenerator[str]:
    """Frames for the browser. `last_id` is the Last-Event-ID of a reader who comes back."""
    has = int(last_id) if last_id.isdecimal() else None
    outlet = here().get(turn.pk)
    async with aclosing(outlet.states() if outlet else _from_elsewhere(turn)) as states:
        async for state in states:
            if has is None:
                yield live.frame(WHOLE, state.html + _no_pieces(turn), str(len(state.html)))
            elif len(state.html) > has:
                yield live.frame(TOKEN, state.html[has:], str(len(state.html)))
            elif not state.over:
                yield ": still here\n\n"
            has = max(has or 0, len(state.html))
    yield live.frame(live.END, "")


def _no_pieces(turn: Turn) -> str:
    """Empties the place of single pieces, which the whole answer holds already.

    The place itself stays: htmx listens in a new element only some milliseconds later, and pieces would be lost.
    """
    return f'<span id="pieces-{turn.key}" hx-swap-oob="innerHTML"></span>'


async def _from_elsewhere(turn: Turn) -> AsyncGenerator[State]:
    """The answer as another process tells it, or as the row has it; the last state is `over`."""
    hub = live.hub()
    woken = hub.join(turn.topic)
    shown = -1
    try:
        while True:
            woken.clear()
            state, patience = await _known(hub, turn, shown)
            yield state
            if state.over:
                return
            shown = len(state.html)
            await pause(woken, patience)
    finally:
        hub.leave(turn.topic, woken)


async def _known(hub: live.Hub, turn: Turn, shown: int) -> tuple[State, float]:
    """What is known of the answer now, and for how many seconds that is enough. The row is asked where Redis has nothing new."""
    patience = LOOK_AGAIN_SECONDS
    try:
        told = State.unpacked(await hub.told(turn.topic) or "")
    except (redis.exceptions.RedisError, OSError):
        told, patience = State("", over=False), WITHOUT_REDIS_SECONDS
    if told.over or len(told.html) > shown >= 0:
        return told, patience
    await sync_to_async(turn.refresh_from_db)(fields=["answer", "status", "finished_at"])
    written = escape(turn.answer)
    if turn.is_streaming:
        return max(told, State(written, over=False), key=lambda state: len(state.html)), patience
    just_now = (turn.finished_at or timezone.now()) > timezone.now() - timedelta(
        seconds=LAST_WORDS_SECONDS
    )
    if turn.status == TurnStatus.STOPPED and just_now and patience != WITHOUT_REDIS_SECONDS:
        return max(
            told, State(written, over=False), key=lambda state: len(state.html)
        ), LAST_WORDS_SECONDS
    return State(written, over=True), 0
