"""The scripted provider's process.

    python -P -m tests.scripted_provider.serve --port 8003 --host 127.0.0.1 --state FOLDER [--allow-faults] [--job-seconds 20]

Needs a bearer key on every `/v1` address, as OpenAI does: any that is not empty; or the one in SERVICE_TOKEN where that
is set.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.scripted_provider import (
    BASE_MODELS,
    FINGERPRINT,
    chat_api,
    costs_api,
    files_api,
    jobs_api,
    models_api,
    tokens,
)
from tests.scripted_provider.faults import FaultBoard
from tests.scripted_provider.provider import Provider, provider_of
from tests.scripted_provider.replies import ApiError, new_id
from tests.scripted_provider.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REFUSED_KEY = "sk-refused"
GRACE_SECONDS = 3


def check_key(request: Request) -> None:
    """Raises ApiError 401 without a usable bearer key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(401, "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY", code=None)
    wanted = os.environ.get("SERVICE_TOKEN", "")
    known = not wanted or hmac.compare_digest(key.strip().encode(), wanted.encode())
    if key.strip() == REFUSED_KEY or not known:
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


def strike(request: Request) -> None:
    """Applies the faults that hit any request. Raises ApiError 429 or 500."""
    board = provider_of(request).faults
    if board.now.only not in request.url.path:
        return
    if board.use_up("rate_limited"):
        wait = {"retry-after": str(board.now.retry_after)}
        message = f"Rate limit reached for requests. Please try again in {board.now.retry_after}s."
        raise ApiError(429, message, kind="requests", code="rate_limit_exceeded", headers=wait)
    if board.use_up("server_errors"):
        raise ApiError(500, "The server had an error while processing your request.", kind="server_error")


class Gate:
    """ASGI layer around every address: marks the answer as scripted, asks for the key under `/v1`, applies faults."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with an error in OpenAI's shape."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        marks = [(b"x-scripted", b"true"), (b"x-request-id", new_id("req").encode())]

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *marks]
            await send(message)

        request = Request(scope, receive)
        try:
            if request.url.path.startswith("/v1/"):
                check_key(request)
                provider_of(request).store.count("requests")
                strike(request)
        except ApiError as error:
            await error.response()(scope, receive, marked)
            return
        await self.app(scope, receive, marked)


async def healthz(request: Request) -> JSONResponse:
    """Says that the provider is up and that it is scripted."""
    return JSONResponse({"status": "ok", "kind": FINGERPRINT, "models": list(BASE_MODELS)})


async def faults(request: Request) -> Response:
    """Shows or changes the faults, and shows the counters. 404 unless started with `--allow-faults`."""
    provider = provider_of(request)
    if not provider.faults.allowed:
        raise ApiError(404, "Faults are off: start the scripted provider with --allow-faults.")
    if request.method == "POST":
        try:
            wanted = json.loads(await request.body())
            provider.faults.change(wanted)
        except (ValueError, AttributeError, msgspec.ValidationError) as error:
            raise ApiError(400, f"Not a fault: {error}") from error
    state = {"faults": msgspec.to_builtins(provider.faults.now), "counters": provider.store.counters()}
    return JSONResponse(state)


def api_error(request: Request, error: Exception) -> JSONResponse:
    """Our own errors in OpenAI's shape."""
    if isinstance(error, ApiError):
        return error.response()
    raise error


def http_error(request: Request, error: Exception) -> JSONResponse:
    """Unknown addresses and methods in OpenAI's shape."""
    if not isinstance(error, HTTPException):
        raise error
    where = f"{request.method} {request.url.path}"
    return ApiError(error.status_code, f"Invalid URL ({where}): {error.detail}").response()


def build_app(provider: Provider) -> Starlette:
    """The ASGI application over one provider."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        provider.store.close()

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/faults", faults, methods=["GET", "POST"]),
            *files_api.routes,
            *jobs_api.routes,
            *models_api.routes,
            *chat_api.routes,
            *costs_api.routes,
        ],
        exception_handlers={ApiError: api_error, HTTPException: http_error},
        lifespan=lifespan,
    )
    app.state.provider = provider
    app.add_middleware(Gate)
    return app


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.scripted_provider.serve", description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps files, jobs and models")
    parser.add_argument("--job-seconds", type=float, default=20.0, help="how long a fine-tuning job takes")
    parser.add_argument("--token-delay-ms", type=float, default=8.0, help="pause between streamed tokens")
    parser.add_argument("--allow-faults", action="store_true", help="open /faults; for tests only")
    return parser.parse_args(given)


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Exits with a clear sentence where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # before anybody is told the address: whoever calls at once waits instead of being refused
    except OSError as error:
        sys.exit(
            f"tests.scripted_provider.serve: cannot listen on {host}:{port} ({error.strerror}). "
            "Choose another --port or stop what holds it."
        )
    return listener


def main() -> None:
    """Starts the provider and serves until SIGTERM or SIGINT."""
    os.umask(0o077)  # what it writes is for the platform's user alone
    options = arguments(sys.argv[1:])
    tokens.encoding()
    store = Store(options.state)
    board = FaultBoard(store, allowed=options.allow_faults)
    delay = options.token_delay_ms / 1000
    provider = Provider(store, board, job_seconds=options.job_seconds, token_delay=delay)
    listener = bound_socket(options.host, options.port)
    where = f"http://{options.host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        build_app(provider),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # later than httpx's 5 s, see lora/serve.py
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="on",
    )
    print(f"scripted provider on {where} (no OpenAI behind it)", file=sys.stderr, flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
