"""An ordinary chat for small models: instruction = system message, demonstrations and history = turns, one answer.

DSPy's own layout asks for sections below `[[ ## name ## ]]`. A model of 135 million parameters does not follow it: 10 of
12 answers could not be read. It has learned to answer the last message of a chat, so that is what it is asked.
"""

import re
from collections.abc import Iterable
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from dspy_program.design import Design
from dspy_program.examples import NO_HISTORY

Message = dict[str, Any]
_SPOKEN = re.compile(r"^(Teacher|Student): ", re.MULTILINE)
_ABOUT = "About the student: "
_LABEL = re.compile(r"(?:student|child|me|answer|assistant) ?:\s*", re.IGNORECASE)
_NEXT_SPEAKER = re.compile(r"\n\s*(?:teacher|student|user|assistant) ?:", re.IGNORECASE)
MOST_DEMO_MESSAGES = (
    2  # of what was said before a demonstration: enough to know what "Really?" is about
)


class PlainChat(dspy.ChatAdapter):  # type: ignore[misc]  # DSPy ships no types
    """Lays out the calls of the student program of `design`; every other signature as DSPy does."""

    def __init__(self, design: Design) -> None:
        super().__init__(use_json_adapter_fallback=False)
        self._design = design

    def format(
        self, signature: Any, demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[Message]:
        """The messages of one call, each role in its turn."""
        if self._design.question not in signature.input_fields:
            formatted: list[Message] = super().format(signature, demos, inputs)
            return formatted
        about, history = self._said_before(inputs)
        system = "\n\n".join(
            part
            for part in (signature.instructions, *self._fixed(inputs), about)
            if part.strip()
        )
        messages: list[Message] = [{"role": "system", "content": system}]
        for demo in demos:
            messages += self._demonstration(demo)
        messages += [*history, {"role": "user", "content": str(inputs[self._design.question])}]
        return merged(messages)

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """The whole answer is the one output field. Raises AdapterParseError for an empty one."""
        if self._design.question not in signature.input_fields:
            parsed: dict[str, Any] = super().parse(signature, completion)
            return parsed
        answer = spoken(completion)
        if not answer:
            raise AdapterParseError(
                adapter_name="PlainChat",
                signature=signature,
                lm_response=completion,
                message="The answer is empty.",
            )
        return {self._design.answer: answer}

    def _demonstration(self, demo: dict[str, Any]) -> list[Message]:
        question, answer = demo.get(self._design.question), demo.get(self._design.answer)
        if not question or not answer:
            return []
        _, history = self._said_before(demo)
        told = [
            {"role": "user", "content": str(question)},
            {"role": "assistant", "content": str(answer)},
        ]
        return [*history[-MOST_DEMO_MESSAGES:], *told]

    def _said_before(self, inputs: dict[str, Any]) -> tuple[str, list[Message]]:
        """What stands about the child above the conversation, and the conversation as messages."""
        text = next(
            (
                str(inputs.get(one.name, ""))
                for one in self._design.inputs
                if one.source == "history"
            ),
            "",
        )
        return turns_of(text)

    def _fixed(self, inputs: dict[str, Any]) -> Iterable[str]:
        """The other fields, each below its description, for the system message."""
        for field in self._design.inputs:
            value = str(inputs.get(field.name, "")).strip()
            if field.source in ("persona", "text") and value:
                yield f"{field.description or field.name.replace('_', ' ')}: {value}"


def turns_of(history: str) -> tuple[str, list[Message]]:
    """`examples.format_history` read back: what stands above the talk, and its turns, teacher as user."""
    found = list(_SPOKEN.finditer(history))
    above = history[: found[0].start()] if found else history
    above = above.replace(NO_HISTORY, "").strip().removeprefix(_ABOUT)
    messages: list[Message] = []
    for place, match in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(history)
        role = "user" if match.group(1) == "Teacher" else "assistant"
        messages.append({"role": role, "content": history[match.end() : end].strip()})
    return above, [message for message in messages if message["content"]]


def merged(messages: list[Message]) -> list[Message]:
    """Neighbours of one role as one message: most chat templates want the roles to take turns."""
    kept: list[Message] = []
    for message in messages:
        if kept and kept[-1]["role"] == message["role"]:
            kept[-1] = {**message, "content": f"{kept[-1]['content']}\n{message['content']}"}
        else:
            kept.append(message)
    return kept


def spoken(completion: str) -> str:
    """What the child says in `completion`: no label before it, and nothing of a next speaker's turn."""
    text = completion.strip()
    label = _LABEL.match(text)
    text = text[label.end() :] if label else text
    return _NEXT_SPEAKER.split(text, maxsplit=1)[0].strip()


class PlainStream:
    """Shows a plain answer while it comes. What was shown is at every moment a beginning of what `spoken` gives."""

    def __init__(self) -> None:
        self.shown = ""
        self._text = ""

    def feed(self, text: str) -> str:
        """Take the next piece; the part that is now certain, often empty."""
        self._text += text
        certain = spoken(_without_open_end(self._text))
        if not certain.startswith(self.shown):
            return ""
        piece = certain[len(self.shown) :]
        self.shown = certain
        return piece


_LONGEST_LABEL = 24


def _without_open_end(text: str) -> str:
    """Without an end that may yet turn out to be a label: the first word, or a line that has just begun."""
    if len(text.strip()) < _LONGEST_LABEL and ":" not in text:
        return ""
    head, newline, line = text.rpartition("\n")
    return head if newline and len(line.strip()) < _LONGEST_LABEL else text
