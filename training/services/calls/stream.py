"""Answers on their way, in an event loop: one set of connections a loop, one reader of the stream."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from training.services.calls.client import Answer, request_of, whole_answer
from training.services.calls.outcome import NO_ANSWER, failed, refused
from training.services.calls.prepare import PreparedCall
from training.services.calls.usage import TokenUsage, usage_of
from training.services.calls.wire import Wire

Chunk = dict[str, Any]
_open_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
    WeakKeyDictionary()
)


def connections() -> httpx.AsyncClient:
    """This loop's connections to models: making a pool reads all certificates, which takes longer than a first token."""
    loop = asyncio.get_running_loop()
    if loop not in _open_connections:
        _open_connections[loop] = httpx.AsyncClient(transport=Wire())
    return _open_connections[loop]


async def close_connections() -> None:
    """Those of this loop, which ends."""
    if web := _open_connections.pop(asyncio.get_running_loop(), None):
        await web.aclose()


async def begin(call: PreparedCall, *, stream: bool = True) -> "AnswerOnItsWay":
    """Ask; the answer begins. Whoever calls this closes it. Raises CallFailed."""
    web = connections()
    request = request_of(web, call, stream=stream)
    try:
        response = await web.send(request, stream=True)
    except NO_ANSWER as error:
        raise failed(error) from error
    if response.is_success:
        return AnswerOnItsWay(call, response)
    try:
        with suppress(httpx.HTTPError):
            await response.aread()
        raise refused(response)
    finally:
        await response.aclose()


class AnswerOnItsWay:
    """What came so far. `whole`: it came to its end. `usage`: as the provider says, None before it does."""

    def __init__(self, call: PreparedCall, response: httpx.Response) -> None:
        self.usage: TokenUsage | None = None
        self.whole = False
        self._call, self._response = call, response
        self._pieces: list[str] = []
        self._finished = False

    async def pieces(self) -> AsyncGenerator[tuple[str, Chunk]]:
        """The text in each chunk of the stream, and the chunk. Raises CallFailed where it breaks off.

        The client's own objects for each piece would cost more than all the rest of its way.
        """
        try:
            async for line in self._response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line[5:].strip()
                if data == "[DONE]":
                    self.whole = True
                    return
                chunk = json.loads(data)
                yield self._text_in(chunk), chunk
        except NO_ANSWER as error:
            raise failed(error, usage=self.usage) from error
        if not self._finished:
            raise failed(
                httpx.RemoteProtocolError("the stream ended before its end"), usage=self.usage
            )
        self.whole = True

    def _text_in(self, chunk: Any) -> str:
        self.usage = usage_of(chunk.get("usage")) or self.usage
        if chunk.get("error"):
            raise httpx.RemoteProtocolError("an error came in the stream")
        choice = (chunk.get("choices") or [{}])[0]
        self._finished = self._finished or bool(choice.get("finish_reason"))
        text = (choice.get("delta") or {}).get("content") or ""
        if not isinstance(text, str):
            raise TypeError("a piece that is no text")
        self._pieces.append(text)
        return text

    async def read(self) -> tuple[Chunk, Answer]:
        """All of an answer that was not asked for as a stream: what was said, and the answer in it. Raises CallFailed."""
        try:
            await self._response.aread()
        except NO_ANSWER as error:
            raise failed(error) from error
        said, answer = whole_answer(self._response, self._call)
        self.usage, self.whole = answer.usage, True
        return said, answer

    def used(self) -> TokenUsage:
        """The provider's count, else ours of what came."""
        return self.usage or self._call.counted_here("".join(self._pieces))

    async def aclose(self) -> None:
        await self._response.aclose()
