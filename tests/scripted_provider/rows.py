"""Reads training files the way OpenAI's file check does, and counts what is in them.

A supervised row is `{"messages": [...]}`; a preference (DPO) row is `{"input": {"messages": [...]}, "preferred_output":
[one assistant message], "non_preferred_output": [one]}`. Messages: role system, user, assistant or tool; `weight` 0 or
1 on assistant messages only; the last message is the assistant's. At least ten rows to train on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

ROLES = frozenset({"system", "user", "assistant", "tool"})
MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"}
)
SUPERVISED_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
PREFERENCE_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
MIN_ROWS = 10
TOO_FEW = "invalid_n_examples"
SHOWN_PROBLEMS = 5
LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row: (role, name, text) of its messages, for counting tokens."""

    messages: tuple[tuple[str, str, str], ...]


@dataclass(slots=True)
class TrainingFile:
    """What reading a file found. `kind` is "supervised", "dpo" or "" (no good row); `code` and `problems` are empty for
    a good file."""

    rows: list[Row] = field(default_factory=list)
    kind: str = ""
    problems: list[str] = field(default_factory=list)
    code: str = ""

    @property
    def message(self) -> str:
        """The problems in one sentence or more, as OpenAI words them; "" for a good file."""
        shown = " ".join(self.problems[:SHOWN_PROBLEMS])
        more = len(self.problems) - SHOWN_PROBLEMS
        return f"{shown} (and {more} more)" if more > 0 else shown


class BadRow(Exception):
    """A row OpenAI would refuse; the message says why."""


def read_training_file(content: bytes) -> TrainingFile:
    """Checks a whole JSONL file. Never raises: what is wrong is in `problems`, with a `code` of OpenAI's."""
    found = TrainingFile()
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        return TrainingFile(problems=[f"The file is not UTF-8 text (byte {error.start})."], code="invalid_file_format")
    kinds: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kind, row = read_row(line, number)
        except BadRow as problem:
            found.problems.append(str(problem))
            continue
        kinds.add(kind)
        found.rows.append(row)
    return judged(found, kinds)


def judged(found: TrainingFile, kinds: set[str]) -> TrainingFile:
    """Adds the checks that need the whole file: one kind of row, and enough of them."""
    if found.problems:
        found.code = "invalid_file_format"
    elif len(kinds) > 1:
        found.problems.append("The file mixes supervised rows (messages) with preference rows (preferred_output).")
        found.code = "invalid_file_format"
    elif len(found.rows) < MIN_ROWS:
        found.problems.append(f"File has {len(found.rows)} example(s), but must have at least {MIN_ROWS} examples.")
        found.code = TOO_FEW
    found.kind = kinds.pop() if len(kinds) == 1 else ""
    return found


def check_unicode(value: object, number: int) -> None:
    """Raises BadRow for half of a surrogate pair: JSON can write it, no text file can hold it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"Line {number}: half of a surrogate pair, which is not a character.") from error


def strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different (`json` silently keeps the last one)."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is given twice")
    return made


def refuse_constant(name: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError(f"{name} is not JSON")


def read_row(line: str, number: int) -> tuple[str, Row]:
    """One line -> ("supervised" | "dpo", row). Raises BadRow."""
    try:
        value = json.loads(line, object_pairs_hook=strict_object, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRow(
            f"Expected file to have JSONL format, where every line is a valid JSON dictionary. Line {number}: {error}."
        ) from error
    if LONE_SURROGATE.search(line):
        check_unicode(value, number)
    if not isinstance(value, dict):
        raise BadRow(
            "Expected file to have JSONL format, where every line is a valid JSON dictionary. "
            f"Line {number} is not a dictionary."
        )
    if "messages" in value:
        refuse_unknown(value, SUPERVISED_KEYS, f"Line {number}")
        return "supervised", supervised_row(value["messages"], number)
    if "preferred_output" in value:
        refuse_unknown(value, PREFERENCE_KEYS, f"Line {number}")
        return "dpo", preference_row(value, number)
    raise BadRow(f"Line {number}: missing required key 'messages'.")


def refuse_unknown(value: dict[str, Any], known: frozenset[str], where: str) -> None:
    """Raises BadRow for a key OpenAI does not know."""
    unknown = sorted(set(value) - known)
    if unknown:
        raise BadRow(f"{where}: unrecognized key(s) {', '.join(map(repr, unknown))}.")


def supervised_row(messages: object, number: int) -> Row:
    """A row of messages whose last is the assistant's and is trained on somewhere."""
    checked = checked_messages(messages, f"Line {number}")
    if checked[-1]["role"] != "assistant":
        raise BadRow(f"Line {number}: the last message must be from the assistant.")
    if not any(is_trained(message) for message in checked):
        raise BadRow(f"Line {number}: no assistant message with a weight other than 0.")
    return Row(messages=as_triples(checked))


def preference_row(value: dict[str, Any], number: int) -> Row:
    """A row for DPO: the input's messages and two assistant answers to them."""
    wrapper = value.get("input")
    if not isinstance(wrapper, dict) or "messages" not in wrapper:
        raise BadRow(f"Line {number}: 'input' must be an object with 'messages'.")
    asked = checked_messages(wrapper["messages"], f"Line {number}, input")
    answers = []
    for key in ("preferred_output", "non_preferred_output"):
        output = checked_messages(value.get(key), f"Line {number}, {key}")
        if len(output) != 1 or output[0]["role"] != "assistant":
            raise BadRow(f"Line {number}: '{key}' must be one assistant message.")
        answers.append(output[0])
    return Row(messages=as_triples([*asked, *answers]))


def checked_messages(messages: object, where: str) -> list[Message]:
    """The messages, each checked. Raises BadRow."""
    if not isinstance(messages, list) or not messages:
        raise BadRow(f"{where}: 'messages' must be a list with at least one message.")
    for index, message in enumerate(messages):
        check_message(message, f"{where}, message {index}")
    return messages


def check_message(message: object, where: str) -> None:
    """Raises BadRow unless role, content and weight are as OpenAI wants them."""
    if not isinstance(message, dict):
        raise BadRow(f"{where}: not an object.")
    refuse_unknown(message, MESSAGE_KEYS, where)
    role = message.get("role")
    if role not in ROLES:
        raise BadRow(f"{where}: unrecognized role {role!r}; expected one of {', '.join(sorted(ROLES))}.")
    if "weight" in message:
        if role != "assistant":
            raise BadRow(f"{where}: 'weight' is allowed on assistant messages only.")
        if isinstance(message["weight"], bool) or message["weight"] not in (0, 1):
            raise BadRow(f"{where}: 'weight' must be 0 or 1.")
    if role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
        return
    check_content(message.get("content"), where)


def check_content(content: object, where: str) -> None:
    """Content is text, or a list of text parts, and says something."""
    if isinstance(content, list):
        good = all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content)
    else:
        good = isinstance(content, str)
    if not good:
        raise BadRow(f"{where}: 'content' must be a string or a list of text parts.")
    if not text_of({"content": content}).strip():
        raise BadRow(f"{where}: 'content' is empty.")


def text_of(message: Message) -> str:
    """The text of a message, whichever way it is written; "" for a tool call."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else ""


def as_triples(messages: list[Message]) -> tuple[tuple[str, str, str], ...]:
    """(role, name, text) of each message, for counting tokens."""
    return tuple((str(m["role"]), str(m.get("name") or ""), text_of(m)) for m in messages)


def is_trained(message: Message) -> bool:
    """Whether a message is one that the model learns to say."""
    return message["role"] == "assistant" and message.get("weight", 1) == 1 and bool(text_of(message))
