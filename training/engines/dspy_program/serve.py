"""Serves optimised programs: `python -P -m dspy_program.serve --port P --runs-root DIR`, OpenAI-compatible.

Model `run-<key>` is the program in `<runs root>/<key>/program.json`, run exactly as trained: its own instructions,
demonstrations and temperature (a request's are not used). Model, length, calls and prompt are held to the request's
`limits`, which the platform priced. Only what the child says is shown; usage is the sum over all LM calls the answer
took. Environment: `SERVICE_TOKEN` (bearer, required), `OPENAI_API_KEY`, `OPENAI_BASE_URL` (goes before the address in
the program), `ALLOWED_BASE_URLS` (more addresses programs may name), `MODEL_SERVER_URL` (where programs with a local
model ask, with the service's token).
"""

import argparse
import asyncio
import hmac
import json
import os
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import uvicorn
from served_files import served
from served_files.fetching import StorageAway, fetch
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dspy_program.answering import Answer, dialogue
from dspy_program.confining import Limits
from dspy_program.failure import EngineFailure
from dspy_program.meter import Meter
from dspy_program.program import FILE_NAME, SavedProgram, load
from dspy_program.pinned import pin
from dspy_program.upstreams import ApiError, Upstreams

OPENAI = "https://api.openai.com/v1"
BODY_BYTES = 2_000_000
MOST_PROGRAMS = 64
CALLS = 2  # the answer, and once more where it was out of format
_MODEL = re.compile(r"run-([A-Za-z0-9][A-Za-z0-9_.-]{0,99})")


class TextPart(msgspec.Struct):
    """One part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(msgspec.Struct):
    """One message of a chat; the teacher is the user, the child the assistant."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def spoken(self) -> tuple[str, str]:
        """(role, text), the developer's message counting as the system's."""
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        return ("system" if self.role == "developer" else self.role, text.strip())


class StreamOptions(msgspec.Struct):
    """Whether the stream ends with a usage chunk."""

    include_usage: bool = False


class AskedLimits(msgspec.Struct, forbid_unknown_fields=True):
    """What one answer may ask of the provider; see `confining.Limits`."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=32_000)]
    calls: Annotated[int, msgspec.Meta(ge=1, le=10)]
    input_tokens: Annotated[int, msgspec.Meta(ge=1)]


class ChatRequest(msgspec.Struct):
    """The part of OpenAI's request that this server reads; the rest is ignored, the program decides it."""

    model: str
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=2_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    limits: AskedLimits | None = None

    def limits_for(self, program: SavedProgram) -> Limits:
        """The platform's; without any, the program's own model and length, and DSPy's second try at an answer."""
        if self.limits is None:
            return Limits(program.serving.model, program.serving.max_tokens, CALLS * program.design.calls)
        asked = self.limits
        return Limits(asked.model, asked.max_tokens, asked.calls, asked.input_tokens)


