"""Token counts as OpenAI's models count them, without a network: tiktoken with the tables that litellm ships.

litellm itself is never imported (4 s, 120 MB, and it goes to the network); only its files are read. tiktoken checks their hash.
"""

import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tiktoken

TOKENS_PER_MESSAGE = 3  # the frame of a chat message; OpenAI's cookbook, "How to count tokens"
TOKENS_PER_REPLY = 3
ENCODING = "o200k_base"  # gpt-4o and gpt-4.1


class TokenTableMissing(Exception):
    """The vendored table is not where litellm 1.x keeps it."""


@cache
def _encoding() -> "tiktoken.Encoding":
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise TokenTableMissing(
            "litellm is not installed; install requirements.txt again: its token tables are needed."
        )
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    if not folder.is_dir():
        raise TokenTableMissing(
            f"No token tables in {folder}; install the litellm version that requirements.txt names."
        )
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken

    return tiktoken.get_encoding(ENCODING)


def count_text(text: str) -> int:
    """Tokens of a text; special tokens in it count as ordinary text."""
    return len(_encoding().encode(text, disallowed_special=()))


def count_messages(messages: Iterable[Mapping[str, Any]]) -> int:
    """Tokens of a chat request's messages, the frame of the reply included."""
    return TOKENS_PER_REPLY + sum(
        TOKENS_PER_MESSAGE + count_text(str(message["role"])) + count_text(str(message["content"]))
        for message in messages
    )


def count_training_file(path: Path) -> int:
    """Tokens that one epoch over a file of engine rows trains on, as OpenAI's cookbook counts them."""
    with path.open(encoding="utf-8") as lines:
        return sum(count_messages(json.loads(line)["messages"]) - TOKENS_PER_REPLY for line in lines if line.strip())
