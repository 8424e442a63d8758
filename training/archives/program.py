"""A DSPy program from outside, read field by field and written again. Pure: it runs in the child that reads an archive.

DSPy's `load_state` sets whatever stands in a predictor's state as an attribute of it: `config: {"n": 7}` made seven paid
calls a question. So a program is what is named here, and anything else in the file is refused by its name.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MOST_ANSWER_TOKENS, HOTTEST = 4_000, 2.0
CUSTOM_TYPE = "<<CUSTOM-TYPE-"
Text = Annotated[str, Meta(max_length=20_000)]
Words = Annotated[str, Meta(max_length=300)]


class ProgramRefused(Exception):
    """This is no program that may be used here. `field`: where; the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Demo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One demonstration: the program's inputs and what it answered."""

    conversation_history: Text = ""
    teacher_prompt: Text = ""
    reasoning: Text = ""
    student_response: Text = ""
    augmented: bool = False


class SignatureField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prefix: Words
    description: Annotated[str, Meta(max_length=2_000)]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instructions: Text
    fields: Annotated[list[SignatureField], Meta(max_length=8)]


class Predictor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`traces`, `train` and `lm` stand in each saved program, always empty."""

    demos: Annotated[list[Demo], Meta(max_length=64)]
    signature: Signature
    traces: Annotated[list[Any], Meta(max_length=0)] = []
    train: Annotated[list[Any], Meta(max_length=0)] = []
    lm: None = None


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    predictor: Predictor = msgspec.field(name="chain.predict")


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: Literal["none", "instructions", "history"]
    text: Text = ""


class Serving(msgspec.Struct, frozen=True):
    """Its model and address are not read: the platform's own stand in the program that is kept."""

    temperature: Annotated[float, Meta(ge=0, le=HOTTEST)]
    max_tokens: Annotated[int, Meta(ge=1, le=MOST_ANSWER_TOKENS)]


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    state: State
    persona: Persona
    serving: Serving
    dspy_version: Annotated[str, Meta(max_length=40)] = ""


def read_program(text: bytes) -> Program:
    """Raises ProgramRefused with the field's place."""
    try:
        program = msgspec.json.decode(text, type=Program)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        said, _, place = str(wrong).partition(" - at ")
        raise ProgramRefused(place.strip("`") or "$", f"{said}.") from wrong
    if CUSTOM_TYPE.encode() in msgspec.json.encode(program):
        raise ProgramRefused("state", "It holds one of DSPy's custom types. Only text is taken.")
    return program


def document(program: Program, *, model: str, base_url: str) -> bytes:
    """`program.json` as the program server reads it, asking `model` at `base_url`."""
    plain = msgspec.to_builtins(program)
    predictor = plain["state"]["chain.predict"]
    predictor["lm"] = None
    ours = {"model": model, "base_url": base_url, **plain["serving"]}
    return msgspec.json.format(msgspec.json.encode({**plain, "serving": ours}), indent=1)