@dataclass
class Programs:
    """Programs by model name, kept in memory until their file changes."""

    root: Path
    fetch_from: Path | None = None
    """The socket at which the platform brings a run's files to this host."""
    kept: dict[str, tuple[tuple[int, int], SavedProgram]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Names of all models there are."""
        return sorted(f"run-{path.parent.name}" for path in self.root.glob(f"*/{FILE_NAME}"))

    def _bring(self, key: str) -> None:
        try:
            fetch(self.fetch_from, key)
        except StorageAway as away:
            raise ApiError(503, f"{away}. Try again in some minutes.", code="storage_away", kind="server_error") from away

    def find(self, model: str) -> SavedProgram:
        """The program of `model`. Raises ApiError 404 where there is none, 500 where its file is broken."""
        match = _MODEL.fullmatch(model)
        path = served(self.root, match.group(1), FILE_NAME) if match else None
        if match and path is not None and not path.exists():
            self._bring(match.group(1))
        try:
            file = path.stat() if path else None
        except OSError:
            file = None
        if file is None or path is None:
            raise ApiError(
                404, f"There is no program {model!r} here.", code="model_not_found", kind="invalid_request_error"
            )
        # Times alone are too coarse for a file that is replaced twice at once.
        changed = (file.st_ino, file.st_mtime_ns)
        if model not in self.kept or self.kept[model][0] != changed:
            try:
                program = load(path)
            except (OSError, ValueError) as error:
                raise ApiError(
                    500, f"The program can't be loaded: {error}", code="bad_program", kind="server_error"
                ) from error
            self.kept.pop(model, None)
            self.kept[model] = (changed, program)
            while len(self.kept) > MOST_PROGRAMS:
                del self.kept[next(iter(self.kept))]
        return self.kept[model][1]


class ProgramServer:
    """The HTTP side."""

    def __init__(self, programs: Programs, upstreams: Upstreams, token: str) -> None:
        self.programs, self.upstreams, self.token = programs, upstreams, token

    def app(self) -> Starlette:
        """The ASGI application."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            await self.upstreams.close()

        return Starlette(
            routes=[
                Route("/healthz", self.health),
                Route("/v1/models", self.models),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ],
            exception_handlers={ApiError: _error_response},
            lifespan=lifespan,
        )

    async def health(self, request: Request) -> Response:
        """200 as long as the server answers."""
        return JSONResponse({"status": "ok"})

    async def models(self, request: Request) -> Response:
        """The programs there are."""
        self.check_token(request)
        names = await asyncio.to_thread(self.programs.names)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "course"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def chat(self, request: Request) -> Response:
        """One answer of a program, streamed or whole."""
        self.check_token(request)
        asked = await _read(request)
        program = await asyncio.to_thread(self.programs.find, asked.model)
        try:
            inputs = dialogue([message.spoken() for message in asked.messages], program)
        except ValueError as error:
            raise ApiError(400, str(error), code="bad_messages", kind="invalid_request_error") from error
        answer = Answer(
            program, inputs, self.upstreams.for_program(program, *_told(request)), asked.limits_for(program)
        )
        pieces = answer.pieces()
        reply = _Reply(answer, asked)
        # Until the first words come nothing is sent, so that a refusal can still be an HTTP status.
        first = await _unless_gone(request, _first(pieces) if asked.stream else _all(pieces), answer)
        if asked.stream:
            return StreamingResponse(reply.frames(first, pieces), media_type="text/event-stream", headers=_NO_STORE)
        return JSONResponse(reply.whole(first), headers=_NO_STORE)

    def check_token(self, request: Request) -> None:
        """Raises ApiError 401 without the service's token."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise ApiError(401, "Wrong or missing service token.", code="invalid_api_key", kind="invalid_request_error")


def _told(request: Request) -> tuple[str, str]:
    """(address, key) of the provider that the platform names for this question; empty: as this server was started.

    Where it names what the host is at too, connections go there.
    """
    address, key = request.headers.get("x-provider-address", ""), request.headers.get("x-provider-key", "")
    addresses = request.headers.get("x-provider-addresses", "")
    pin(address, [one for one in addresses.split(",") if one])
    return address, key


_NO_STORE = {"cache-control": "no-store"}


class _Reply:
    """OpenAI's shapes around one answer."""

    def __init__(self, answer: Answer, asked: ChatRequest) -> None:
        self.answer, self.asked = answer, asked
        self.base = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": asked.model}

    def whole(self, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": self.answer.finish_reason}
        usage = _usage(self.answer.meter)
        told = {"usage": usage} if usage else {}
        return {**self.base, "object": "chat.completion", "choices": [choice], **told}

    async def frames(self, first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            yield self._chunk({"role": "assistant", "content": first})
            async for piece in pieces:
                yield self._chunk({"content": piece})
        except EngineFailure as failure:
            yield _frame(_api_error(failure, self.answer.meter).body)
            return
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]  # it is an async generator
        yield self._chunk({}, self.answer.finish_reason)
        usage = _usage(self.answer.meter)
        if usage and self.asked.stream_options is not None and self.asked.stream_options.include_usage:
            yield _frame({**self.base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _frame({**self.base, "object": "chat.completion.chunk", "choices": [choice]})


async def _first(pieces: AsyncIterator[str]) -> str:
    return await anext(pieces, "")


async def _all(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def _unless_gone(request: Request, work: Any, answer: Answer) -> str:
    """What `work` gives, unless the client leaves first: then the provider's stream is stopped. Raises ApiError."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(499, "The client left.", code="client_gone", kind="invalid_request_error")
        return str(task.result())
    except EngineFailure as failure:
        raise _api_error(failure, answer.meter) from failure
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _read(request: Request) -> ChatRequest:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise ApiError(413, "The conversation is too long.", code="too_large", kind="invalid_request_error")
    try:
        return msgspec.json.decode(body, type=ChatRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"Not a chat request: {error}", code="bad_request", kind="invalid_request_error") from error


def _api_error(failure: EngineFailure, meter: Meter) -> ApiError:
    statuses = {"provider_timeout": 504, "rate_limited": 429, "quota_exhausted": 429, "bad_settings": 500}
    status = failure.status or statuses.get(failure.code, 502)
    return ApiError(status, str(failure), code=failure.code, kind="provider_error", usage=_usage(meter))


def _usage(meter: Meter) -> dict[str, Any] | None:
    """None where nothing was answered, or the provider did not count a call: then nobody knows what it used."""
    used = meter.usage()
    if used.unreported_calls or used.calls == used.failed_calls:
        return None
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_input_tokens},
    }


def _frame(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status)


def from_environment(runs_root: Path, fetch_from: Path | None = None) -> ProgramServer:
    """The server as the environment configures it. Exits with a sentence where SERVICE_TOKEN is missing."""
    token = os.environ.get("SERVICE_TOKEN", "")
    if not token:
        sys.exit("dspy_program.serve: SERVICE_TOKEN is not set, so nobody could be let in. Set it and start again.")
    named = os.environ.get("ALLOWED_BASE_URLS", "").split(",")
    upstreams = Upstreams(
        api_key=os.environ.get("OPENAI_API_KEY", ""),
        service_token=token,
        base_url=os.environ.get("OPENAI_BASE_URL", ""),
        model_server=os.environ.get("MODEL_SERVER_URL", ""),
        allowed=frozenset({OPENAI, *(address.strip().rstrip("/") for address in named if address.strip())}),
    )
    return ProgramServer(Programs(runs_root, fetch_from), upstreams, token)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    os.umask(0o077)  # what it writes is for the platform's user alone
    parser = argparse.ArgumentParser(prog="dspy_program.serve", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runs-root", type=Path, required=True)
    parser.add_argument("--fetch-from", type=Path, metavar="SOCKET", help="where the platform brings runs' files")
    options = parser.parse_args()
    app = from_environment(options.runs_root, options.fetch_from).app()
    print(f"program server on http://{options.host}:{options.port}", file=sys.stderr, flush=True)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # later than httpx's 5 s, see lora/serve.py
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
