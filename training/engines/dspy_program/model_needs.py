"""What some of OpenAI's models ask of a request. Pure.

gpt-5 and the o-models think before they answer, and are refused by DSPy and by OpenAI with another temperature than 1 or
with room for too few tokens (their thinking counts); the room is sent as `max_completion_tokens`.
"""

import re

REASONING = re.compile(
    r"(?:o[1345](?:-(?:mini|nano|pro))?(?:-\d{4}-\d{2}-\d{2})?|gpt-5(?:\.\d+)*(?!-chat)(?:-.*)?)",
    re.IGNORECASE,
)
TEMPERATURE = 1.0
FEWEST_TOKENS = 16_000


def thinks_first(model: str) -> bool:
    """Whether `model` is one of these, by its name."""
    return REASONING.fullmatch(model) is not None


def fitting(model: str, temperature: float, max_tokens: int) -> tuple[float, int]:
    """Temperature and longest answer (in tokens) as `model` takes them."""
    if not thinks_first(model):
        return temperature, max_tokens
    return TEMPERATURE, max(max_tokens, FEWEST_TOKENS)
