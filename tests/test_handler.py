"""How the ASGI application answers: threads that stay, files in pieces, nothing read to its end first."""

import asyncio
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from courseplatform.handler import PIECE_BYTES, Handler
from teams.access import public_view

LONG = os.urandom(3 * PIECE_BYTES + 7)
made_in: list[int] = []
entered: list[str] = []


@public_view
def quick(request: HttpRequest) -> HttpResponse:
    return HttpResponse(threading.current_thread().name)


@public_view
def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(request.GET["path"]).open("rb"))


@public_view
def lines(request: HttpRequest) -> StreamingHttpResponse:
    def made() -> Any:
        for number in range(20_000):
            made_in.append(threading.get_ident())
            yield f"line {number}\n"

    return StreamingHttpResponse(made())


entered_view, go_on, closed = threading.Event(), threading.Event(), threading.Event()


class Closes(StreamingHttpResponse):
    def close(self) -> None:
        super().close()
        closed.set()


@public_view
def slow(request: HttpRequest) -> Closes:
    entered_view.set()
    assert go_on.wait(30)
    return Closes(iter([b"too late"]))


reading: list[int] = []  # how many are read, at each beginning and end
counting = threading.Lock()
enough = threading.Event()


@public_view
def long_lines(request: HttpRequest) -> StreamingHttpResponse:
    def made() -> Any:
        count(+1)
        assert enough.wait(30)
        yield "line"
        count(-1)

    return StreamingHttpResponse(made())


def count(change: int) -> None:
    with counting:
        reading.append((reading[-1] if reading else 0) + change)


urlpatterns = [
    path("long-lines/", long_lines),
    path("slow/", slow),
    path("quick/", quick),
    path("file/", file),
    path("lines/", lines),
]
pytestmark = [pytest.mark.asyncio, pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


async def note(what: str) -> None:
    entered.append(what)


@pytest.fixture
def application() -> Iterator[Handler]:
    with override_settings(MIDDLEWARE=[]):
        made = Handler(on_start=lambda: note("start"), on_stop=lambda: note("stop"))
    yield made
    made.close()


async def get(application: Handler, url: str, gone: asyncio.Event | None = None) -> tuple[int, list[bytes]]:
    """Status and the body's messages. `gone`: the caller hangs up when it is set."""
    where, _, query = url.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": where,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "http_version": "1.1",
    }
    sent: list[dict[str, Any]] = []
    asked = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked.is_set():
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        asked.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    if not sent:
        return 0, []
    return sent[0]["status"], [message["body"] for message in sent[1:] if message.get("body")]


async def test_a_file_leaves_in_pieces_and_without_a_warning(application: Handler, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(LONG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, pieces = await get(application, f"/file/?path={tmp_path / 'long'}")
    assert (status, b"".join(pieces)) == (200, LONG)
    assert len(pieces) == 4


async def test_lines_leave_while_they_are_made_all_in_one_thread(application: Handler) -> None:
    made_in.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, pieces = await get(application, "/lines/")
    assert b"".join(pieces).endswith(b"line 19999\n") and len(pieces) > 1
    assert len(made_in) == 20_000 and len(set(made_in)) == 1


async def test_downloads_beyond_the_limit_wait_and_all_of_them_come(application: Handler, settings: Any) -> None:
    settings.WEB_DOWNLOADS = 3
    asked = [asyncio.create_task(get(application, "/long-lines/")) for _ in range(12)]
    while not reading or reading[-1] < 3:  # noqa: ASYNC110  (counted in other threads)
        await asyncio.sleep(0.01)
    enough.set()
    assert await asyncio.gather(*asked) == [(200, [b"line"])] * 12
    assert (max(reading), reading[-1]) == (3, 0)


async def test_requests_share_few_threads_that_stay(application: Handler, settings: Any) -> None:
    asked = [get(application, "/quick/") for _ in range(4 * settings.WEB_THREADS)]
    names = {pieces[0] for _, pieces in await asyncio.gather(*asked)}
    assert names <= {f"requests_{number}".encode() for number in range(settings.WEB_THREADS)}


async def test_a_response_that_nobody_waits_for_any_more_is_closed(application: Handler) -> None:
    gone = asyncio.Event()
    asking = asyncio.create_task(get(application, "/slow/", gone))
    assert await asyncio.to_thread(entered_view.wait, 30)
    gone.set()
    assert await asking == (0, [])
    assert not closed.is_set()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 30)


async def test_a_server_says_when_it_starts_and_ends(application: Handler) -> None:
    entered.clear()
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    answered: list[str] = []

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: dict[str, str]) -> None:
        answered.append(message["type"])

    await application({"type": "lifespan"}, receive, send)
    assert entered == ["start", "stop"]
    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
