"""A tiny scripted OpenAI-compatible server: it says what a test told it to say, piece by piece, and waits when told to wait."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass
class Script:
    """What the next answers are. `hold_after`: stop after that many pieces until `go_on` is set. `status`: an error instead.

    `says`: makes the whole answer from the request's body, in place of `pieces`; where it raises, the server answers 500.
    `page`: a page of HTML in place of any answer, as a network's sign-in sends it.
    """

    pieces: list[str] = field(default_factory=lambda: ["It turns", " into ", "ice!"])
    status: int = 200
    usage: tuple[int, int] | None = (20, 5)
    hold_after: int | None = None
    break_after: int | None = None
    says: Callable[[dict[str, Any]], str] | None = None
    page: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    @property
    def last_messages(self) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = self.asked[-1]["messages"]
        return messages


@dataclass
class ModelServer:
    """One server for a whole session of tests. Each script has a path of its own, so no test hears a late question of another."""

    address: str
    scripts: list[Script] = field(default_factory=list)

    def new_script(self) -> Script:
        self.release()
        self.scripts.append(Script(url=f"{self.address}/{len(self.scripts)}/v1"))
        return self.scripts[-1]

    def release(self) -> None:
        """Let go of an answer that the last test left waiting."""
        for script in self.scripts[-1:]:
            script.go_on.set()


def _app(server: ModelServer) -> Starlette:
    async def completions(request: Request) -> Response:
        script = server.scripts[request.path_params["number"]]
        script.asked.append(await request.json())
        if script.status != 200:
            return JSONResponse({"error": {"message": "scripted failure of ft:secret-team-name"}}, script.status)
        if script.page:
            return Response(script.page, media_type="text/html")
        if not script.asked[-1].get("stream"):
            try:
                return JSONResponse(_whole(script))
            except ValueError as error:
                # Left to Starlette, uvicorn hangs up after the 500, and the next question may be lost.
                return JSONResponse({"error": {"message": str(error)}}, 500)
        return StreamingResponse(_chunks(script), media_type="text/event-stream")

    return Starlette(routes=[Route("/{number:int}/v1/chat/completions", completions, methods=["POST"])])


def _whole(script: Script) -> dict[str, Any]:
    asked, answered = script.usage or (0, 0)
    text = script.says(script.asked[-1]) if script.says else "".join(script.pieces)
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }


async def _chunks(script: Script) -> AsyncIterator[str]:
    def line(**more: Any) -> str:
        body = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [], **more}
        return f"data: {json.dumps(body)}\n\n"

    for number, piece in enumerate(script.pieces):
        if number == script.break_after:
            raise ConnectionResetError("scripted break")
        if number == script.hold_after:
            while not script.go_on.is_set():  # noqa: ASYNC110  (set from another thread)
                await asyncio.sleep(0.01)
        yield line(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        await asyncio.sleep(0)
    yield line(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if script.usage:
        asked, answered = script.usage
        yield line(usage={"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered})
    yield "data: [DONE]\n\n"


@contextmanager
def serving() -> Iterator[ModelServer]:
    """The server in a thread of this process, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))  # at once: a port that is only found free may be taken meanwhile
    scripted = ModelServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    options: dict[str, Any] = {"log_level": "critical", "timeout_graceful_shutdown": 1, "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(_app(scripted), timeout_keep_alive=75, **options))
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the scripted model server does not start"
        time.sleep(0.01)
    yield scripted
    scripted.release()
    server.should_exit = True
    thread.join(10)
    listener.close()
