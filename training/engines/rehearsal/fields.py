"""Fills the fields that a DSPy signature or a JSON schema asks for, each by what its name and type say it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rehearsal import answers, proposals, voice
from rehearsal.prompts import ANSWER_NAMES, OutputField, Reading, best_name, is_reason
from rehearsal.words import Index, terms

if TYPE_CHECKING:
    from rehearsal.answers import Taught
    from rehearsal.words import Chance

INSTRUCTION_NAMES = re.compile(r"instruction|advice|prompt_template|new_prompt|proposed")
DESCRIBING_NAMES = re.compile(
    r"observation|summary|description|discussion|feedback|analysis|critique|explanation|notes|rules"
)
JUDGED_NAMES = ("student_response", "response", "answer", "output", "prediction", "reply")
SCALE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-|–|to|and)\s*(\d+(?:\.\d+)?)")
WHOLE = ("int",)
REAL = ("float",)
GEPA_REQUEST = re.compile(r"write a new instruction|within ``` blocks", re.IGNORECASE)

Value = str | int | float | bool | list[str] | dict[str, str]


def complete(reading: Reading, trained: Taught, chance: Chance) -> str:
    """The whole text of a completion, in the form the request wants."""
    if reading.form == "text":
        if GEPA_REQUEST.search(reading.question):
            return f"```\n{proposals.propose(reading.question, chance)}\n```"
        return answers.answer(reading, trained, chance)
    values = fill(reading, trained, chance)
    if reading.form == "json":
        return json.dumps(values, ensure_ascii=False)
    parts = [f"[[ ## {name} ## ]]\n{as_text(value)}" for name, value in values.items()]
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])


def as_text(value: Value) -> str:
    """A value as a section of a ChatAdapter answer shows it."""
    return value if isinstance(value, str) else str(value) if isinstance(value, bool) else json.dumps(value)


def fill(reading: Reading, trained: Taught, chance: Chance) -> dict[str, Value]:
    """A value for every output field, in order."""
    told = [out.name for out in reading.outputs if out.type == "str" and not special(out.name)]
    main = best_name(told, ANSWER_NAMES) if told else ""
    return {out.name: value_of(out, reading, trained, chance, main=out.name == main) for out in reading.outputs}


def special(name: str) -> bool:
    """Whether a text field is something other than an answer to a teacher."""
    low = name.lower()
    return is_reason(name) or bool(INSTRUCTION_NAMES.search(low)) or bool(DESCRIBING_NAMES.search(low))


def value_of(out: OutputField, reading: Reading, trained: Taught, chance: Chance, *, main: bool) -> Value:
    """One field's value: by type where that is not text, else by name."""
    kind = out.type.replace("typing.", "").removeprefix("Optional[").removesuffix(" | None").strip()
    low, everything = out.name.lower(), "\n".join((reading.instructions, *reading.inputs.values(), reading.question))
    if kind.startswith("Literal"):
        return literal(kind, reading)
    if kind in (*WHOLE, *REAL, "bool"):
        return judged(out, kind, reading)
    if kind.lower().startswith(("list", "tuple", "set")):
        return [
            proposals.propose(everything, chance)
            if INSTRUCTION_NAMES.search(low)
            else answers.answer(reading, trained, chance)
        ]
    if kind.lower().startswith("dict"):
        names = re.findall(r"[\"']([\w.]+)[\"']", reading.inputs.get("module_names", "")) or ["answer"]
        return {name: proposals.propose(f"{everything}{name}", chance) for name in names}
    if is_reason(out.name):
        return reasoning(reading, trained)
    if INSTRUCTION_NAMES.search(low):
        return proposals.propose(everything, chance)
    if DESCRIBING_NAMES.search(low):
        return proposals.describe(everything)
    return answers.answer(reading, trained, chance) if main else reading.question


def reasoning(reading: Reading, trained: Taught) -> str:
    """A sentence on how the answer comes about, which is true of this provider."""
    topic = " ".join(dict.fromkeys(terms(reading.question))) or "this"
    known = trained.index.search(reading.question, most=1) or Index(reading.examples).search(reading.question, most=1)
    if known and known[0].likeness >= answers.ALIKE:
        return f'The teacher asks about {topic}. I was shown something like it: "{known[0].exchange.question}"'
    manner = "like a second-grader" if "child" in voice.cues_in(reading.instructions) else "helpfully"
    return f"The teacher asks about {topic}. I answer {manner}."


def judged(out: OutputField, kind: str, reading: Reading) -> Value:
    """A judge's figure: how child-like and how much to the point the judged text is, on the scale its description
    names."""
    name = best_name(list(reading.inputs), JUDGED_NAMES)
    text = reading.inputs.get(name, reading.question)
    share = 0.7 * voice.plainness([text]) + 0.3 * relevance(text, reading)
    share = 0.0 if voice.LEAKS.search(text) else share
    if kind == "bool":
        return share >= 0.5
    scale = SCALE.search(out.description) or SCALE.search(reading.instructions)
    low, high = (float(scale[1]), float(scale[2])) if scale else (0.0, 1.0 if kind == "float" else 10.0)
    figure = low + share * (high - low)
    return round(figure) if kind == "int" else round(figure, 3)


def relevance(text: str, reading: Reading) -> float:
    """The share of the other inputs' topic words that a text takes up, at most 1."""
    about = {term for value in reading.inputs.values() if value != text for term in terms(value)}
    return min(1.0, 3 * len(about & set(terms(text))) / len(about)) if about else 0.0


def literal(kind: str, reading: Reading) -> str:
    """One of a Literal's choices: one the judged text names, else the first for plain text, the last for adult."""
    names: list[str] = [one or other for one, other in re.findall(r"'([^']*)'|\"([^\"]*)\"", kind)]
    text = reading.inputs.get(best_name(list(reading.inputs), JUDGED_NAMES), reading.question)
    mentioned = [name for name in names if name.lower() in text.lower()]
    return (mentioned or names or [""])[0 if mentioned or voice.plainness([text]) >= 0.5 else -1]
