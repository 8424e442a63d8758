"""How long the prompt of a saved DSPy program is, before anybody says anything to it."""

import json
from collections.abc import Iterator
from typing import Any

from training.services.tokens import count_text

# The words around a program's own, as DSPy's chat format lays them out; a test compares with the real layout.
FRAME_TOKENS = 400  # the fields, the layout, the form of the answer, and what is said before and after the question
DEMONSTRATION_TOKENS = 90  # the fields of one demonstration, in two messages
SERVED = ("state", "persona", "design")  # the other parts of the file are not sent


def most_tokens(text: str) -> int:
    """Tokens of `program.json`'s own words and of what DSPy puts around them. Raises ValueError where it is no JSON object."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("program.json is not an object")
    served = [document.get(name) for name in SERVED]
    words = sum(count_text(text) + 1 for text in _texts(served))
    return FRAME_TOKENS + DEMONSTRATION_TOKENS * _demonstrations(document.get("state")) + words


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif value is not None:
        yield str(value)


def _demonstrations(state: Any) -> int:
    parts = state.values() if isinstance(state, dict) else []
    demos = [part.get("demos") for part in parts if isinstance(part, dict)]
    return sum(len(found) for found in demos if isinstance(found, list))
