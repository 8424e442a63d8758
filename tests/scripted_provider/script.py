"""What the scripted provider says: the same words to everybody, in the fields that a request asks for."""

from __future__ import annotations

import json
import re
from typing import Any

SENTENCE = "Um, I think it is three! I counted it on my fingers."
REASON = "The teacher asks something, and a child answers."
INSTRUCTION = (
    "You are a child in second grade who answers a teacher. Read the question, think of what a seven-year-old would know, and "
    "answer in one or two short sentences with easy words. Say how you found it out, for example by counting on your fingers, "
    "and say so when you are not sure. Never use grown-up words, never explain like a teacher, and never offer more help. "
    "If the teacher asks about something that second grade does not cover, guess as a child would and say that you are "
    "guessing. If the teacher corrects you, take it up and try once more in your own words. Speak of your family, your class "
    "and your pets where it fits, and end where a child would end."
)
"""As long as those that models write when an optimiser asks for one; what is described to it is as long, too."""
DESCRIBES = re.compile(r"observation|summary|description|feedback|analysis|critique|notes|rules|trajectory")
NUMBERED_FIELD = re.compile(r"^\d+\. `(\w+)` \((.*?)\):", re.MULTILINE)
WRITES_INSTRUCTIONS = re.compile(r"write a new instruction|within ``` blocks", re.IGNORECASE)
BY_TYPE: dict[str, Any] = {"int": 1, "float": 0.5, "bool": True, "integer": 1, "number": 0.5, "boolean": True}


def reply(messages: list[tuple[str, str]], response_format: dict[str, Any] | None) -> str:
    """The whole text of a completion. `messages`: role and text of each."""
    system = "\n".join(text for role, text in messages if role in ("system", "developer"))
    if "Your output fields are:" in system:  # as DSPy's adapters write it
        return _fields(system)
    if (response_format or {}).get("type") in ("json_object", "json_schema"):
        schema = ((response_format or {}).get("json_schema") or {}).get("schema") or {}
        named = schema.get("properties") or {"answer": {}}
        return json.dumps({name: _value(name, str(part.get("type", "str"))) for name, part in named.items()})
    if WRITES_INSTRUCTIONS.search(messages[-1][1]):
        return f"```\n{INSTRUCTION}\n```"
    return SENTENCE


def _fields(system: str) -> str:
    head = system.partition("your objective is:")[0]
    wanted = head.partition("Your output fields are:")[2].partition("All interactions will be structured")[0]
    values = {name: _value(name, kind) for name, kind in NUMBERED_FIELD.findall(wanted)}
    if "Outputs will be a JSON object" in head:
        return json.dumps(values)
    parts = [f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()]
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])


def _value(name: str, kind: str) -> Any:
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if kind.startswith("Literal"):
        return re.findall(r"['\"]([^'\"]*)['\"]", kind)[0]
    if kind.lower().startswith(("list", "array")):
        return [SENTENCE]
    if kind.lower().startswith(("dict", "object")):
        return {"answer": SENTENCE}
    if "reason" in name or "thought" in name:
        return REASON
    return INSTRUCTION if "instruction" in name or DESCRIBES.search(name) else SENTENCE
