"""What a web process does when it begins and before it ends."""

import asyncio
import logging
import time

from django.db import DatabaseError, connections

from evaluation.services import warming
from teams import live, presence
from training.services import host_scratch

log = logging.getLogger(__name__)
TELL_SECONDS = 30
CLEAR_SECONDS = 600

_tasks: set[asyncio.Task[None]] = set()  # or nothing would keep the task alive
_since = presence.now()


async def begin() -> None:
    await warming.open_desk()
    task = asyncio.create_task(_tell_all_along(), name="presence")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def leave_soon() -> None:
    """It was asked to end, and nothing new comes in: say so, and send on who only listens."""
    for task in _tasks:
        task.cancel()
    live.send_everybody_on()
    leaving = presence.mine("web", since=_since, state="drains")
    await asyncio.to_thread(presence.tell, leaving)


async def end() -> None:
    """After the last request. Answers under way come to their end first, as long as DRAIN_SECONDS allow."""
    for task in _tasks:
        task.cancel()
    leaving = presence.mine("web", since=_since, state="drains")
    await warming.close_desk()
    await asyncio.to_thread(presence.leave, leaving)


async def _tell_all_along() -> None:
    me = presence.mine("web", since=_since)
    cleared_at = time.monotonic()
    while True:
        await asyncio.to_thread(presence.tell, me)
        await asyncio.sleep(TELL_SECONDS)
        if time.monotonic() - cleared_at >= CLEAR_SECONDS:
            cleared_at = time.monotonic()
            await asyncio.to_thread(clear_copies)


def clear_copies() -> None:
    """What was uploaded here and is kept by the storage, above all where it was deleted on another host."""
    try:
        host_scratch.clear()
    except (DatabaseError, OSError) as error:
        log.warning("copies that nobody wants any more stay on this host for now: %s", error)
    finally:
        connections.close_all()
