"""What each method's model sees of a row: the exact text, cut into tokens, with the tokens that are learnt marked.

Tokenizers and templates are read as data here; no model is loaded and neither torch nor transformers is imported.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from datasets.services import base_folders, openai_tokens
from datasets.services.blocks import StoredRow
from datasets.services.reading import for_engine

OPENAI_CONTEXT = 65_536
"""Tokens of one training example that OpenAI accepts; what is beyond is cut off."""
OPENAI_FRAME = 3
"""Tokens around each message; OpenAI's cookbook, "How to count tokens"."""
GENERATED_START = "\x00("
GENERATED_END = "\x00)"
"""Around what the model itself says. A row can't hold NUL, so these can't be mistaken for its text."""


class CanNotShow(Exception):
    """The view can't be made for this row; the message says why."""


@dataclass(frozen=True)
class Token:
    text: str
    trained: bool


@dataclass(frozen=True)
class Seen:
    """The tokens of a row in order, what is to be known about them, and the most that the model takes in (or None)."""

    tokens: list[Token]
    explanation: str
    context: int | None = None
    exact: bool = True

    @property
    def trained(self) -> int:
        return sum(token.trained for token in self.tokens)

    @property
    def too_long(self) -> bool:
        return self.context is not None and len(self.tokens) > self.context


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`: what the model says, as Hugging Face's templates mark it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Macro) -> str:
        return f"{GENERATED_START}{caller()}{GENERATED_END}"


def base_models() -> list[str]:
    """Names of the base models on this machine whose tokenizer can be read."""
    readable = (path for path in base_folders.folders() if (path / "tokenizer.json").exists())
    return [path.name for path in readable if _template_file(path) is not None]


def lora(row: StoredRow, base: str) -> Seen:
    """The row in a local base model's own template and tokens. Raises CanNotShow."""
    if base not in base_models():
        raise CanNotShow("This base model's tokenizer is not on this machine.")
    tokenizer, template, config = _of(base)
    engine_row = for_engine(row)
    try:
        text = _render(template, engine_row["messages"], config)
    except TemplateError as refused:
        raise CanNotShow(
            f"The template of {base} refuses this conversation: {refused}"
        ) from refused
    plain, spans = _spans(text)
    wanted = _weighted(spans, engine_row["messages"])
    encoded = tokenizer.encode(plain, add_special_tokens=False)
    tokens = list(_tokens(plain, encoded.offsets, wanted))
    return Seen(
        tokens,
        f"The text that {base} is trained on, in its own template. Marked tokens are the ones it learns to say; the "
        "others it only reads.",
        context=context_of(base),
    )


def count(rows: Iterable[StoredRow], base: str) -> int:
    """Tokens of one pass over rows, in a local base model's own template. Raises CanNotShow as `lora` does."""
    return sum(sizes(rows, base))


def sizes(rows: Iterable[StoredRow], base: str) -> list[int]:
    """Tokens of each row, in a local base model's own template. Raises CanNotShow as `lora` does."""
    if base not in base_models():
        raise CanNotShow("This base model's tokenizer is not on this machine.")
    tokenizer, template, config = _of(base)
    try:
        texts = [
            _spans(_render(template, for_engine(row)["messages"], config))[0] for row in rows
        ]
    except TemplateError as refused:
        raise CanNotShow(
            f"The template of {base} refuses a conversation: {refused}"
        ) from refused
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


def context_of(base: str) -> int | None:
    """The most tokens that a local base model takes in, where it says so."""
    return int(_of(base)[2].get("model_max_length") or 0) or None


def _of(base: str) -> tuple[Tokenizer, str, dict[str, Any]]:
    folder = base_folders.base_folder(base)
    return _loaded(str(folder), (folder / "tokenizer.json").stat().st_mtime)


def _tokens(
    text: str, offsets: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> Iterator[Token]:
    """Every token with its text; where several make one character, the first has it and the others are empty."""
    cursor = 0
    for first, last in offsets:
        trained = any(last > start and first < end for start, end in wanted)
        yield Token(text[cursor:last], trained)
        cursor = max(cursor, last)


def _template_file(folder: Path) -> Path | None:
    return next(
        (folder / name for name in ("chat_template.jinja",) if (folder / name).exists()), None
    )


@lru_cache(maxsize=8)
def _loaded(folder: str, _changed: float) -> tuple[Tokenizer, str, dict[str, Any]]:
    template = _template_file(Path(folder))
    assert template is not None
    config = json.loads((Path(folder) / "tokenizer_config.json").read_text())
    return (
        Tokenizer.from_file(str(Path(folder) / "tokenizer.json")),
        template.read_text(),
        config,
    )


def _render(template: str, messages: list[dict[str, Any]], config: dict[str, Any]) -> str:
    special = {
        name: str(config.get(name) or "") for name in ("bos_token", "eos_token", "pad_token")
    }
    return _compiled(template).render(messages=messages, add_generation_prompt=False, **special)


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation]
    )
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(template)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _spans(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and where the marked pieces are in it."""
    text, spans, start = "", [], 0
    for piece in marked.split("\x00"):
        if piece.startswith("(") and marked:
            start, piece = len(text), piece[1:]
        elif piece.startswith(")") and text:
            spans.append((start, len(text)))
            piece = piece[1:]
        text += piece
    return text, spans


def _weighted(
    spans: list[tuple[int, int]], messages: list[dict[str, Any]]
) -> list[tuple[int, int]]:
    """The pieces whose message counts: those with weight 0 are read but not learnt."""
    weights = [
        message.get("weight", 1) for message in messages if message["role"] == "assistant"
    ]
    return [span for span, weight in zip(spans, weights, strict=True) if weight]


def openai(row: StoredRow) -> Seen:
    """The row as OpenAI's models count it: each message's text in their tokens. The frame between is not published."""
    tokens: list[Token] = []
    for message in for_engine(row)["messages"]:
        trained = message["role"] == "assistant" and message.get("weight", 1) != 0
        tokens.append(Token(f"‹{message['role']}›", False))
        tokens += [Token(text, trained) for text in _openai_tokens(message["content"])]
        tokens.append(Token("‹end›\n", trained))
    return Seen(
        tokens,
        "Marked tokens are the ones the model learns to say. OpenAI does not publish how it frames messages, so the "
        "frame is shown as ‹role› and ‹end›; the tokens inside are theirs (o200k).",
        context=OPENAI_CONTEXT,
    )


def openai_sizes(rows: Iterable[StoredRow]) -> list[int]:
    """Tokens of each row as OpenAI counts them. Raises openai_tokens.TokenTableMissing."""
    encoding = openai_tokens.encoding()
    sizes = []
    for row in rows:
        messages = for_engine(row)["messages"]
        texts = [message[key] for message in messages for key in ("role", "content")]
        counted = sum(len(encoding.encode(text, disallowed_special=())) for text in texts)
        sizes.append(counted + OPENAI_FRAME * len(messages))
    return sizes


def _openai_tokens(text: str) -> Iterator[str]:
    try:
        encoding = openai_tokens.encoding()
    except openai_tokens.TokenTableMissing as missing:
        raise CanNotShow("OpenAI's token table is not installed.") from missing
    numbers = encoding.encode(text, disallowed_special=())
    _, starts = encoding.decode_with_offsets(numbers)
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(text)
        yield text[start:end]


DSPY_FRAME = "[[ ## {name} ## ]]\n"
SPEAKERS = {"user": "Teacher", "assistant": "Student"}


def dspy(row: StoredRow) -> Seen:
    """The row's last student turn as DSPy puts it into a prompt. Nothing is trained; the answer is what is compared."""
    messages = [
        message for message in for_engine(row)["messages"] if message["role"] != "system"
    ]
    places = [
        place
        for place, message in enumerate(messages)
        if message["role"] == "assistant" and place > 0
    ]
    if not places:
        raise CanNotShow(
            "DSPy learns from a teacher's turn and the student's answer to it; this row has no such pair."
        )
    last = places[-1]
    history = [
        f"{SPEAKERS.get(m['role'], m['role'])}: {m['content']}" for m in messages[: last - 1]
    ]
    before = "\n".join(history) or "(The conversation starts here.)"
    asked = f"{_frame('conversation_history')}{before}\n\n{_frame('teacher_prompt')}{messages[last - 1]['content']}\n\n"
    answer = f"{_frame('student_response')}"
    return Seen(
        [Token(asked, False), Token(answer, False), Token(messages[last]["content"], True)],
        "DSPy changes no model. It shows rows like this one as examples in the prompt, and scores answers against the "
        f"marked text. This row gives {len(places)} example{'s' if len(places) > 1 else ''}; the last is shown.",
        exact=False,
    )


def _frame(name: str) -> str:
    return DSPY_FRAME.format(name=name)
