"""Rows back to the shapes of the three methods; what that loses; and a row's fingerprint."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from datasets.formats.plainchat import PlainRun
from datasets.formats.rows import Message, Row

CLASSROOM = {"user": "teacher", "assistant": "student"}
_encode = msgspec.json.Encoder(order="sorted").encode


class ConversionRefused(ValueError):
    """A row that can't be written in a shape at all (no student turn for an instruction, no pair for a preference)."""


def to_shape(row: Row, shape: str, *, labels: bool = True) -> dict[str, Any]:
    """The row as one object of `shape` ("dialogue", "messages", "instruction", "preference").

    Labels go under `metadata`, other keys back where they were; `labels=False` leaves both out (what a method trains
    on). Raises `ConversionRefused` where nothing sensible can be written; see `losses` for what is lost otherwise.
    """
    if (
        shape == "messages"
        and not (row.extra or row.labels)
        and row.messages
        and row.messages[-1]["role"] == "assistant"
    ):
        return {"messages": [dict(message) for message in row.messages]}
    writers = {
        "dialogue": _dialogue,
        "messages": _messages,
        "instruction": _instruction,
        "preference": _preference,
    }
    if shape not in writers:
        raise ConversionRefused(
            f"There is no shape “{shape}”. Choose one of {', '.join(writers)}."
        )
    written = writers[shape](row)
    return {**written, **_rest(row, written, shape)} if labels else written


def losses(row: Row, shape: str) -> list[str]:
    """What `to_shape(row, shape)` would lose, a phrase each; empty where reading it back gives the same row."""
    lost: list[str] = []
    roles = [message["role"] for message in row.messages]
    if row.non_preferred_output is not None and shape != "preference":
        lost.append("the rejected answer")
    if shape == "preference":
        return (
            lost
            if row.preferred_output is not None
            else [*lost, "everything: the row has no preferred and rejected answer"]
        )
    if row.input_suffix and shape != "instruction":
        lost.append("the border between instruction and input")
    if shape == "instruction":
        lost.extend(_instruction_losses(row, roles))
    if shape == "messages" and _answered(row) < len(roles):
        lost.append("the teacher's last turn, which nobody answers")
    if shape == "dialogue":
        lost.extend(_dialogue_losses(roles))
    if shape != "messages":
        lost.extend(_notes_lost(row))
    turns = row.extra.get("turns")
    if turns and (lost or shape == "instruction"):
        lost.append("notes on single turns")
    return lost


def _dialogue_losses(roles: list[str]) -> list[str]:
    lost = []
    if "system" in roles:
        lost.append("the description of the bot (system)")
    if "tool" in roles:
        lost.append("tool results")
    return lost


def _notes_lost(row: Row) -> list[str]:
    """What stands beside a message's text, and only the messages shape has a place for."""
    lost = []
    if any("weight" in message for message in row.messages):
        lost.append("training weights")
    beside = ("tool_calls", "function_call", "name")
    if any(key in message for message in row.messages for key in beside):
        lost.append("tool calls and speaker names")
    return lost


def _instruction_losses(row: Row, roles: list[str]) -> list[str]:
    lost = []
    if "system" in roles:
        lost.append("the description of the bot (system)")
    spoken = [role for role in roles if role != "system"]
    if spoken != ["user", "assistant"]:
        kept = 2 if _last_pair(row) else 0
        lost.append(
            f"{len(spoken) - kept} of {len(spoken)} turns: only the last question and answer stay"
        )
    return lost


def _rest(row: Row, written: dict[str, Any], shape: str) -> dict[str, Any]:
    rest = {
        key: value
        for key, value in row.extra.items()
        if key not in ("turns", "input") and key not in written
    }
    if shape == "instruction" and "input" in row.extra and "input" not in written:
        rest["input"] = row.extra["input"]
    metadata = rest.get("metadata", {})
    if not isinstance(metadata, dict):
        return {**rest, **row.labels}
    beside = {key: value for key, value in row.labels.items() if key in metadata}
    inside = {key: value for key, value in row.labels.items() if key not in metadata}
    if inside or metadata:
        rest["metadata"] = {**metadata, **inside}
    return {**rest, **beside}


def _turns(row: Row, messages: list[Message], *, restore: bool) -> list[dict[str, Any]]:
    notes = row.extra.get("turns", {}) if restore else {}
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        turn: dict[str, Any] = dict(message)
        note = notes.get(str(index), {})
        turn.update({key: value for key, value in note.items() if key != "content"})
        if isinstance(note.get("content"), dict):
            turn["content"] = {"text": message["content"], **note["content"]}
        turns.append(turn)
    return turns


