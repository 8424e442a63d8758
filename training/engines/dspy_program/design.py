"""What a program is: its input fields, instruction, steps and layout, declared as data. Pure: no DSPy, nothing is executed.

A name here becomes the name of a field and nothing else; a text is sent to the model as it stands. No template is filled
in, no format string is read, nothing is looked up by a name that a person chose.
"""

import keyword
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Source = Literal["history", "question", "persona", "text"]
"""Where a field's value comes from: what was said before, what the teacher says now, the system message, a fixed text."""
Chain = Literal["answer", "answer_then_simplify"]
Layout = Literal["fields", "plain"]
"""`fields`: DSPy's own chat format. `plain`: an ordinary chat, for small models that follow no format."""

MOST_FIELDS = 6
MOST_NAME = 40
MOST_DESCRIPTION = 200
MOST_INSTRUCTION = 2_000
MOST_TEXT = 2_000
NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
REASONING = "reasoning"
DRAFT = "first_answer"
# Names that DSPy, pydantic or this engine use themselves. A test compares with what DSPy's own classes have.
_RESERVED_WORDS = (
    "reasoning first_answer completed rationale augmented config demos lm signature new_signature prediction module tools "
    "trace traces train instructions fields prefix self cls append copy delete dict construct equals insert json prepend "
    "schema validate with_instructions with_updated_fields input_fields output_fields dump_state load_state from_orm "
    "parse_file parse_obj parse_raw schema_json update_forward_refs mro named_parameters batch labels append_instructions "
    "acall keys with_inputs predictors map_named_predictors without named_predictors inputs inspect_history parameters "
    "set_lm_usage load set_lm deepcopy save reset_copy get_lm_usage from_completions named_sub_modules items get_lm "
    "completions get values"
)
RESERVED = frozenset(_RESERVED_WORDS.split())
HISTORY = "conversation_history"
QUESTION = "teacher_prompt"
ANSWER = "student_response"

Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]


class InputField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input of the program. `text`: its value where `source` is "text"."""

    name: Name
    source: Source
    description: Annotated[str, Meta(max_length=MOST_DESCRIPTION)] = ""
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""


INPUTS = (
    InputField(HISTORY, "history", "what teacher and student have said so far"),
    InputField(QUESTION, "question", "what the teacher says now"),
)
INSTRUCTION = (
    "Answer the teacher as the second-grade student in this conversation would.\n\nStay this child: speak in the first "
    "person, with short everyday words, and make a child's mistakes."
)


class Design(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program before anything is learned. The defaults are the course guide's signature and module."""

    inputs: Annotated[tuple[InputField, ...], Meta(min_length=1, max_length=MOST_FIELDS)] = (
        INPUTS
    )
    answer: Name = ANSWER
    answer_description: Annotated[str, Meta(max_length=MOST_DESCRIPTION)] = (
        "what the child says, and nothing else"
    )
    instruction: Annotated[str, Meta(min_length=1, max_length=MOST_INSTRUCTION)] = INSTRUCTION
    reasoning: bool = True
    chain: Chain = "answer"
    layout: Layout = "fields"

    @property
    def calls(self) -> int:
        """Questions to the model for one answer, when all goes well."""
        return 2 if self.chain == "answer_then_simplify" else 1

    @property
    def question(self) -> str:
        """The name of the field with what the teacher says now."""
        return next(field.name for field in self.inputs if field.source == "question")

    @property
    def names_persona(self) -> bool:
        """Whether the system message has a field of its own, rather than being a part of the instruction."""
        return any(field.source == "persona" for field in self.inputs)

    @property
    def steps(self) -> frozenset[str]:
        """The names of its predictors, as its saved state has them."""
        first = "chain.predict" if self.reasoning else "chain"
        return frozenset({first} if self.chain == "answer" else {first, "simplify"})

    @property
    def texts(self) -> frozenset[str]:
        """Every name that a demonstration of this program may have."""
        return frozenset({*(field.name for field in self.inputs), self.answer, REASONING, DRAFT})

    def values(self, *, history: str, question: str, persona: str) -> dict[str, str]:
        """The inputs by name for one turn."""
        said = {"history": history, "question": question, "persona": persona}
        return {
            field.name: field.text if field.source == "text" else said[field.source]
            for field in self.inputs
        }

    def trouble(self) -> str | None:
        """What makes this no program, in a sentence; None where it is one."""
        names = [*(field.name for field in self.inputs), self.answer]
        for name in names:
            if why := wrong_name(name):
                return why
        if len(set(names)) < len(names):
            return "Two fields have the same name."
        sources = [field.source for field in self.inputs]
        if sources.count("question") != 1:
            return "Exactly one field must be what the teacher says now."
        if sources.count("history") > 1 or sources.count("persona") > 1:
            return (
                "The conversation so far and the system message may each have one field at most."
            )
        if self.layout == "plain" and (self.reasoning or self.chain != "answer"):
            return "A small local model answers in one step, without reasoning."
        return None


MOST_PHRASES = 20
MOST_PHRASE = 60
Phrase = Annotated[str, Meta(min_length=1, max_length=MOST_PHRASE)]


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A team's own words for its score: what this child likes to say, and what it must never say. Plain text, no pattern."""

    wanted: Annotated[tuple[Phrase, ...], Meta(max_length=MOST_PHRASES)] = ()
    banned: Annotated[tuple[Phrase, ...], Meta(max_length=MOST_PHRASES)] = ()


def wrong_name(name: str) -> str | None:
    """Why `name` can't name a field; None where it can."""
    if not NAME.fullmatch(name) or len(name) > MOST_NAME:
        return f"{name[:MOST_NAME]!r} is no name for a field: use small letters, digits and single underscores."
    if keyword.iskeyword(name) or name in RESERVED or name.startswith("model_"):
        return f"{name!r} is a word that DSPy uses itself: choose another name."
    return None


def read(data: Any) -> Design:
    """The design that `data` declares; the guide's where it is None. Raises ValueError with what is wrong."""
    try:
        design = msgspec.convert({} if data is None else data, Design)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    if why := design.trouble():
        raise ValueError(why)
    return design


def read_phrases(data: Any) -> Phrases:
    """The phrases that `data` declares; none where it declares no such thing."""
    try:
        return msgspec.convert(data, Phrases)
    except msgspec.ValidationError:
        return Phrases()


def as_data(design: Design) -> dict[str, Any]:
    """Plain JSON data that `read` takes again."""
    data: dict[str, Any] = msgspec.to_builtins(design)
    return data
