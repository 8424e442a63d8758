"""Live events: the subscription of a web process ends when it is told to."""

import asyncio
import logging
from typing import Any

import pytest

from courseplatform.redis_server import free_port
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


def test_a_redis_that_is_away_is_told_to_the_log_once_a_minute_with_how_often(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}"
    monkeypatch.setattr(live, "_complaints", live._Complaints())
    monkeypatch.setattr(live, "monotonic", lambda: clock[0])

    def said() -> list[str]:
        """Not what is left over of earlier tests: a task that was never ended tells the log when it is collected."""
        return [record.getMessage() for record in caplog.records if record.name == "teams.live"]

    async def tell(times: int) -> list[bool]:
        return [await live.atell({"mine": "a"}) for _ in range(times)]

    with caplog.at_level(logging.WARNING, logger="teams.live"):
        assert asyncio.run(tell(20)) == [False] * 20
        assert len(said()) == 1
        clock[0] += live.QUIET_SECONDS
        asyncio.run(tell(1))
    assert [line.partition("; so were ")[2] for line in said()] == [
        "",
        "19 more since the last line like this",
    ]
