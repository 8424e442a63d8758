"""Answers requests in a few threads that stay, each with a database connection that stays.

Django's own handler takes a new thread, and with it a new connection, for every request, and reads a file to its end before the
first byte leaves. Both cost more than most pages do, and an open event stream would keep its thread.
"""

import asyncio
import itertools
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import SEEK_END, BytesIO
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import close_old_connections, connections
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

from courseplatform import bodies
from courseplatform.bodies import Body, BodyRefused, LastWords
from teams.body_limits import STRANGER

PIECE_BYTES = 64 * 1024
EVENT_STREAM = "text/event-stream"


class Handler(ASGIHandler):
    """The platform as an ASGI application. `on_start` is awaited in the server's event loop before the first request,
    `on_stop` after the last."""

    def __init__(self, *, on_start: Callable[[], Any], on_stop: Callable[[], Any]) -> None:
        super(ASGIHandler, self).__init__()
        self._on_start, self._on_stop = on_start, on_stop
        self._begun = itertools.count()
        self._threads = ThreadPoolExecutor(
            settings.WEB_THREADS,
            thread_name_prefix="requests",
            initializer=self._begun.__next__,
        )
        self._downloads: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )
        self.load_middleware(
            is_async=False
        )  # one walk through all middleware in one thread: no hop at each of them

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # nothing here speaks it
        elif scope["path"] == "/livez":
            await _say_that_it_lives(send)
        else:
            await self._hear(scope, receive, send)

    async def _hear(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, unless the body is too long or too slow: see `courseplatform.bodies`."""
        body = Body(scope, receive, lambda: self._in_a_thread(self._bytes_for)(scope))
        try:
            await body.check_announced()
            await self.handle(scope, body, send)
        except BodyRefused as refused:
            await self._refuse(scope, refused, LastWords(receive, send))

    async def read_body(self, receive: Any) -> Any:
        """As Django's; what was read is let go of where `receive` refuses the rest."""
        limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        folder = str(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
        body = tempfile.SpooledTemporaryFile(max_size=limit, mode="w+b", dir=folder)  # noqa: SIM115
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted()
                await self._keep(body, message.get("body", b""))
                more = message.get("more_body", False)
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return body

    async def _keep(self, body: Any, part: bytes) -> None:
        """In memory at once; on a disk in a thread, so that a slow disk keeps nobody else waiting."""
        if getattr(body, "_rolled", True):
            await self._in_a_thread(body.write)(part)
        else:
            body.write(part)

    def create_request(self, scope: Any, body_file: Any) -> Any:
        """As Django's. A body that came in chunks announced no length, and Django would read no form and no file of it."""
        request, unreadable = super().create_request(scope, body_file)
        if request is not None and "CONTENT_LENGTH" not in request.META:
            size = body_file.seek(0, SEEK_END)
            body_file.seek(0)
            if size:
                request.META["CONTENT_LENGTH"] = str(size)
        return request, unreadable

    def _bytes_for(self, scope: Any) -> int:
        close_old_connections()
        request, _ = self.create_request(scope, BytesIO())
        try:
            return bodies.bytes_for(request) if request is not None else STRANGER
        finally:
            close_old_connections()

    async def _refuse(self, scope: Any, refused: BodyRefused, send: Any) -> None:
        set_script_prefix(get_script_prefix(scope))
        request, unreadable = self.create_request(scope, BytesIO())
        if request is None:
            response: Any = unreadable
        else:
            bodies.mark(request, refused)
            response = await self.run_get_response(request)
        response["Connection"] = "close"
        await self.send_response(response, send)
        await self._in_a_thread(response.close)()

    async def _live(self, receive: Any, send: Any) -> None:
        steps = {"lifespan.startup": self._on_start, "lifespan.shutdown": self._on_stop}
        for _ in steps:
            kind = (await receive())["type"]
            await steps[kind]()
            await send({"type": f"{kind}.complete"})

    async def run_get_response(self, request: HttpRequest) -> Any:
        handover = _Handover()
        try:
            response = await self._in_a_thread(self._respond)(request, handover)
        except asyncio.CancelledError:  # the caller went away
            if (left := handover.give_up()) is not None:
                await self._in_a_thread(left.close)()
            raise
        response._handler_class = self.__class__
        if response.streaming and not response.is_async:
            self._send_in_pieces(response)
        return response

    def _respond(self, request: HttpRequest, handover: "_Handover") -> HttpResponseBase:
        close_old_connections()
        try:
            return handover.put(self.get_response(request))
        finally:
            close_old_connections()

    def _in_a_thread(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return sync_to_async(function, thread_sensitive=False, executor=self._threads)

    def _send_in_pieces(self, response: Any) -> None:
        parts: Iterator[bytes] = iter(response.streaming_content)
        if isinstance(response, FileResponse):
            response.block_size = PIECE_BYTES
            response.streaming_content = _pieces(parts, self._in_a_thread(_next_piece))
        else:  # what reads the database must stay in one thread from beginning to end
            response.streaming_content = _pieces(parts, sync_to_async(_next_piece))

    async def send_response(self, response: Any, send: Any) -> None:
        own_thread = isinstance(response, StreamingHttpResponse) and not isinstance(
            response, FileResponse
        )
        if not own_thread or response["Content-Type"] == EVENT_STREAM:
            await super().send_response(response, send)
            return
        async with self._place_for_a_download(), ThreadSensitiveContext():
            try:
                await super().send_response(response, send)
            finally:
                await sync_to_async(connections.close_all)()

    def _place_for_a_download(self) -> asyncio.Semaphore:
        """Who finds none waits. PostgreSQL allows 100 connections in all, and refuses pages and workers beyond."""
        return self._downloads.setdefault(
            asyncio.get_running_loop(), asyncio.Semaphore(settings.WEB_DOWNLOADS)
        )

    def close(self) -> None:
        """End the threads and their database connections. Nothing can be answered afterwards."""
        threads = next(self._begun)
        together = threading.Barrier(max(1, threads))  # so that each of them comes once

        def close_mine() -> None:
            together.wait()
            connections.close_all()

        for _ in range(threads):
            self._threads.submit(close_mine)
        self._threads.shutdown()


async def _say_that_it_lives(send: Any) -> None:
    """In the event loop itself: also while every thread waits for a database that hangs."""
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok\n"})


class _Handover:
    """A response on its way from the thread that makes it to the loop that sends it.

    A thread cannot be stopped: where the caller goes away meanwhile, nobody would take the response, nor close it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._response: HttpResponseBase | None = None
        self._given_up = False

    def put(self, response: HttpResponseBase) -> HttpResponseBase:
        with self._lock:
            self._response, too_late = response, self._given_up
        if too_late:
            response.close()
        return response

    def give_up(self) -> HttpResponseBase | None:
        """What is there already, to be closed. What comes later closes itself."""
        with self._lock:
            self._given_up = True
            return self._response


def _next_piece(parts: Iterator[bytes]) -> bytes:
    """Parts joined to about `PIECE_BYTES`; empty at the end."""
    piece, size = [], 0
    for part in parts:
        piece.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            break
    return b"".join(piece)


async def _pieces(
    parts: Iterator[bytes], in_a_thread: Callable[..., Any]
) -> AsyncIterator[bytes]:
    while piece := await in_a_thread(parts):
        yield piece
