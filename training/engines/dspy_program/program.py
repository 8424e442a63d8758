"""The prompt program that a team optimises: the module of its design, and its JSON on disk."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dspy

from dspy_program import design as design_files
from dspy_program.design import DRAFT, Design
from dspy_program.examples import Persona, Turn
from dspy_program.plain_chat import PlainChat

FILE_NAME = "program.json"


class StudentSimulationModel(dspy.Module):  # type: ignore[misc]  # DSPy ships no types
    """The student of a `Design`: one step (thinking first, if so declared), or an answer that is then made simpler."""

    def __init__(self, persona: Persona, design: Design | None = None) -> None:
        super().__init__()
        self.design = design or Design()
        instruction = self.design.instruction
        if persona.place == "instructions":
            instruction = f"{instruction}\n\nAbout the student: {persona.text}"
        step = dspy.ChainOfThought if self.design.reasoning else dspy.Predict
        self.chain = step(_signature(self.design, instruction))
        if self.design.chain == "answer_then_simplify":
            self.simplify = dspy.Predict(_simplifying(self.design))

    def forward(self, **inputs: str) -> Any:
        """A prediction with the design's answer field, and `reasoning` where it thinks first."""
        first = self.chain(**inputs)
        if self.design.chain == "answer":
            return first
        return self.simplify(**self._to_simplify(first, inputs))

    async def aforward(self, **inputs: str) -> Any:
        """As `forward`, awaited."""
        first = await self.chain.acall(**inputs)
        if self.design.chain == "answer":
            return first
        return await self.simplify.acall(**self._to_simplify(first, inputs))

    def _to_simplify(self, first: Any, inputs: dict[str, str]) -> dict[str, str]:
        return {self.design.question: inputs[self.design.question], DRAFT: str(first[DRAFT])}


SIMPLIFY = (
    "Say the first answer again as this second-grader would say it: in one or two short sentences of everyday words. Keep "
    "what it claims, the child's mistakes too."
)


def _signature(design: Design, instruction: str) -> Any:
    """The first step. With a second one its answer is a draft."""
    fields: dict[str, Any] = {}
    for field in design.inputs:
        fields[field.name] = (
            str,
            dspy.InputField(desc=field.description or field.name.replace("_", " ")),
        )
    name = DRAFT if design.chain == "answer_then_simplify" else design.answer
    fields[name] = (
        str,
        dspy.OutputField(desc=design.answer_description or "what the child says"),
    )
    return dspy.Signature(fields, instruction)


def _simplifying(design: Design) -> Any:
    fields = {
        design.question: (str, dspy.InputField(desc="what the teacher said")),
        DRAFT: (str, dspy.InputField(desc="what the child wants to say")),
        design.answer: (
            str,
            dspy.OutputField(desc=design.answer_description or "what the child says"),
        ),
    }
    return dspy.Signature(fields, SIMPLIFY)


@dataclass(frozen=True)
class Serving:
    """How the program was trained and is to be served: the LM and its decoding settings."""

    model: str
    base_url: str
    temperature: float
    max_tokens: int
    local: bool = False  # asked of the model server on this machine, not of a provider


@dataclass(frozen=True)
class SavedProgram:
    """A program read back from `program.json`."""

    module: StudentSimulationModel
    persona: Persona
    serving: Serving

    @property
    def design(self) -> Design:
        """What the program was declared to be."""
        found: Design = self.module.design
        return found


def adapter(design: Design) -> Any:
    """The one way prompts are laid out, in training and in serving."""
    return PlainChat(design) if design.layout == "plain" else dspy.ChatAdapter()


def make_lm(
    serving: Serving, engine: Any, *, async_engine: Any = None, cache: bool, num_retries: int
) -> Any:
    """The LM of `serving`, every call of which passes `engine` (or `async_engine`)."""
    return dspy.LM(
        f"openai/{serving.model}",
        temperature=serving.temperature,
        max_tokens=serving.max_tokens,
        cache=cache,
        num_retries=num_retries,
        engine=engine,
        async_engine=async_engine,
    )


def inputs_of(turn: Turn, design: Design) -> dict[str, str]:
    """A turn as the program's inputs."""
    return design.values(
        history=turn.conversation_history, question=turn.teacher_prompt, persona=turn.persona
    )


def as_example(turn: Turn, design: Design) -> Any:
    """The DSPy example of one student turn."""
    inputs = inputs_of(turn, design)
    return dspy.Example(**inputs, **{design.answer: turn.student_response}).with_inputs(*inputs)


def answer_of(prediction: Any, design: Design) -> str:
    """What the child says in a prediction."""
    return str(prediction[design.answer])


def dump(module: StudentSimulationModel, persona: Persona, serving: Serving) -> dict[str, Any]:
    """The program as plain JSON data, without any key: instructions, demonstrations, persona, design, serving."""
    state = module.dump_state()
    for part in state.values():
        part["lm"] = None
        part["traces"], part["train"] = [], []
    return {
        "schema": 1,
        "dspy_version": dspy.__version__,
        "state": state,
        "persona": asdict(persona),
        "design": design_files.as_data(module.design),
        "serving": asdict(serving),
    }


def save(document: dict[str, Any], folder: Path) -> None:
    """Write `program.json` into `folder`, whole or not at all."""
    write_json(folder / FILE_NAME, document)


def load(path: Path) -> SavedProgram:
    """Read `program.json`. Raises OSError, or ValueError where it is not a program of schema 1. Never unpickles."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != 1:
            raise ValueError(f"schema {document['schema']} is not 1")
        persona = Persona(**document["persona"])
        design = design_files.read(
            document.get("design")
        )  # a program of an earlier version has none: the guide's
        module = StudentSimulationModel(persona, design)
        module.load_state(plain_state(document["state"], design))
        return SavedProgram(module, persona, Serving(**document["serving"]))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a DSPy program of this platform: {error!r}") from error


CUSTOM_TYPE = "<<CUSTOM-TYPE-"
"""How DSPy marks text that it turns into parts of a message (images, files): nothing that a program of ours ever holds."""


def plain_state(state: dict[str, Any], design: Design) -> dict[str, Any]:
    """Of a saved state only what a program of ours consists of: instructions, field descriptions, demonstrations.

    DSPy's `load_state` sets every other name as an attribute of the predictor, `config` among them, and so would let a
    file decide how often, which model and how long is asked. Raises KeyError, TypeError or ValueError for another program.
    """
    return {name: _plain_predictor(part, design.texts) for name, part in state.items()}


def _plain_predictor(part: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    signature = part["signature"]
    fields = [
        {name: str(one[name]) for name in ("prefix", "description")}
        for one in signature["fields"]
    ]
    plain = {
        "traces": [],
        "train": [],
        "lm": None,
        "demos": [_plain_demo(demo, names) for demo in part["demos"]],
        "signature": {"instructions": str(signature["instructions"]), "fields": fields},
    }
    if CUSTOM_TYPE in json.dumps(plain):
        raise ValueError("it holds one of DSPy's custom types, which is not served here")
    return plain


def _plain_demo(demo: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    texts = {name: str(demo[name]) for name in demo if name in names}
    return {"augmented": True, **texts} if demo.get("augmented") else texts


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` under a temporary name, then rename it to `path`."""
    aside = path.with_name(path.name + ".tmp")
    with aside.open("w", encoding="utf-8") as out:
        json.dump(data, out, ensure_ascii=False, indent=1, allow_nan=False)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
