"""Token counts as OpenAI's models count them, without a network."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datasets.services.openai_tokens import encoding

TOKENS_PER_MESSAGE = 3  # the frame of a chat message; OpenAI's cookbook, "How to count tokens"
TOKENS_PER_REPLY = 3


def count_text(text: str) -> int:
    """Tokens of a text; special tokens in it count as ordinary text."""
    return len(encoding().encode(text, disallowed_special=()))


def count_messages(messages: Iterable[Mapping[str, Any]]) -> int:
    """Tokens of a chat request's messages, the frame of the reply included."""
    return TOKENS_PER_REPLY + sum(
        TOKENS_PER_MESSAGE
        + count_text(str(message["role"]))
        + count_text(str(message["content"]))
        for message in messages
    )


def count_training_file(path: Path) -> int:
    """Tokens that one epoch over a file of engine rows trains on, as OpenAI's cookbook counts them."""
    return sum(count_training_rows(path))


def count_training_rows(path: Path) -> list[int]:
    """The same, of each row."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return [count_messages(row["messages"]) - TOKENS_PER_REPLY for row in rows]
