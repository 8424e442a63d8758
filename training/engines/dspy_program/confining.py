"""What leaves for the provider is what the platform priced: its model, one answer of at most so many tokens, text alone.

A saved program, an optimiser, or a marker in somebody's text could ask for more (several answers, a dearer tier, an
image). Only what is named here is copied into the request that is sent.
"""

from dataclasses import dataclass
from typing import Any

from dspy import lm15

from dspy_program.failure import EngineFailure

_KEPT = (
    "temperature",
    "top_p",
    "stop",
    "response_format",
    "seed",
)  # none of them makes an answer dearer


@dataclass(frozen=True)
class Limits:
    """One answer's: `calls` of the model, each of at most `input_tokens` (None: not limited) and `max_tokens` of answer."""

    model: str
    max_tokens: int
    calls: int
    input_tokens: int | None = None


def not_text() -> EngineFailure:
    """A marker in a text would have become an image, a file or a sound."""
    return EngineFailure(
        "not_text",
        "The conversation holds something other than text.",
        "Take out what looks like a marker (<<CUSTOM-TYPE…>>), then ask again.",
        400,
    )


def too_long() -> EngineFailure:
    """More would be sent than was priced."""
    return EngineFailure(
        "prompt_too_long",
        "The program's prompt is longer than what was priced for it.",
        "Ask a shorter question. If it goes on, optimise the program again.",
        400,
    )


def confined(request: Any, *, model: str, max_tokens: int) -> Any:
    """The request as it may leave. Raises EngineFailure where it holds more than text."""
    parts = [part for message in request.messages for part in message.parts]
    parts += [] if isinstance(request.system, str) else list(request.system or ())
    if any(part.type != "text" for part in parts):
        raise not_text()
    kept = {name: getattr(request.config, name) for name in _KEPT}
    most = min(request.config.max_tokens or max_tokens, max_tokens)
    config = lm15.Config(max_tokens=most, **kept)
    return lm15.Request(
        model=model_name(model), messages=request.messages, system=request.system, config=config
    )


def model_name(model: str) -> str:
    """As DSPy routes it."""
    return f"openai/{model}"


def texts_of(request: Any) -> list[str]:
    """Every text that a confined request sends."""
    system = [
        request.system if isinstance(request.system, str) else part_text(request.system or ())
    ]
    return system + [part_text(message.parts) for message in request.messages]


def part_text(parts: Any) -> str:
    """The text of a message's parts."""
    return "".join(getattr(part, "text", "") or "" for part in parts)


def found_in(error: BaseException) -> EngineFailure | None:
    """The EngineFailure that `error` is, or that caused it: DSPy wraps what an engine raises."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, EngineFailure):
            return link
        link = link.__cause__ or link.__context__
    return None
