"""What a provider says that an answer used. It may say anything: only whole numbers from 0 on count as said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import httpx

MOST_TOKENS = 2**31 - 1  # what a column of an answer holds; far beyond any answer


class CountedTokens(TypedDict):
    """Tokens as prices and charges name them."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class TokenUsage:
    """Tokens of one answer; `input_tokens` counts the cached ones too. `exact`: the provider said so."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    exact: bool

    @property
    def counted(self) -> CountedTokens:
        return {
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "output_tokens": self.output_tokens,
        }


def usage_of(said: Any) -> TokenUsage | None:
    """The provider's own count, out of the `usage` of its answer (a mapping, or the client's object).

    None where it does not say how many tokens it read and wrote: then they are counted here. Thinking that a provider
    lists beside the answer's tokens is paid for like the answer.
    """
    asked, written = _number(said, "prompt_tokens"), _number(said, "completion_tokens")
    if asked is None or written is None:
        return None
    cached = _number(_field(said, "prompt_tokens_details"), "cached_tokens") or 0
    thought = _number(_field(said, "completion_tokens_details"), "reasoning_tokens") or 0
    together = _number(said, "total_tokens") or 0
    beside = min(thought, max(0, together - asked - written))
    return TokenUsage(asked, min(cached, asked), min(written + beside, MOST_TOKENS), exact=True)


def usage_in(refusal: httpx.Response) -> TokenUsage | None:
    """What an error answer says was used all the same; its body was read before."""
    try:
        body = refusal.json()
    except (ValueError, RecursionError, httpx.StreamError):
        return None
    return usage_of(body.get("usage")) if isinstance(body, dict) else None


def _field(said: Any, name: str) -> Any:
    return said.get(name) if isinstance(said, Mapping) else getattr(said, name, None)


def _number(said: Any, name: str) -> int | None:
    value = _field(said, name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, MOST_TOKENS)
