"""Reads a chat request: who is asked what, which examples are shown, and which fields the answer must have.

Understands plain chats, chats with few-shot turns, examples written into the instructions ("Teacher: … Student: …"),
and the formats of DSPy's ChatAdapter (`[[ ## field ## ]]` sections) and JSONAdapter (a JSON object).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rehearsal.rows import Exchange

MARKER = re.compile(r"^[ \t]*\[\[ ## (\w+) ## \]\][ \t]*", re.MULTILINE)
NUMBERED_FIELD = re.compile(r"^\d+\. `(\w+)` \((.*?)\):[ \t]*(.*)$", re.MULTILINE)
WRITTEN_EXAMPLE = re.compile(
    r"^[ \t\-*#]*(?:teacher|user|question|q|human)[ \t]*:[ \t]*(\S.*)\n"
    r"[ \t\-*#]*(?:student|assistant|answer|a|child|bot)[ \t]*:[ \t]*(\S.*)$",
    re.MULTILINE | re.IGNORECASE,
)
QUESTION_NAMES = ("teacher_prompt", "question", "prompt", "query", "message", "teacher", "instruction", "input", "text")
ANSWER_NAMES = ("student_response", "response", "answer", "reply", "student", "output", "completion", "text", "message")
REASON_NAMES = ("reasoning", "rationale", "thought", "thinking")
ABSENT = "Not supplied for this particular example."


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a request, its text parts joined."""

    role: str
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class OutputField:
    """A field the answer must have. `type` is Python's name for it ("str", "int", "list[str]", ...)."""

    name: str
    type: str = "str"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request asks. `form` is "text", "sections" (ChatAdapter) or "json"; `inputs` are its own fields."""

    question: str
    instructions: str
    examples: tuple[Exchange, ...]
    earlier: tuple[Exchange, ...] = ()
    form: str = "text"
    outputs: tuple[OutputField, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)


def read(messages: list[Message], response_format: dict[str, Any] | None = None) -> Reading:
    """Reads a whole request; there must be at least one message."""
    system = "\n".join(m.text for m in messages if m.role in ("system", "developer"))
    spoken = [m for m in messages if m.role in ("user", "assistant")]
    asked = next((m.text for m in reversed(spoken) if m.role == "user"), spoken[-1].text if spoken else system)
    turns = [(a.text, b.text) for a, b in pairwise(spoken) if (a.role, b.role) == ("user", "assistant")]
    if "Your output fields are:" in system:
        return read_fields(system, asked, turns)
    written = written_examples(system)
    kind = (response_format or {}).get("type", "text")
    return Reading(
        question=asked,
        instructions=WRITTEN_EXAMPLE.sub("", system),
        examples=written,
        earlier=tuple(Exchange(*turn) for turn in turns),
        form="json" if kind in ("json_object", "json_schema") else "text",
        outputs=schema_fields(response_format or {}),
    )


def schema_fields(response_format: dict[str, Any]) -> tuple[OutputField, ...]:
    """The properties a JSON schema asks for; one field "answer" where there is no schema."""
    schema = (response_format.get("json_schema") or {}).get("schema") or {}
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return (OutputField("answer"),)
    return tuple(
        OutputField(name, python_type(part), str(part.get("description", ""))) for name, part in properties.items()
    )


def python_type(schema: dict[str, Any]) -> str:
    """A JSON schema's type by its Python name."""
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    names = {"integer": "int", "number": "float", "boolean": "bool", "array": "list[str]", "object": "dict[str, str]"}
    return names.get(str(schema.get("type")), "str")


def read_fields(system: str, asked: str, turns: list[tuple[str, str]]) -> Reading:
    """Reads a DSPy request of either adapter."""
    head, _, objective = system.partition("your objective is:")
    outputs_text = head.partition("Your output fields are:")[2].partition("All interactions will be structured")[0]
    outputs = tuple(OutputField(*found) for found in NUMBERED_FIELD.findall(outputs_text))
    form = "json" if "Outputs will be a JSON object" in head else "sections"
    inputs = sections(asked.partition("\nRespond with ")[0])
    question_name = best_name(list(inputs), QUESTION_NAMES)
    answer_name = best_name([out.name for out in outputs], ANSWER_NAMES)
    shown = []
    for said, answered in turns:
        given, made = sections(said), sections(answered) or json_object(answered)
        answer = made.get(answer_name, "")
        if answer and not answer.startswith(ABSENT):
            shown.append(Exchange(given.get(question_name, said), answer))
    written = written_examples(objective)
    return Reading(
        question=inputs.get(question_name, asked),
        instructions=WRITTEN_EXAMPLE.sub("", objective).strip(),
        examples=(*written, *shown),
        earlier=history(inputs, question_name),
        form=form,
        outputs=outputs,
        inputs=inputs,
    )


def written_examples(text: str) -> tuple[Exchange, ...]:
    """The exchanges written out in a text, a line for the teacher and a line for the student."""
    return tuple(Exchange(asked.strip(), told.strip()) for asked, told in WRITTEN_EXAMPLE.findall(text))


def history(inputs: dict[str, str], question_name: str) -> tuple[Exchange, ...]:
    """What was said before, from a field that holds the conversation so far."""
    told = "\n".join(text for name, text in inputs.items() if name != question_name and "histor" in name.lower())
    return written_examples(told)


def sections(text: str) -> dict[str, str]:
    """The `[[ ## name ## ]]` sections of a text, without `completed`."""
    parts = MARKER.split(text)
    found = {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}
    found.pop("completed", None)
    return found


def json_object(text: str) -> dict[str, str]:
    """A JSON object's fields as text; empty where the text is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(part) for key, part in value.items()} if isinstance(value, dict) else {}


def best_name(names: list[str], preferred: tuple[str, ...]) -> str:
    """The name that comes first in a preference (whole, then as a part); else the last one; "" where there is none."""
    for wanted in preferred:
        if wanted in names:
            return wanted
    candidates = [name for name in names if not is_reason(name) and "histor" not in name.lower()]
    for wanted in preferred:
        for name in candidates:
            if wanted in name.lower():
                return name
    return (candidates or names or [""])[-1]


def is_reason(name: str) -> bool:
    """Whether a field holds the thinking before the answer."""
    return any(part in name.lower() for part in REASON_NAMES)
