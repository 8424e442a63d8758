"""The HTTP side of the model server: who may ask, what goes to the decoder, how answers stream back."""

import asyncio
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lora.decoding import Ask, Broken, Closed, Finished, FinishReason, Told
from lora.events import EngineError
from lora.openai_api import ChatRequest, Refusal, Reply, read_request
from lora.speech import Speech
from lora.store import Model, ModelStore, UnknownModel

MAX_BODY_BYTES = 1_000_000
MAX_WAITING = 256
MOST_OPENINGS = 3
DEFAULT_MAX_TOKENS = 512


class Answer:
    """One answer on its way from the decoding thread to a person. Iterate it once; `close()` stops the computing."""

    def __init__(self, model: Model, request: ChatRequest, prompt: list[int]) -> None:
        loop, self._inbox = asyncio.get_running_loop(), asyncio.Queue[Told]()
        room = model.base.context - len(prompt)
        wanted = request.max_completion_tokens or request.max_tokens or DEFAULT_MAX_TOKENS
        self.reply = Reply(request.model, len(prompt))
        self.reason: FinishReason = "length"
        self._speech = Speech(model.base.tokenizer, request.stops)
        self._ask = Ask(
            prompt=prompt,
            adapter=model.adapter,
            max_tokens=min(wanted, room),
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            seed=request.seed,
            tell=lambda told: _deliver(loop, self._inbox, told),
        )
        model.base.decoder.ask(self._ask)

    def close(self) -> None:
        self._ask.cancel()

    async def pieces(self) -> AsyncIterator[str]:
        """Text as it becomes certain. Raises Refusal 500 when the computation failed."""
        while True:
            told = await self._inbox.get()
            if isinstance(told, Broken):
                raise Refusal(500, told.message, code="model_failed")
            if isinstance(told, Finished):
                self.reason = told.reason
                yield self._speech.rest()
                return
            self.reply.completion_tokens += 1
            yield self._speech.hear(told.id)
            if self._speech.stopped:
                self.reason = "stop"
                return


def _deliver(loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[Told], told: Told) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(inbox.put_nowait, told)


class WhileConnected(Response):
    """Sends what `work` sends, and cancels it the moment the person hangs up."""

    def __init__(self, work: Callable[[Send], Awaitable[None]]) -> None:
        self._send_work = work
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        working = asyncio.ensure_future(self._send_work(send))
        hanging_up = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, hanging_up):
                task.cancel()
            await asyncio.gather(working, hanging_up, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Api:
    """The four addresses."""

    def __init__(self, store: ModelStore, token: str) -> None:
        self._store, self._token = store, token

    def app(self) -> Starlette:
        routes = [
            Route("/healthz", self.health),
            Route("/v1/models", self.models),
            Route("/v1/models/{name}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]
        handlers = {Refusal: _refused, HTTPException: _http_error, 500: _crashed}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "active": self._store.active})

    async def models(self, request: Request) -> Response:
        self._authorise(request)
        names = await asyncio.to_thread(self._store.names)
        loaded = self._store.loaded()
        cards = [{**_model_card(name), "loaded": name in loaded} for name in names]
        return JSONResponse({"object": "list", "data": cards})

    async def model(self, request: Request) -> Response:
        self._authorise(request)
        name = request.path_params["name"]
        if name not in await asyncio.to_thread(self._store.names):
            raise _unknown(name)
        return JSONResponse(_model_card(name))

    async def chat(self, request: Request) -> Response:
        self._authorise(request)
        asked = read_request(await _body(request))
        if self._store.active >= MAX_WAITING:
            raise Refusal(
                429, "too many people are being answered; try again soon", code="server_busy"
            )
        answer = await self._begin(asked)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return WhileConnected(lambda send: _stream(answer, usage, send))
        return WhileConnected(lambda send: _whole(answer, request.scope, request.receive, send))

    async def _begin(self, asked: ChatRequest) -> Answer:
        """Raises Refusal. A base that was put away between being opened and being asked is opened again."""
        for _ in range(MOST_OPENINGS):
            model = await self._open(asked.model)
            prompt = await asyncio.to_thread(_prompt, model, asked)
            with contextlib.suppress(Closed):
                return Answer(model, asked, prompt)
        raise Refusal(
            503,
            "too many base models are asked for at once; ask again in a moment",
            code="server_busy",
        )

    async def _open(self, name: str) -> Model:
        try:
            return await asyncio.to_thread(self._store.open, name)
        except UnknownModel as unknown:
            raise _unknown(name) from unknown
        except EngineError as broken:
            raise Refusal(
                503, f"{broken.message}. {broken.fix}", code=broken.code, param="model"
            ) from broken

    def _authorise(self, request: Request) -> None:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), self._token.encode()):
            raise Refusal(401, "the bearer token is missing or wrong", code="invalid_api_key")


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(
                413, f"the request is over {MAX_BODY_BYTES} bytes", code="request_too_large"
            )
    return body


def _prompt(model: Model, asked: ChatRequest) -> list[int]:
    """Token ids of the conversation. Raises Refusal when it leaves no room for an answer: the client trims, not we."""
    try:
        text = model.template.render(
            [message.plain() for message in asked.messages], add_generation_prompt=True
        )
    except EngineError as refused:
        raise Refusal(
            400, f"{refused.message}. {refused.fix}", code=refused.code, param="messages"
        ) from refused
    ids: list[int] = model.base.tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) >= model.base.context:
        raise Refusal(
            400,
            f"This model's maximum context length is {model.base.context} tokens, and the messages hold {len(ids)}.",
            code="context_length_exceeded",
            param="messages",
        )
    return ids


async def _stream(answer: Answer, usage: bool, send: Send) -> None:
    """Server-sent events: a role chunk, text chunks, a last chunk with the reason, usage if asked for, [DONE]."""
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def say(content: object) -> None:
        line = (
            content
            if isinstance(content, str)
            else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        )
        await send(
            {
                "type": "http.response.body",
                "body": f"data: {line}\n\n".encode(),
                "more_body": True,
            }
        )

    reply = answer.reply
    try:
        await say(reply.chunk({"role": "assistant", "content": ""}))
        async for piece in answer.pieces():
            if piece:
                await say(reply.chunk({"content": piece}))
        await say(reply.chunk({}, answer.reason))
        if usage:
            await say(reply.usage_chunk())
        await say("[DONE]")
    except Refusal as broken:
        await say(broken.body())
    finally:
        answer.close()
    await send({"type": "http.response.body", "body": b""})


async def _whole(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        text = "".join([piece async for piece in answer.pieces()])
        response = JSONResponse(answer.reply.whole(text, answer.reason))
    except Refusal as broken:
        response = JSONResponse(broken.body(), broken.status)
    finally:
        answer.close()
    await response(scope, receive, send)


def _model_card(name: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "course-platform",
    }


def _unknown(name: str) -> Refusal:
    return Refusal(
        404, f"The model '{name}' does not exist here.", code="model_not_found", param="model"
    )


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return JSONResponse(refusal.body(), refusal.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(
        Refusal(error.status_code, message, code="invalid_url").body(), error.status_code
    )


async def _crashed(_request: Request, _error: Exception) -> Response:
    return JSONResponse(
        Refusal(500, "the model server failed; its log says why", code="crash").body(), 500
    )
