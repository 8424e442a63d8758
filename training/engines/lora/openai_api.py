"""OpenAI's chat-completions shapes: what may be asked, what is answered, how refusals look."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lora.decoding import FinishReason
from lora.templates import Message


class Refusal(Exception):
    """An error in OpenAI's shape. `status` is the HTTP status."""

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def body(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }


class Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class ChatMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def plain(self) -> Message:
        """Role and text. Raises Refusal for pictures and the like."""
        if isinstance(self.content, list) and any(part.type != "text" for part in self.content):
            raise Refusal(
                400,
                "only text content is understood",
                code="unsupported_content",
                param="messages",
            )
        text = (
            self.content
            if isinstance(self.content, str)
            else "".join(part.text for part in self.content)
        )
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True):
    """What we understand of a request; `unsupported` lists what would change the answer and that we can't do."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    n: int | None = 1
    tools: list[Any] | None = None
    logprobs: bool | None = False
    response_format: dict[str, Any] | None = None
    presence_penalty: float | None = 0
    frequency_penalty: float | None = 0

    @property
    def stops(self) -> list[str]:
        texts = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [text for text in texts if text]

    def refuse_unsupported(self) -> None:
        """Raises Refusal rather than answer as if a parameter had not been sent."""
        plain_text = self.response_format is None or self.response_format.get("type") == "text"
        asked = {
            "n": (self.n or 1) != 1,
            "tools": bool(self.tools),
            "logprobs": bool(self.logprobs),
            "response_format": not plain_text,
            "presence_penalty": bool(self.presence_penalty),
            "frequency_penalty": bool(self.frequency_penalty),
        }
        for name, wanted in asked.items():
            if wanted:
                raise Refusal(
                    400, f"this server can't do {name}", code="unsupported_parameter", param=name
                )


def read_request(body: bytes) -> ChatRequest:
    """Raises Refusal 400 naming the field that is wrong."""
    try:
        request = msgspec.json.decode(body, type=ChatRequest)
    except msgspec.MsgspecError as wrong:
        field_name = str(wrong).rpartition("`$.")[2].rstrip("`") if "`$." in str(wrong) else None
        raise Refusal(400, str(wrong), code="invalid_request", param=field_name) from wrong
    request.refuse_unsupported()
    return request


@dataclass
class Reply:
    """One answer in OpenAI's shapes, whole or in chunks."""

    model: str
    prompt_tokens: int
    completion_tokens: int = 0
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def usage(self) -> dict[str, int]:
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }

    def whole(self, text: str, reason: FinishReason) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage()}

    def chunk(self, delta: dict[str, str], reason: FinishReason | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage()}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}
