"""How bytes come from models: httpx's requests and errors over aiohttp's connections.

An answer is read in hundreds of small pieces. httpx's own way through them, in Python, cost more than everything else that a web
process does for a chat; aiohttp reads them in C.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpx

from teams.services import outgoing


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    """What `outcome` tells apart: never reached, silent for too long, broken off."""
    try:
        yield
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx.UnsupportedProtocol(str(error)) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error)) from error


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx():
            async for piece in self._response.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        self._response.close()


class Wire(httpx.AsyncBaseTransport):
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def _connections(self, *, guarded: bool) -> aiohttp.ClientSession:
        """`guarded`: to addresses that somebody typed, which are checked as they are looked up."""
        if guarded not in self._sessions:
            checked: dict[str, Any] = (
                {"resolver": outgoing.CheckedResolver(), "use_dns_cache": False}
                if guarded
                else {}
            )
            connector = aiohttp.TCPConnector(limit=0, ssl=httpx.create_ssl_context(), **checked)
            self._sessions[guarded] = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, trust_env=not guarded
            )
        return self._sessions[guarded]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=limits.get("connect"),
            sock_read=limits.get("read"),
            connect=limits.get("pool"),
        )
        guarded = bool(request.extensions.get(outgoing.GUARDED))
        if guarded:
            _refuse_literal(request.url.host)
        with _errors_of_httpx():
            response = await self._connections(guarded=guarded).request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=await request.aread(),
                allow_redirects=False,
                timeout=timeout,
            )
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response),
            request=request,
        )

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()


def _refuse_literal(host: str) -> None:
    """A bare address is never looked up, so the resolver does not see it."""
    try:
        outgoing.check_literal(host)
    except outgoing.NotAllowed as error:
        raise httpx.ConnectError(str(error)) from error
