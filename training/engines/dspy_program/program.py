"""The prompt program every team optimises: the course guide's signature and module, and its JSON on disk."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dspy

from dspy_program.examples import Persona, Turn

FILE_NAME = "program.json"


class StudentResponse(dspy.Signature):  # type: ignore[misc]  # DSPy ships no types
    """Answer the teacher as the second-grade student in this conversation would.

    Stay this child: speak in the first person, with short everyday words, and make a child's mistakes.
    """

    conversation_history: str = dspy.InputField(desc="what teacher and student have said so far")
    teacher_prompt: str = dspy.InputField(desc="what the teacher says now")
    student_response: str = dspy.OutputField(desc="what the child says, and nothing else")


class StudentSimulationModel(dspy.Module):  # type: ignore[misc]  # DSPy ships no types
    """The child thinks, then answers: one chain-of-thought step over `StudentResponse`."""

    def __init__(self, persona: Persona) -> None:
        super().__init__()
        instructions = StudentResponse.instructions
        if persona.place == "instructions":
            instructions = f"{instructions}\n\nAbout the student: {persona.text}"
        self.chain = dspy.ChainOfThought(StudentResponse.with_instructions(instructions))

    def forward(self, conversation_history: str, teacher_prompt: str) -> Any:
        """A prediction with `reasoning` and `student_response`."""
        return self.chain(conversation_history=conversation_history, teacher_prompt=teacher_prompt)

    async def aforward(self, conversation_history: str, teacher_prompt: str) -> Any:
        """As `forward`, awaited."""
        return await self.chain.acall(conversation_history=conversation_history, teacher_prompt=teacher_prompt)


@dataclass(frozen=True)
class Serving:
    """How the program was trained and is to be served: the LM and its decoding settings."""

    model: str
    base_url: str
    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class SavedProgram:
    """A program read back from `program.json`."""

    module: StudentSimulationModel
    persona: Persona
    serving: Serving


def adapter() -> Any:
    """The one way prompts are laid out, in training and in serving."""
    return dspy.ChatAdapter()


def make_lm(serving: Serving, engine: Any, *, async_engine: Any = None, cache: bool, num_retries: int) -> Any:
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


def as_example(turn: Turn) -> Any:
    """The DSPy example of one student turn."""
    return dspy.Example(
        conversation_history=turn.conversation_history,
        teacher_prompt=turn.teacher_prompt,
        student_response=turn.student_response,
    ).with_inputs("conversation_history", "teacher_prompt")


def dump(module: StudentSimulationModel, persona: Persona, serving: Serving) -> dict[str, Any]:
    """The program as plain JSON data, without any key: instructions, demonstrations, persona, serving."""
    state = module.dump_state()
    for part in state.values():
        part["lm"] = None
        part["traces"], part["train"] = [], []
    return {
        "schema": 1,
        "dspy_version": dspy.__version__,
        "state": state,
        "persona": asdict(persona),
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
        module = StudentSimulationModel(persona)
        module.load_state(plain_state(document["state"]))
        return SavedProgram(module, persona, Serving(**document["serving"]))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a DSPy program of this platform: {error!r}") from error


DEMO_TEXTS = ("conversation_history", "teacher_prompt", "reasoning", "student_response")
CUSTOM_TYPE = "<<CUSTOM-TYPE-"
"""How DSPy marks text that it turns into parts of a message (images, files): nothing that a program of ours ever holds."""


def plain_state(state: dict[str, Any]) -> dict[str, Any]:
    """Of a saved state only what a program of ours consists of: instructions, field descriptions, demonstrations.

    DSPy's `load_state` sets every other name as an attribute of the predictor, `config` among them, and so would let a
    file decide how often, which model and how long is asked. Raises KeyError, TypeError or ValueError for another program.
    """
    return {name: _plain_predictor(part) for name, part in state.items()}


def _plain_predictor(part: dict[str, Any]) -> dict[str, Any]:
    signature = part["signature"]
    fields = [{name: str(one[name]) for name in ("prefix", "description")} for one in signature["fields"]]
    plain = {
        "traces": [],
        "train": [],
        "lm": None,
        "demos": [_plain_demo(demo) for demo in part["demos"]],
        "signature": {"instructions": str(signature["instructions"]), "fields": fields},
    }
    if CUSTOM_TYPE in json.dumps(plain):
        raise ValueError("it holds one of DSPy's custom types, which is not served here")
    return plain


def _plain_demo(demo: dict[str, Any]) -> dict[str, Any]:
    texts = {name: str(demo[name]) for name in DEMO_TEXTS if name in demo}
    return {"augmented": True, **texts} if demo.get("augmented") else texts


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` under a temporary name, then rename it to `path`."""
    aside = path.with_name(path.name + ".tmp")
    with aside.open("w", encoding="utf-8") as out:
        json.dump(data, out, ensure_ascii=False, indent=1, allow_nan=False)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
