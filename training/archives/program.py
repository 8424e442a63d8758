"""A DSPy program from outside, read field by field and written again. Pure: it runs in the child that reads an archive.

DSPy's `load_state` sets whatever stands in a predictor's state as an attribute of it: `config: {"n": 7}` made seven paid
calls a question. So a program is what is named here, and anything else in the file is refused by its name.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from training.program_design import Design

MOST_ANSWER_TOKENS = 4_000
HOTTEST = 2.0
CUSTOM_TYPE = "<<CUSTOM-TYPE-"
MOST_TEXT = 20_000
Text = Annotated[str, Meta(max_length=MOST_TEXT)]
Words = Annotated[str, Meta(max_length=300)]


class ProgramRefused(Exception):
    """This is no program that may be used here. `field`: where; the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


Demo = dict[Words, Any]
"""One demonstration: the program's inputs and what it answered, by the names of its design; and DSPy's `augmented`."""
AUGMENTED = "augmented"


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


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The steps, by the names of their predictors: one that thinks first or one that does not, and perhaps a second one."""

    thinking: Predictor | None = msgspec.field(name="chain.predict", default=None)
    plain: Predictor | None = msgspec.field(name="chain", default=None)
    simplify: Predictor | None = None

    def steps(self) -> dict[str, Predictor]:
        found = {"chain.predict": self.thinking, "chain": self.plain, "simplify": self.simplify}
        return {name: step for name, step in found.items() if step is not None}


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: Literal["none", "instructions", "history", "field"]
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
    design: Design = Design()

    def trouble(self) -> tuple[str, str] | None:
        """The place and the reason of what msgspec does not see; None where all is well."""
        if why := self.design.trouble():
            return "design", why
        steps = self.state.steps()
        if set(steps) != self.design.steps:
            return (
                "state",
                f"The steps of such a program are {', '.join(sorted(self.design.steps))}.",
            )
        for name, step in steps.items():
            for demo in step.demos:
                if (key := self._foreign(demo)) is not None:
                    return (
                        f"state.{name}.demos",
                        f"{key!r} is no field of this program, or no text of at most {MOST_TEXT}.",
                    )
        return None

    def _foreign(self, demo: Demo) -> str | None:
        for key, value in demo.items():
            if key == AUGMENTED and isinstance(value, bool):
                continue
            if (
                key not in self.design.texts
                or not isinstance(value, str)
                or len(value) > MOST_TEXT
            ):
                return key
        return None


def read_program(text: bytes) -> Program:
    """Raises ProgramRefused with the field's place."""
    try:
        program = msgspec.json.decode(text, type=Program)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        said, _, place = str(wrong).partition(" - at ")
        raise ProgramRefused(place.strip("`") or "$", f"{said}.") from wrong
    if (trouble := program.trouble()) is not None:
        raise ProgramRefused(*trouble)
    if CUSTOM_TYPE.encode() in msgspec.json.encode(program):
        raise ProgramRefused("state", "It holds one of DSPy's custom types. Only text is taken.")
    return program


def document(program: Program, *, model: str, base_url: str, local: bool = False) -> bytes:
    """`program.json` as the program server reads it, asking `model` at `base_url`. `local`: the model server here."""
    plain = msgspec.to_builtins(program)
    for step in plain["state"].values():
        step["lm"] = None
    ours = {"model": model, "base_url": base_url, "local": local, **plain["serving"]}
    return msgspec.json.format(msgspec.json.encode({**plain, "serving": ours}), indent=1)
