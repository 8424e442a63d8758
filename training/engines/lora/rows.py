"""From a file of conversations to token ids with the trained tokens marked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from lora.events import EngineError
from lora.templates import ChatTemplate, Message, Span

ROLES = ("system", "user", "assistant")
LISTED_LINES = 10
KEPT_CONVERSATIONS = 5


@dataclass(frozen=True)
class Example:
    """One conversation. `trained[i]` says whether the model is taught to say `ids[i]`; both have the same length."""

    ids: list[int]
    trained: list[bool]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def weight(self) -> int:
        """What it counts in the mean of a batch: its trained tokens. The first token has nothing before it."""
        return sum(self.trained[1:])


@dataclass(frozen=True)
class RowSet:
    """All examples of a file, of how many rows, how many of those were cut to the length limit (`max_length` tokens), the
    file's sha256, the system line all rows share (None where they differ or have none), and a few conversations as they
    were, for the self-test. There are more examples than rows where a template shows earlier answers otherwise."""

    examples: list[Example]
    rows: int
    truncated: int
    max_length: int
    sha256: str
    system_prompt: str | None
    first_conversations: list[list[Message]]

    @property
    def tokens(self) -> int:
        return sum(len(example) for example in self.examples)


def read_rows(
    path: Path, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, max_length: int
) -> RowSet:
    """Tokenise a JSON-lines file. Raises EngineError `rows_unusable` listing every line that can't be trained on."""
    raw, text = read_text(path)
    examples: list[Example] = []
    problems, rows, truncated, systems = [], 0, 0, set()
    conversations: list[list[Message]] = []
    # Not splitlines(): JSON text may hold U+2028 and its like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            messages = _messages(line)
            whole = encode(messages, tokenizer, template)
            if len(conversations) < KEPT_CONVERSATIONS:
                check_as_asked(messages, whole, tokenizer, template)
        except (ValueError, EngineError) as wrong:
            problems.append(f"line {number}: {wrong}")
            continue
        rows += 1
        truncated += any(len(example) > max_length for example in whole)
        cut = [
            Example(example.ids[:max_length], example.trained[:max_length]) for example in whole
        ]
        # The first token has nothing before it, so it can't be predicted.
        teaching = [example for example in cut if any(example.trained[1:])]
        if not teaching:
            problems.append(
                f"line {number}: no student token to train on within {max_length} tokens"
            )
        examples += teaching
        if len(conversations) < KEPT_CONVERSATIONS:
            conversations.append(messages)
        systems.add(messages[0]["content"] if messages[0]["role"] == "system" else None)
    refuse(path, problems, bool(examples))
    common = systems.pop() if len(systems) == 1 else None
    return RowSet(
        examples,
        rows,
        truncated,
        max_length,
        hashlib.sha256(raw).hexdigest(),
        common,
        conversations,
    )


def encode(
    messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase, template: ChatTemplate
) -> list[Example]:
    """Tokens of one conversation, as one example or one for each answer; trained are those of assistant messages whose
    `weight` is not 0. The tokens before an answer are always those that chat sends for it."""
    plain = [{"role": message["role"], "content": message["content"]} for message in messages]
    weights = [
        message.get("weight", 1) for message in messages if message["role"] == "assistant"
    ]
    examples: list[Example] = []
    for passage in template.passages(plain):
        wanted = [
            span
            for span, answer in zip(passage.spans, passage.answers, strict=True)
            if weights[answer]
        ]
        if wanted or len(passage.answers) == len(weights):
            examples += _examples(passage.text, wanted, tokenizer)
    return examples


def _examples(
    text: str, wanted: Sequence[Span], tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = list(encoded["input_ids"])
    prompts = [_ids(text[:start], tokenizer) for start, _ in wanted]
    if all(ids[: len(prompt)] == prompt for prompt in prompts):
        places = encoded["offset_mapping"]
        return [
            Example(
                ids,
                [
                    any(end > first and start < last for first, last in wanted)
                    for start, end in places
                ],
            )
        ]
    # A tokenizer that joins the end of a prompt with the answer's first letter ("Assistant: " and "I"): chat has the prompt
    # alone, so each answer is learnt after exactly that.
    examples = []
    for prompt, (start, end) in zip(prompts, wanted, strict=True):
        answer = _ids(text[start:end], tokenizer)
        examples.append(Example(prompt + answer, [False] * len(prompt) + [True] * len(answer)))
    return examples


def _ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def check_as_asked(
    messages: Sequence[Message],
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
) -> None:
    """That the tokens before the last answer are those that chat sends for it. Raises EngineError `template_refuses`."""
    if (
        messages[-1]["role"] != "assistant"
        or not messages[-1].get("weight", 1)
        or len(messages) == 1
    ):
        return
    plain = [
        {"role": message["role"], "content": message["content"]} for message in messages[:-1]
    ]
    asked = _ids(template.render(plain, add_generation_prompt=True), tokenizer)
    trained = examples[-1].ids[: len(asked)]
    if trained != asked or any(examples[-1].trained[len(asked) - 1 : len(asked)]):
        raise EngineError(
            "template_refuses",
            "the base model's tokenizer reads the prompt of this row otherwise in training than in chat",
            "Choose another base model: what this one learns here it would not say in chat.",
        )


def read_text(path: Path) -> tuple[bytes, str]:
    """A file's bytes and text. Raises EngineError `rows_missing` or `rows_unusable`."""
    try:
        raw = path.read_bytes()
        return raw, raw.decode("utf-8")
    except OSError as missing:
        raise EngineError(
            "rows_missing", f"{path}: {missing.strerror}", "Put the rows there and start again."
        ) from missing
    except UnicodeDecodeError as wrong:
        raise EngineError(
            "rows_unusable", f"{path.name} is not UTF-8: {wrong}", "Save it as UTF-8."
        ) from wrong


def _messages(line: str) -> list[Message]:
    row: Any = json.loads(line)
    return checked_messages(row.get("messages") if isinstance(row, dict) else None, "messages")


def checked_messages(messages: Any, name: str) -> list[Message]:
    """`messages` as they are. Raises ValueError where they are no list of messages; `name` says what they are."""
    if not isinstance(messages, list) or not messages:
        raise ValueError(f'needs "{name}": a list with at least one message')
    for index, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise ValueError(f"message {index} needs a role out of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise ValueError(f"message {index} needs text as content")
        if message.get("weight", 1) not in (0, 1):
            raise ValueError(f"message {index}: weight is 0 or 1")
    return messages


def refuse(path: Path, problems: list[str], any_examples: bool) -> None:
    """Raises EngineError `rows_unusable` naming the first problems, or where there is nothing to train on."""
    if problems:
        listed = "; ".join(problems[:LISTED_LINES])
        more = (
            f"; and {len(problems) - LISTED_LINES} more" if len(problems) > LISTED_LINES else ""
        )
        raise EngineError(
            "rows_unusable",
            f"{path.name}: {listed}{more}",
            "Fix or remove these lines and start again.",
        )
    if not any_examples:
        raise EngineError(
            "rows_unusable", f"{path.name} holds no row", "Give the run at least one row."
        )
