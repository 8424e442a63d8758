"""A provider that writes down every request and bills the most that it allows: every prompt token, and `n` full answers."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from evaluation import judge_prompt
from tests.engines.dspy_endpoint import answer_for, listening
from training.services.tokens import count_messages, count_text

IN, OUT = 1, 2  # micro-dollars a token: what `make_prices` puts into the book
IMAGE_TOKENS = 5_000
NO_LIMIT = 100_000  # tokens that a request without a limit may be answered with
KNOWN = {
    "model",
    "messages",
    "temperature",
    "max_tokens",
    "stream",
    "stream_options",
    "seed",
    "response_format",
    "max_completion_tokens",
    "limits",
}


@dataclass
class Recorder:
    """`usage`: reported instead of what is billed; "none" reports nothing. `garbage`: answers that keep to no format."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    usage: Any = None
    garbage: bool = False

    @property
    def billed(self) -> int:
        """Micro-dollars of all requests, each at its most."""
        return sum(IN * asked_of(body) + OUT * answered_of(body) for body in self.requests)

    def answer(self, body: dict[str, Any]) -> Response:
        self.requests.append(body)
        text = "I do not follow formats." if self.garbage else _text(body["messages"])
        said = self.usage or {"prompt_tokens": asked_of(body), "completion_tokens": answered_of(body)}
        usage = {} if said == "none" else {"usage": said}
        if body.get("stream"):
            return StreamingResponse(_chunks(text, usage), media_type="text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        base = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
        return JSONResponse({**base, "choices": [choice], **usage})


def asked_of(body: dict[str, Any]) -> int:
    """Tokens that the provider reads, counted of what really came."""
    form = body.get("response_format")
    extra = count_text(json.dumps(form)) if form else 0
    messages, images = [], 0
    for message in body["messages"]:
        content = message["content"]
        if not isinstance(content, str):
            images += sum(part["type"] != "text" for part in content)
            content = "".join(part.get("text", "") for part in content)
        messages.append({"role": message["role"], "content": content})
    return count_messages(messages) + extra + images * IMAGE_TOKENS


def answered_of(body: dict[str, Any]) -> int:
    """Tokens that the provider may write."""
    most = body.get("max_tokens") or body.get("max_completion_tokens") or NO_LIMIT
    return int(body.get("n") or 1) * int(body.get("best_of") or 1) * int(most)


def _text(messages: list[dict[str, Any]]) -> str:
    if messages[0]["content"] == judge_prompt.SYSTEM:
        return json.dumps({"score": 4, "reason": "It says “Um”."})
    if "[[ ##" in str(messages) or "JSON object" in str(messages[-1]["content"]):
        return answer_for(messages)
    return "Um, I think it is ice!"


async def _chunks(text: str, usage: dict[str, Any]) -> AsyncIterator[str]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    yield f"data: {json.dumps({**base, 'choices': [delta]})}\n\n"
    yield f"data: {json.dumps({**base, 'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
    if usage:
        yield f"data: {json.dumps({**base, 'choices': [], **usage})}\n\n"
    yield "data: [DONE]\n\n"


@dataclass
class Recorders:
    """One server for many tests: each recorder has a path of its own."""

    address: str = ""
    made: list[Recorder] = field(default_factory=list)

    def new(self) -> Recorder:
        self.made.append(Recorder(url=f"{self.address}/{len(self.made)}/v1"))
        return self.made[-1]


@contextmanager
def recording() -> Iterator[Recorders]:
    """The server, for as long as the block lasts."""
    recorders = Recorders()

    async def chat(request: Request) -> Response:
        number: int = request.path_params["number"]
        return recorders.made[number].answer(await request.json())

    app = Starlette(routes=[Route("/{number:int}/v1/chat/completions", chat, methods=["POST"])])
    with listening(app) as recorders.address:
        yield recorders
