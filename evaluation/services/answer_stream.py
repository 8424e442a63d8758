"""The event stream of one answer: first the whole answer so far, then every new piece, then `done`.

A reader who comes back gets what came meanwhile (by Last-Event-ID) or everything (a fresh connection); one who comes after
the end gets the answer and `done`. The row decides where Redis cannot: a stream never waits for an event that was lost.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from html import escape

import redis
from asgiref.sync import sync_to_async
from django.utils import timezone

from evaluation.models import Turn
from teams import live

WHOLE, TOKEN = "whole", "token"
LOOK_AGAIN_SECONDS = 15.0
LAST_WORDS_SECONDS = 3.0  # a turn that was stopped elsewhere gets its last words, and `done`, within a heartbeat
WITHOUT_REDIS_SECONDS = 1.5


async def answer_events(turn: Turn, last_id: str = "") -> AsyncIterator[str]:
    """Frames for the browser. `last_id` is the Last-Event-ID of a reader who comes back."""
    here = live.hub()
    woken = here.join(turn.topic)
    try:
        if not last_id:
            last_id, html = await _so_far(here, turn)
            yield live.frame(WHOLE, html + _no_pieces(turn), last_id)
        while True:
            woken.clear()
            pieces, last_id, over = await _news(here, turn, last_id)
            for piece in pieces:
                yield piece
            if over:
                yield live.frame(live.END, "")
                return
            if not pieces:
                yield ": still here\n\n"
                await _wait(woken, LOOK_AGAIN_SECONDS if turn.is_streaming else LAST_WORDS_SECONDS)
    finally:
        here.leave(turn.topic, woken)


def _no_pieces(turn: Turn) -> str:
    """Empties the place of single pieces, which the whole answer holds already.

    The place itself stays: htmx listens in a new element only some milliseconds later, and pieces would be lost.
    """
    return f'<span id="pieces-{turn.key}" hx-swap-oob="innerHTML"></span>'


async def _so_far(here: live.Hub, turn: Turn) -> tuple[str, str]:
    """(position, HTML): from Redis, whose pieces say exactly where the next one starts; else from the row.

    Not from the row while pieces are still on their way to Redis: it may hold some of them already, and they would show twice.
    """
    last_id, html, lost = "0", "", False
    try:
        while events := await here.since(turn.topic, last_id):
            last_id = events[-1][0]
            for _, event, data in events:
                html = html + data if event == TOKEN else data if event == WHOLE else html
    except (redis.exceptions.RedisError, OSError):
        last_id, html, lost = "0", "", True
    if not html:
        await _refresh(turn)
        html = escape(turn.answer) if lost or not turn.is_streaming else ""
    return last_id, html


async def _news(here: live.Hub, turn: Turn, last_id: str) -> tuple[list[str], str, bool]:
    """New frames after `last_id`, the new position, and whether the answer is over."""
    try:
        events = await here.since(turn.topic, last_id)
    except (redis.exceptions.RedisError, OSError):
        await asyncio.sleep(WITHOUT_REDIS_SECONDS)
        return await _from_row(turn), last_id, not turn.is_streaming
    ends = {TOKEN: "", WHOLE: _no_pieces(turn)}
    frames = [live.frame(event, data + ends[event], event_id) for event_id, event, data in events if event in ends]
    over = any(event == live.END for _, event, _ in events)
    if not events:
        await _refresh(turn)
        if turn.finished_at and turn.finished_at < timezone.now() - timedelta(seconds=LAST_WORDS_SECONDS):
            return [live.frame(WHOLE, escape(turn.answer) + _no_pieces(turn))], last_id, True
    return frames, events[-1][0] if events else last_id, over


async def _from_row(turn: Turn) -> list[str]:
    await _refresh(turn)
    return [live.frame(WHOLE, escape(turn.answer) + _no_pieces(turn))]


async def _refresh(turn: Turn) -> None:
    await sync_to_async(turn.refresh_from_db)(fields=["answer", "status", "finished_at"])


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return
