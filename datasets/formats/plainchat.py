"""The fast path: a line that is a plain chat row without any fault, decided in one go; all else takes the long way.

msgspec checks roles, keys and types while it decodes. That no key is there twice or unknown follows from counting: every key is
followed at once by a colon, and there are as many as one for the row and two for each turn.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Literal, TypedDict

import msgspec

from datasets.formats.rows import Limits, Message, Row


def plain_chat_reader(limits: Limits) -> Callable[[int, bytes], Row | None]:
    """A function (line number, line) -> its row, or None where the line is anything but a faultless plain chat row."""

    class Turn(TypedDict):
        role: Literal["system", "user", "assistant"]
        content: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.max_turn_chars)]

    class Chat(TypedDict):
        messages: Annotated[list[Turn], msgspec.Meta(min_length=2, max_length=limits.max_turns)]

    decode = msgspec.json.Decoder(Chat).decode

    def read(number: int, line: bytes) -> Row | None:
        try:
            turns: list[Message] = decode(line)["messages"]  # type: ignore[assignment]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if b"\t" in line or b"\r" in line or b"\n" in line or b" :" in line:  # blanks may stand before a colon
            return None
        if line.count(b'":') != 1 + 2 * len(turns) or (b"\\" in line and b"\\u0000" in line):
            return None
        if not speaks_in_turn("".join([turn["role"][0] for turn in turns])):
            return None
        for turn in turns:
            content = turn["content"]
            if content.strip() != content:
                return None
        return Row(line=number, messages=turns)

    return read


@lru_cache(maxsize=4096)
def speaks_in_turn(initials: str) -> bool:
    """Whether the roles (s, u, a) are: system or not, then user and assistant in turn, the assistant last."""
    spoken = initials.removeprefix("s")
    return len(spoken) >= 2 and spoken == "ua" * (len(spoken) // 2)
