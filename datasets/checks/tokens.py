"""Tokens per row: by the base model's own tokenizer where one is given, by an estimate that says so where not."""

from collections.abc import Callable, Sequence
from typing import Any

from datasets.formats import Row

CountTokens = Callable[[str], int]
CHARACTERS_PER_TOKEN = 4.0
PER_MESSAGE = 4
"""Tokens a chat template adds to each message, about."""


def tokens_of(row: Row, count: CountTokens | None = None) -> int:
    """Tokens of one row with its turns' frame; without a tokenizer a quarter of the characters, at least a word each."""
    total = 0
    for message in row.messages:
        text = message["content"]
        total += (
            count(text)
            if count
            else max(round(len(text.encode()) / CHARACTERS_PER_TOKEN), text.count(" ") + 1)
        )
        total += PER_MESSAGE
    return total


def tokens(
    rows: Sequence[Row], count: CountTokens | None = None, context: int | None = None
) -> dict[str, Any]:
    """{"total", "mean", "largest", "estimated", "context", "over_context": [line…]}"""
    sizes = [tokens_of(row, count) for row in rows]
    over = [
        row.line
        for row, size in zip(rows, sizes, strict=True)
        if context is not None and size > context
    ]
    return {
        "total": sum(sizes),
        "mean": round(sum(sizes) / len(sizes), 1) if sizes else 0.0,
        "largest": max(sizes, default=0),
        "estimated": count is None,
        "context": context,
        "over_context": over[:200],
        "over_context_count": len(over),
    }
