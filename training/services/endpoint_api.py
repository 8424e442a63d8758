"""What a client of a team's endpoint sends, and what it gets: OpenAI's shapes, the bot's own prompt and decoding."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from training.models import TrainingRun
from training.services.calls.prepare import Message, PreparedCall, prepare
from training.services.endpoints import NotReady, endpoint_for

MOST_BYTES = 200_000
MOST_MESSAGES = 200
READ = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "user",
        "n",
    }
)
FIXED = frozenset(
    {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "stop",
        "logit_bias",
    }
)
MOST_STOPS = 4
LONGEST_STOP = 100


class ApiError(Exception):
    """An answer in OpenAI's error shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        wait: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {} if wait is None else {"Retry-After": str(wait)}  # seconds
        self.body = {
            "error": {
                "message": message,
                "type": kind,
                "param": param or None,
                "code": code or None,
            }
        }


@dataclass(frozen=True)
class Asked:
    """A checked request. The call's messages begin with the prompt that the bot was trained with."""

    model: str
    run: TrainingRun
    call: PreparedCall
    stream: bool
    usage_wanted: bool


def read_body(raw: bytes) -> dict[str, Any]:
    """Raises ApiError 400."""
    if len(raw) > MOST_BYTES:
        raise ApiError(413, f"A request can have {MOST_BYTES:,} bytes.")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object with model and messages.")
    for name, value in body.items():
        if name not in READ | FIXED and value not in (None, False):
            raise ApiError(
                400,
                f"This endpoint does not know {name[:60]}.",
                code="unsupported_parameter",
                param=name[:60],
            )
    if body.get("n") not in (None, 1):
        raise ApiError(
            400, "One answer at a time: leave out n.", code="unsupported_parameter", param="n"
        )
    if not isinstance(body.get("model"), str):
        raise ApiError(400, "Say which model: GET /v1/models lists them.", param="model")
    return body


def asked(body: dict[str, Any], run: TrainingRun) -> Asked:
    """Raises ApiError for what cannot be asked, PriceUnknown where the price book has no price."""
    try:
        endpoint = endpoint_for(run)
    except NotReady as not_ready:
        raise ApiError(409, str(not_ready)) from not_ready
    local = run.is_adapter
    messages = _messages(body.get("messages"), own_system=local)
    trained = (
        [{"role": "system", "content": endpoint.system_prompt}] if endpoint.system_prompt else []
    )
    system = [] if messages[0]["role"] == "system" else trained
    call = prepare(run, endpoint, [*system, *messages], max_tokens=_wanted_tokens(body))
    call = replace(call, decoding=_decoding(body, local))
    room = endpoint.context_tokens - call.max_tokens
    if call.input_tokens > room:
        said = f"This bot reads about {room} tokens at once; your messages have about {call.input_tokens}."
        raise ApiError(400, said, code="context_length_exceeded", param="messages")
    options = body.get("stream_options")
    return Asked(
        model=str(body["model"]),
        run=run,
        call=call,
        stream=bool(body.get("stream")),
        usage_wanted=isinstance(options, dict) and bool(options.get("include_usage")),
    )


def _decoding(body: dict[str, Any], local: bool) -> dict[str, Any]:
    """The sampling that a program wants. A model trained here takes it; other bots answer as they were handed over."""
    wanted = {name: body[name] for name in sorted(FIXED) if body.get(name) is not None}
    for name, value in wanted.items():
        if not local or name not in SAMPLING:
            said = (
                f"The bot answers with the decoding it was handed over with: leave out {name}."
            )
            raise ApiError(400, said, code="unsupported_parameter", param=name)
        if not SAMPLING[name](value):
            raise ApiError(
                400, f"This value of {name} cannot be used: {value!r:.60}.", param=name
            )
    return wanted


def _between(low: float, high: float) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and low <= value <= high
        )

    return fits


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_stop(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) > MOST_STOPS:
        return False
    return all(isinstance(text, str) and 0 < len(text) <= LONGEST_STOP for text in texts)


SAMPLING: dict[str, Callable[[Any], bool]] = {
    "temperature": _between(0, 2),
    "top_p": _between(0.01, 1),
    "seed": _is_seed,
    "stop": _is_stop,
}


def _wanted_tokens(body: dict[str, Any]) -> int:
    wanted = body.get("max_completion_tokens") or body.get("max_tokens")
    if wanted is None:
        return 1_000_000
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise ApiError(400, "max_tokens must be a whole number above 0.", param="max_tokens")
    return wanted


def _messages(given: Any, *, own_system: bool) -> list[Message]:
    """`own_system`: the first message may be a system prompt, which stands in place of the one that the bot was trained with."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_MESSAGES:
        raise ApiError(
            400, f"messages must be a list of 1 to {MOST_MESSAGES} messages.", param="messages"
        )
    found = [
        _message(one, may_be_system=own_system and not place) for place, one in enumerate(given)
    ]
    if found[-1]["role"] != "user":
        raise ApiError(
            400, "The last message must be the teacher's: role user.", param="messages"
        )
    return found


def _message(one: Any, *, may_be_system: bool) -> Message:
    role, content = (
        (one.get("role"), one.get("content")) if isinstance(one, dict) else (None, None)
    )
    is_system = role in ("system", "developer")
    if is_system and not may_be_system:
        said = "The bot answers with the system prompt that it was trained with: leave system messages out."
        raise ApiError(400, said, param="messages")
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in content
    ):
        content = "".join(str(part.get("text", "")) for part in content)
    if is_system:
        role = "system"
    if (
        role not in ("user", "assistant", "system")
        or not isinstance(content, str)
        or not content.strip()
    ):
        raise ApiError(
            400, "Each message needs a role, user or assistant, and a text.", param="messages"
        )
    return {
        "role": role,
        "content": content.replace("\x00", "").encode("utf-8", "replace").decode(),
    }