def _messages(row: Row) -> dict[str, Any]:
    answered = row.messages[: _answered(row)]
    if not answered:
        raise ConversionRefused(
            "The student never speaks in this row, so there is nothing to train on."
        )
    return {"messages": _turns(row, answered, restore=True)}


def _answered(row: Row) -> int:
    """How many messages there are up to the student's last: the messages shape must end with the student."""
    last = (
        index
        for index in range(len(row.messages), 0, -1)
        if row.messages[index - 1]["role"] == "assistant"
    )
    return next(last, 0)


def _dialogue(row: Row) -> dict[str, Any]:
    plain = all(message["role"] in CLASSROOM for message in row.messages)
    turns = []
    for turn in _turns(row, row.messages, restore=plain):
        if turn["role"] in CLASSROOM:
            kept = {
                key: value
                for key, value in turn.items()
                if key not in ("weight", "tool_calls", "function_call", "name")
            }
            turns.append({**kept, "role": CLASSROOM[turn["role"]]})
    if not turns:
        raise ConversionRefused(
            "The row has neither a teacher's nor a student's turn, so there is no dialogue in it."
        )
    return {"dialogue": turns}


def _last_pair(row: Row) -> tuple[str, str] | None:
    for index in range(len(row.messages) - 1, 0, -1):
        asked, answered = row.messages[index - 1], row.messages[index]
        if answered["role"] == "assistant" and asked["role"] == "user":
            return asked["content"], answered["content"]
    return None


def _instruction(row: Row) -> dict[str, Any]:
    pair = _last_pair(row)
    if pair is None:
        raise ConversionRefused(
            "No question of the teacher is followed by an answer, so there is no instruction in the row."
        )
    asked, answered = pair
    ending = f"\n\n{row.input_suffix}"
    if row.input_suffix and asked.endswith(ending) and len(asked) > len(ending):
        return {
            "instruction": asked.removesuffix(ending),
            "input": row.input_suffix,
            "output": answered,
        }
    return {"instruction": asked, "output": answered}


def _preference(row: Row) -> dict[str, Any]:
    if row.preferred_output is None or row.non_preferred_output is None:
        raise ConversionRefused(
            "The row has no preferred and rejected answer, so it can't teach a preference."
        )
    asked = row.messages[: len(row.messages) - len(row.preferred_output)]
    given: dict[str, Any] = {"messages": _turns(row, asked, restore=True)}
    if isinstance(row.extra.get("input"), dict):
        given = {**row.extra["input"], **given}
    return {
        "input": given,
        "preferred_output": [dict(message) for message in row.preferred_output],
        "non_preferred_output": [dict(message) for message in row.non_preferred_output],
    }


def write(rows: Iterable[Row], shape: str, *, labels: bool = True) -> Iterator[bytes]:
    """JSON lines (UTF-8, each ending in a line break), a row each. Raises `ConversionRefused`."""
    encode = msgspec.json.encode
    for row in rows:
        yield encode(to_shape(row, shape, labels=labels)) + b"\n"


def fingerprint(row: Row) -> str:
    """sha256 (hex) of what the row says, with labels and all it carries, but neither its line nor the shape it came
    in.
    """
    content: Any = row.messages
    if row.labels or row.extra or row.input_suffix or row.preferred_output is not None:
        answers = [row.preferred_output, row.non_preferred_output]
        content = [row.messages, row.labels, row.extra, row.input_suffix, answers]
    return hashlib.sha256(_encode(content)).hexdigest()


def plain_digests(run: PlainRun) -> list[bytes]:
    """The fingerprints of a run's rows, as bytes."""
    sha256 = hashlib.sha256
    return [sha256(text).digest() for text in map(_encode, run.chats)]


class VersionHash:
    """The content hash of rows in their order: sha256 over their fingerprints, fed as they come."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, fingerprints: bytes) -> None:
        """Fingerprints as bytes, one or many joined."""
        self._digest.update(fingerprints)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def version_hash(fingerprints: Iterable[str]) -> str:
    """The content hash of rows with these fingerprints (hex), in their order; see `VersionHash`."""
    digest = VersionHash()
    for value in fingerprints:
        digest.add(bytes.fromhex(value))
    return digest.hexdigest()
