"""Counts tokens as OpenAI bills them, without a network: tiktoken, pointed at the tables that litellm ships.

litellm itself is never imported (it is slow and goes to the network); tiktoken checks the tables' hash.
"""

import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

ENCODING = "o200k_base"  # gpt-4o and gpt-4.1
PER_MESSAGE = 4  # its frame and its role; OpenAI's cookbook, "How to count tokens"
PER_REPLY = 3


@cache
def _encoding() -> Any:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "litellm is not installed: install requirements.txt again, its token tables are needed."
        )
    os.environ["TIKTOKEN_CACHE_DIR"] = str(
        Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    )
    import tiktoken

    return tiktoken.get_encoding(ENCODING)


def count(text: str) -> int:
    """Tokens of a text; special tokens in it count as ordinary text, half of a surrogate pair as a replacement sign."""
    return len(_encoding().encode(text, disallowed_special=()))


def count_request(texts: list[str], response_format: Any) -> int:
    """Tokens of a request: of its messages, the system's among them, and of the form that the answer must have."""
    wanted = count(json.dumps(response_format)) if response_format is not None else 0
    return PER_REPLY + wanted + sum(PER_MESSAGE + count(text) for text in texts)
