"""What a web process does when it begins and before it ends."""

import asyncio

from evaluation.services import warming
from teams import live, presence

TELL_SECONDS = 30

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
    while True:
        await asyncio.to_thread(presence.tell, me)
        await asyncio.sleep(TELL_SECONDS)
