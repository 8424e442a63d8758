"""Live events: the subscription of a web process ends when it is told to."""

import asyncio

import pytest

from teams import live


@pytest.mark.parametrize("beats", range(0, 24, 2))
def test_a_cancelled_subscription_ends_wherever_it_was(redis_server: str, beats: int) -> None:
    async def cancel_after() -> bool:
        hub = live.Hub()
        for _ in range(beats):
            await asyncio.sleep(0)
        hub.task.cancel()
        ended, still_there = await asyncio.wait({hub.task}, timeout=20)
        verdict = bool(ended)
        while still_there:  # or the end of the loop would wait for ever
            hub.task.cancel()
            _, still_there = await asyncio.wait({hub.task}, timeout=0.2)
        return verdict

    assert asyncio.run(cancel_after())


def test_a_listener_wakes_the_topic_that_got_something(redis_server: str) -> None:
    async def woken() -> list[bool]:
        hub = live.Hub()
        mine, other = hub.join("mine"), hub.join("other")
        while not mine.is_set():
            await live.atell({"mine": "a"})
            await asyncio.sleep(0.01)
        hub.task.cancel()
        return [mine.is_set(), other.is_set()]

    assert asyncio.run(woken()) == [True, False]
