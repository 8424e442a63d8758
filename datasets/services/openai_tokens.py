"""OpenAI's token table without a network: tiktoken with the tables that litellm ships.

litellm itself is never imported (4 s, 120 MB, and it goes to the network); only its files are read. tiktoken checks their hash.
"""

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

ENCODING = "o200k_base"  # gpt-4o and gpt-4.1


class TokenTableMissing(Exception):
    """The vendored table is not where litellm 1.x keeps it."""


@cache
def encoding() -> "tiktoken.Encoding":
    """Raises TokenTableMissing."""
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
