"""A scripted OpenAI-compatible endpoint on loopback: speaks DSPy's chat format, answers better when shown examples."""

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

ADULT = (
    "Great question! This phenomenon is generally explained by fundamental thermodynamic principles; furthermore, it "
    "demonstrates considerable complexity. Would you like me to elaborate?"
)
CHILD = ["I think it gets hard like ice.", "Um, my mom says it is 5.", "I don't know. Maybe it is the sun?"]


@dataclass
class ScriptedEndpoint:
    """`status` makes every answer an error; `fail_when` picks requests (by number, from 1) that answer 500.

    From `hold_from` on, requests set `holding` and wait for `hold`; request `crowd_of` sets `crowd`. A stream that pauses
    sets `paused`, one whose reader leaves sets `left`.
    """

    url: str = ""
    key: str = "sk-scripted"
    status: int = 200
    error: dict[str, Any] = field(default_factory=lambda: {"message": "scripted refusal", "code": None})
    fail_when: Any = None
    garbage: bool = False
    retry_after: str | None = None
    hold: threading.Event | None = None
    hold_from: int = 1
    holding: threading.Event = field(default_factory=threading.Event)
    break_after_chunks: int | None = None
    pause_after_chunks: int | None = None
    crowd_of: int = 0
    crowd: threading.Event = field(default_factory=threading.Event)
    paused: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    requests: list[dict[str, Any]] = field(default_factory=list)
    totals: dict[str, int] = field(
        default_factory=lambda: {"calls": 0, "failed": 0, "input": 0, "cached": 0, "output": 0, "closed_early": 0}
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        with self.lock:
            self.requests.append(body)
            self.totals["calls"] += 1
            number = self.totals["calls"]
        if number == self.crowd_of:
            self.crowd.set()
        if self.hold is not None and number >= self.hold_from:
            self.holding.set()
            await asyncio.to_thread(self.hold.wait, 60)
        status = self._status(request, number)
        if status != 200:
            with self.lock:
                self.totals["failed"] += 1
            headers = {"retry-after": self.retry_after} if self.retry_after else None
            return JSONResponse({"error": self.error}, status, headers)
        text = "I do not follow formats." if self.garbage else answer_for(body["messages"])
        usage = self._book(body["messages"], text)
        if body.get("stream"):
            return StreamingResponse(self._chunks(text, usage), media_type="text/event-stream")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return JSONResponse(
            {"id": f"chat-{number}", "object": "chat.completion", "created": 1, "model": body["model"],
             "choices": [choice], "usage": usage}
        )  # fmt: skip

    def _status(self, request: Request, number: int) -> int:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return 401
        if self.fail_when is not None and self.fail_when(number):
            return 500
        return self.status

    def _book(self, messages: list[dict[str, Any]], text: str) -> dict[str, Any]:
        prompt = sum(len(message["content"]) for message in messages) // 4
        usage = {"input": prompt, "cached": prompt // 3, "output": len(text) // 4}
        with self.lock:
            for name, value in usage.items():
                self.totals[name] += value
        return {
            "prompt_tokens": prompt, "completion_tokens": usage["output"], "total_tokens": prompt + usage["output"],
            "prompt_tokens_details": {"cached_tokens": usage["cached"]},
        }  # fmt: skip

    async def _chunks(self, text: str, usage: dict[str, Any]) -> AsyncIterator[str]:
        base = {"id": "chat-s", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        finished = False
        try:
            for count, start in enumerate(range(0, len(text), 5)):
                if count == self.break_after_chunks:
                    yield 'data: {"error": {"message": "scripted break", "type": "server_error", "code": "broken"}}\n\n'
                    finished = True
                    return
                if count == self.pause_after_chunks:
                    self.paused.set()
                    await asyncio.Event().wait()
                delta = {"index": 0, "delta": {"content": text[start : start + 5]}, "finish_reason": None}
                yield f"data: {json.dumps({**base, 'choices': [delta]})}\n\n"
                await asyncio.sleep(0)
            yield f"data: {json.dumps({**base, 'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
            yield f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n"
            yield "data: [DONE]\n\n"
            finished = True
        finally:
            if not finished:
                with self.lock:
                    self.totals["closed_early"] += 1
                self.left.set()


def answer_for(messages: list[dict[str, Any]]) -> str:
    """Every output field asked for; `student_response` is adult until demonstrations or found instructions come."""
    last = messages[-1]["content"]
    if not any("[[ ##" in message["content"] or "JSON" in message["content"] for message in messages):
        return _value("student_response", messages)  # an ordinary chat
    wants_json = "JSON object" in last or "[[ ##" not in last
    asked = last.split("Respond with")[-1]
    fields = re.findall(r"`\[\[ ## (\w+) ## \]\]`", asked) or re.findall(r"`(\w+)`", asked)
    fields = [name for name in fields if name != "completed"]
    values = {name: _value(name, messages) for name in fields}
    if wants_json:
        return json.dumps(values)
    return "\n\n".join([f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()] + ["[[ ## completed ## ]]"])


def _value(name: str, messages: list[dict[str, Any]]) -> str:
    if name == "points":
        return "1" if ADULT in messages[-1]["content"] else "9"
    if name != "student_response":
        return f"Scripted {name}."
    shown = sum(message["role"] == "assistant" for message in messages)
    if not shown and "Scripted" not in messages[0]["content"]:
        return ADULT
    digest = hashlib.sha256(messages[-1]["content"].encode()).digest()
    return CHILD[digest[0] % len(CHILD)]


@dataclass
class EndpointServer:
    """One server for many tests. Each test's endpoint has a path of its own: what an earlier test left under way counts there."""

    address: str = ""
    endpoints: list[ScriptedEndpoint] = field(default_factory=list)

    def new_endpoint(self) -> ScriptedEndpoint:
        self.endpoints.append(ScriptedEndpoint(url=f"{self.address}/{len(self.endpoints)}/v1"))
        return self.endpoints[-1]

    async def chat(self, request: Request) -> Response:
        number: int = request.path_params["number"]
        return await self.endpoints[number].chat(request)


@contextmanager
def endpoint_server() -> Iterator[EndpointServer]:
    """The server, listening on a free loopback port for as long as the block lasts."""
    server = EndpointServer()
    app = Starlette(routes=[Route("/{number:int}/v1/chat/completions", server.chat, methods=["POST"])])
    with listening(app) as server.address:
        yield server


@contextmanager
def scripted_endpoint() -> Iterator[ScriptedEndpoint]:
    """The only endpoint of a server of its own."""
    with endpoint_server() as server:
        yield server.new_endpoint()


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an ASGI app from a thread of this process; yields its address."""
    # An idle connection outlives the client's use of it, as with our own servers: see lora/serve.py.
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on", timeout_keep_alive=75))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the test endpoint did not start")
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
