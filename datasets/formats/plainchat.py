"""The fast path: many lines at once that are all plain chat rows without any fault; all else takes the long way.

msgspec checks roles, keys and types while it decodes. The rest is proved by counting over the whole text:
- every line is one row: each line break stands between `}` and `{`, where no row can be open, and there are as many rows;
- no key is there twice: keys are followed at once by a colon, there are as many as one a row and two a turn, none is unknown.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Literal

import msgspec

from datasets.formats.names import is_placeholder
from datasets.formats.rows import Limits, Row

_SPACED_KEY = re.compile(rb'"[ \t\r]+:')
_messages = attrgetter("messages")
_content = attrgetter("content")
_role = attrgetter("role")


class PlainTurn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One turn of a plain chat row: nothing but who speaks and what is said."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class PlainRun:
    """Plain chat rows on consecutive lines, the first of them on `first_line`. Cheaper to hold and to encode than `Row`s."""

    first_line: int
    chats: list[list[PlainTurn]]
    turns: int
    """Of the student, in all rows."""
    characters: int

    def __len__(self) -> int:
        return len(self.chats)

    def rows(self) -> Iterator[Row]:
        """The same as rows of the general kind."""
        for line, chat in enumerate(self.chats, self.first_line):
            yield Row(
                line=line,
                messages=[{"role": turn.role, "content": turn.content} for turn in chat],
            )


@lru_cache(maxsize=8)
def plain_chat_reader(
    limits: Limits,
) -> Callable[[int, Sequence[bytes | None]], PlainRun | None]:
    """A function (number of the first line, lines) -> their rows, or None where any line is not a faultless plain chat
    row.
    """

    class Turn(PlainTurn, forbid_unknown_fields=True, gc=False):
        content: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.max_turn_chars)]

    class Chat(msgspec.Struct, forbid_unknown_fields=True, gc=False):
        messages: Annotated[list[Turn], msgspec.Meta(min_length=2, max_length=limits.max_turns)]

    decode = msgspec.json.Decoder(Chat).decode_lines

    def read(first_line: int, lines: Sequence[bytes | None]) -> PlainRun | None:
        if not lines or None in lines:
            return None
        text = b"\n".join(lines)  # type: ignore[arg-type]  # no None in it
        if not (
            text.startswith(b"{")
            and text.endswith(b"}")
            and text.count(b"}\n{") == len(lines) - 1
        ):
            return None
        try:
            chats: list[list[PlainTurn]] = list(map(_messages, decode(text)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        turns = [turn for chat in chats for turn in chat]
        if len(chats) != len(lines) or not _says_each_key_once(
            text, len(chats) + 2 * len(turns)
        ):
            return None
        said = list(map(_content, turns))
        if any(map(is_placeholder, said)):
            return None
        if list(map(str.strip, said)) != said or not all(
            speaks_in_turn(tuple(map(_role, chat))) for chat in chats
        ):
            return None
        answers = list(map(_role, turns)).count("assistant")
        return PlainRun(first_line, chats, turns=answers, characters=len("".join(said)))

    return read


def _says_each_key_once(text: bytes, keys: int) -> bool:
    """Whether the text has `keys` keys; False too where the count proves nothing, and where a NUL may be in it."""
    if (b"\\" in text and b"\\u0000" in text) or (
        (b" :" in text or b"\t" in text or b"\r" in text) and _SPACED_KEY.search(text)
    ):
        return False
    found = text.count(b'":')
    return found == keys or found - text.count(b'\\":') == keys


@lru_cache(maxsize=4096)
def speaks_in_turn(roles: tuple[str, ...]) -> bool:
    """Whether there is one system turn at most, at the top, then user and assistant in turn, the assistant last."""
    spoken = roles[1:] if roles[:1] == ("system",) else roles
    return len(spoken) >= 2 and spoken == ("user", "assistant") * (len(spoken) // 2)
