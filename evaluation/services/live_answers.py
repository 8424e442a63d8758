"""The answers that are made in this process, as far as they came, and their way to everybody who reads them.

Readers in the same event loop look straight into the outlet. For readers in other processes the whole text so far goes to Redis,
for all answers in one round trip: sending it twice changes nothing, and what Redis lost comes with the next sending.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from html import escape
from weakref import WeakKeyDictionary

from teams import live
from training.services.calls.usage import TokenUsage

TOGETHER_SECONDS = 0.2  # what comes meanwhile goes to the other processes together
KEEP_ALIVE_SECONDS = 15.0
OVER = "1"
GOING = "0"


@dataclass(frozen=True)
class State:
    """An answer as HTML, escaped, as far as it came; `over`: nothing follows. Every later state begins with the earlier."""

    html: str
    over: bool

    def packed(self) -> str:
        return (OVER if self.over else GOING) + self.html

    @classmethod
    def unpacked(cls, packed: str) -> "State":
        return cls(packed[1:], packed.startswith(OVER))


class Outlet:
    """The answer so far. Belongs to one event loop; only `text` is read from elsewhere."""

    def __init__(self) -> None:
        self.topic = ""  # until the turn is loaded nothing comes
        self.text = ""
        self.html = ""
        self.over = False
        self.left_behind = False  # this process is ending
        self.first_token_ms: int | None = None
        self.usage: TokenUsage | None = None
        self.reading: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._woken: set[asyncio.Event] = set()

    @property
    def state(self) -> State:
        return State(self.html, self.over)

    def add(self, piece: str) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = round(1000 * (time.monotonic() - self._began))
        self.text += piece
        self.html += escape(piece)
        self._wake()
        _post().put(self)

    def begin(self, topic: str) -> None:
        """The model is asked now."""
        self.topic, self._began = topic, time.monotonic()

    async def end(self) -> None:
        """The row is final. Returns when readers in other processes have been told, or cannot be."""
        self.over = True
        self._wake()
        if self.topic:
            await _post().send([self])

    def _wake(self) -> None:
        for event in self._woken:
            event.set()

    async def states(self) -> AsyncGenerator[State]:
        """The answer now and after each change, the last one `over`; the same again after `KEEP_ALIVE_SECONDS` of silence."""
        event = asyncio.Event()
        self._woken.add(event)
        try:
            while not self.over:
                event.clear()
                yield self.state
                await pause(event, KEEP_ALIVE_SECONDS)
            yield self.state
        finally:
            self._woken.discard(event)


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, at most so long."""
    if not event.is_set():
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


class _Post:
    """Sends what changed to Redis. Its task lives only while there is something to send."""

    def __init__(self) -> None:
        self._changed: set[Outlet] = set()
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()  # or an older state could arrive after a newer one

    def put(self, outlet: Outlet) -> None:
        self._changed.add(outlet)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="answers-post")

    async def _run(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while (
            self._changed and not me.cancelling()
        ):  # the Redis client may take a cancellation for a lost connection
            changed, self._changed = self._changed, set()
            if not await self.send(list(changed)):
                self._changed |= {outlet for outlet in changed if not outlet.over}
            await asyncio.sleep(TOGETHER_SECONDS)

    async def send(self, outlets: list[Outlet]) -> bool:
        async with self._one_at_a_time:
            return await live.atell({outlet.topic: outlet.state.packed() for outlet in outlets})


_posts: WeakKeyDictionary[asyncio.AbstractEventLoop, _Post] = WeakKeyDictionary()
_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Outlet]] = WeakKeyDictionary()


def _post() -> _Post:
    loop = asyncio.get_running_loop()
    if loop not in _posts:
        _posts[loop] = _Post()
    return _posts[loop]


def here() -> dict[int, Outlet]:
    """The answers being made in the running event loop, by the turn's id."""
    return _open.setdefault(asyncio.get_running_loop(), {})
