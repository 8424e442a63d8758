"""Counts tokens as OpenAI bills them, without a network.

tiktoken downloads its tables at run time; litellm carries the same files, so tiktoken is pointed at those (tiktoken
checks their hash).
"""

from __future__ import annotations

import codecs
import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import tiktoken

O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""The name tiktoken gives o200k_base in its cache: the sha1 of the table's address."""

PER_MESSAGE = 3
PER_NAME = 1
REPLY_PRIMING = 3
VOCABULARY = 200_000


def vendored_tables() -> Path:
    """The folder of token tables inside litellm. Raises RuntimeError, with the fix, where it is missing."""
    spec = importlib.util.find_spec("litellm")
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" if spec and spec.origin else None
    if folder is None or not (folder / O200K_FILE).is_file():
        raise RuntimeError(
            "tests/scripted_provider/tokens.py: litellm's token table o200k_base is not installed, so tokens cannot be counted. "
            "Install the pinned requirements again: pip install -r requirements.txt"
        )
    return folder


@lru_cache(maxsize=1)
def encoding() -> tiktoken.Encoding:
    """The o200k_base encoding that gpt-4o and gpt-4.1 share. Takes about half a second the first time."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(vendored_tables())
    import tiktoken  # after the line above: tiktoken reads it

    return tiktoken.get_encoding("o200k_base")


def encode(text: str) -> list[int]:
    """Token ids of plain text; text that looks like a special token counts as text."""
    return encoding().encode(text, disallowed_special=())


def pieces(ids: Iterable[int]) -> list[str]:
    """One string a token, together exactly the text: a character spread over several tokens comes with its last one."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    table = encoding()
    return [decoder.decode(table.decode_single_token_bytes(token)) for token in ids]


def count_messages(messages: Iterable[tuple[str, str, str]]) -> int:
    """Prompt tokens of (role, name or "", content) triples, by the OpenAI cookbook's rule (3 a message, 1 a name, 3 for
    the reply)."""
    total = REPLY_PRIMING
    for role, name, content in messages:
        total += PER_MESSAGE + len(encode(role)) + len(encode(content))
        if name:
            total += PER_NAME + len(encode(name))
    return total
