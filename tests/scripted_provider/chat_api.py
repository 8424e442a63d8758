"""`/v1/chat/completions`: answers in one piece or streamed token by token, with honest token counts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.scripted_provider import FINGERPRINT, script, tokens
from tests.scripted_provider.provider import KnownModel, Provider, provider_of
from tests.scripted_provider.replies import ApiError, new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

CONTEXT_TOKENS = 128_000


class TextPart(msgspec.Struct):
    """A part of a message's content; only text is understood."""

    type: str
    text: str = ""


class SentMessage(msgspec.Struct):
    """A message as sent."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str = ""


class StreamOptions(msgspec.Struct):
    """What a stream carries besides its text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class WantedChat(msgspec.Struct):
    """The body of a chat completion, as far as it changes the answer. Other fields are read past, save UNSUPPORTED."""

    model: str
    messages: Annotated[list[SentMessage], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=4)] | None = None
    response_format: dict[str, Any] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    audio: dict[str, Any] | None = None


UNSUPPORTED = ("tools", "functions", "logprobs", "audio")


@dataclass(frozen=True, slots=True)
class Choice:
    """One completion: its tokens as text pieces and why it ended."""

    pieces: tuple[str, ...]
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Completion:
    """An answered request."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: dict[str, Any]


async def create(request: Request) -> Response:
    """Answers a chat."""
    provider = provider_of(request)
    try:
        wanted = msgspec.json.decode(await request.body(), type=WantedChat)
    except msgspec.DecodeError as error:
        raise ApiError(400, f"We could not read the body of your request: {error}") from error
    for name in UNSUPPORTED:
        if getattr(wanted, name):
            raise ApiError(
                400, f"The scripted provider does not support '{name}'.", param=name, code="unsupported_parameter"
            )
    model = provider.model(wanted.model)
    provider.store.count("chat_calls")
    completion = await run_in_threadpool(completed, provider, wanted, model)
    if provider.faults.now.slow_chat:
        await asyncio.sleep(provider.faults.now.slow_chat)
    if not wanted.stream:
        return JSONResponse(whole(completion))
    breaks = provider.faults.use_up("drop_streams")
    with_usage = wanted.stream_options is not None and wanted.stream_options.include_usage
    return StreamingResponse(
        streamed(completion, provider.token_delay, with_usage=with_usage, breaks=breaks),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"},
    )


def plain_messages(sent: list[SentMessage]) -> list[tuple[str, str, str]]:
    """(role, name, text) of each message, its parts joined. Raises ApiError for pictures and sound."""
    found: list[tuple[str, str, str]] = []
    for message in sent:
        if isinstance(message.content, list):
            if any(part.type not in ("text", "refusal") for part in message.content):
                raise ApiError(400, "The scripted provider reads text only.", param="messages")
            text = "".join(part.text for part in message.content)
        else:
            text = message.content or ""
        found.append((message.role, message.name, text))
    return found


def completed(provider: Provider, wanted: WantedChat, model: KnownModel) -> Completion:
    """Computes every choice and the usage. Raises ApiError where the prompt is longer than the context."""
    messages = plain_messages(wanted.messages)
    prompt_tokens = tokens.count_messages(messages)
    if prompt_tokens > CONTEXT_TOKENS:
        message = f"This model's maximum context length is {CONTEXT_TOKENS} tokens; your messages have {prompt_tokens}."
        raise ApiError(400, message, param="messages", code="context_length_exceeded")
    text = script.reply([(role, said) for role, _, said in messages], wanted.response_format)
    choices = [cut(text, wanted) for _ in range(wanted.n or 1)]
    produced = sum(len(choice.pieces) for choice in choices)
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": produced,
        "total_tokens": prompt_tokens + produced,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return Completion(new_id("chatcmpl"), int(provider.now()), model.id, tuple(choices), usage)


def cut(text: str, wanted: WantedChat) -> Choice:
    """A text ended by the request's stop words and its most tokens."""
    stops = [wanted.stop] if isinstance(wanted.stop, str) else wanted.stop or []
    ends = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    ids = tokens.encode(text[: min(ends)] if ends else text)
    most = wanted.max_completion_tokens or wanted.max_tokens or len(ids)
    return Choice(tuple(tokens.pieces(ids[:most])), "length" if len(ids) > most else "stop")


def whole(completion: Completion) -> dict[str, Any]:
    """A completion in one piece, in OpenAI's shape."""
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
        "service_tier": "default",
        "choices": [
            {
                "index": number,
                "message": {"role": "assistant", "content": "".join(choice.pieces), "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for number, choice in enumerate(completion.choices)
        ],
        "usage": completion.usage,
    }


async def streamed(completion: Completion, delay: float, *, with_usage: bool, breaks: bool) -> AsyncIterator[str]:
    """A completion as server-sent events; with `breaks` it stops half-way, the connection with it."""
    left = sum(len(choice.pieces) for choice in completion.choices) // 2 if breaks else None
    for number, choice in enumerate(completion.choices):
        yield event(
            completion, number, {"role": "assistant", "content": "", "refusal": None}, None, with_usage=with_usage
        )
        for piece in choice.pieces:
            if left is not None:
                left -= 1
                if left < 0:
                    raise ConnectionAbortedError("scripted fault: this stream is dropped")
            if delay:
                await asyncio.sleep(delay)
            yield event(completion, number, {"content": piece}, None, with_usage=with_usage)
        yield event(completion, number, {}, choice.finish_reason, with_usage=with_usage)
    if with_usage:
        yield sse({**chunk(completion), "choices": [], "usage": completion.usage})
    yield "data: [DONE]\n\n"


def chunk(completion: Completion) -> dict[str, Any]:
    """What every chunk of a stream carries."""
    return {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
        "service_tier": "default",
    }


def event(completion: Completion, number: int, delta: dict[str, Any], reason: str | None, *, with_usage: bool) -> str:
    """One chunk as a server-sent event."""
    choices = [{"index": number, "delta": delta, "logprobs": None, "finish_reason": reason}]
    usage = {"usage": None} if with_usage else {}
    return sse({**chunk(completion), "choices": choices, **usage})


def sse(value: dict[str, Any]) -> str:
    """A JSON value as a server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


routes = [Route("/v1/chat/completions", create, methods=["POST"])]
