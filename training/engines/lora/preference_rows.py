"""Pairs of answers to one prompt: read from a file, as token ids with the tokens of the answers marked."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from lora.events import EngineError
from lora.rows import (
    KEPT_CONVERSATIONS,
    Example,
    RowSet,
    checked_messages,
    encode,
    read_text,
    refuse,
)
from lora.templates import ChatTemplate, Message


@dataclass(frozen=True)
class Pair:
    """One prompt with the answer that was preferred and the one that was rejected; in each only the answer is trained.

    `reference`: log-probabilities of the two answers, in this order, before the run's first step.
    """

    chosen: Example
    rejected: Example
    reference: tuple[float, float] = (0.0, 0.0)

    def __len__(self) -> int:
        """Tokens of both conversations: each is read on its own."""
        return len(self.chosen) + len(self.rejected)

    @property
    def weight(self) -> int:
        return 1

    def measured(self, reference: tuple[float, float]) -> "Pair":
        return replace(self, reference=reference)


@dataclass(frozen=True)
class PairSet:
    """All pairs of a file; `preferred`: their preferred halves, as the rest of a run looks at rows."""

    pairs: list[Pair]
    preferred: RowSet


def read_pairs(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    max_length: int,
    system: str | None = None,
) -> PairSet:
    """Tokenise a JSON-lines file of preference rows, as OpenAI writes them (`input.messages`, `preferred_output`,
    `non_preferred_output`). `system` is put before prompts that have no system line.

    Raises EngineError `rows_unusable` listing every line that can't be trained on.
    """
    raw, text = read_text(path)
    pairs, problems, truncated, systems = [], [], 0, set()
    conversations: list[list[Message]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            prompt, chosen, rejected = _conversations(json.loads(line), system)
            whole = [
                _only(encode(prompt + answer, tokenizer, template))
                for answer in (chosen, rejected)
            ]
            pairs.append(_pair(whole, max_length))
        except (ValueError, EngineError) as wrong:
            problems.append(f"line {number}: {wrong}")
            continue
        truncated += any(len(one) > max_length for one in whole)
        if len(conversations) < KEPT_CONVERSATIONS:
            conversations.append(prompt + chosen)
        systems.add(prompt[0]["content"] if prompt[0]["role"] == "system" else None)
    refuse(path, problems, bool(pairs))
    common = systems.pop() if len(systems) == 1 else None
    preferred = [pair.chosen for pair in pairs]
    sha256 = hashlib.sha256(raw).hexdigest()
    return PairSet(
        pairs,
        RowSet(preferred, len(pairs), truncated, max_length, sha256, common, conversations),
    )


def _only(examples: list[Example]) -> Example:
    """The one example of a conversation in which one answer is trained. Raises ValueError where it came in several."""
    if len(examples) != 1:
        raise ValueError(
            "this base model's chat template takes one answer at a time; give one preferred and one rejected"
        )
    return examples[0]


def _conversations(
    row: Any, system: str | None
) -> tuple[list[Message], list[Message], list[Message]]:
    """Prompt, preferred and rejected answer. Raises ValueError."""
    if not isinstance(row, dict):
        raise ValueError("a preference row is an object")
    given = row.get("input")
    prompt = checked_messages(
        given.get("messages") if isinstance(given, dict) else None, "input.messages"
    )
    if prompt[-1]["role"] == "assistant" or not any(
        message["role"] == "user" for message in prompt
    ):
        raise ValueError("the prompt must end with what the teacher says")
    if system and prompt[0]["role"] != "system":
        prompt = [{"role": "system", "content": system}, *prompt]
    # What the student said earlier is context, and the same for both answers.
    context = [
        message | {"weight": 0} if message["role"] == "assistant" else message
        for message in prompt
    ]
    answers = [_answer(row, name) for name in ("preferred_output", "non_preferred_output")]
    if [message["content"] for message in answers[0]] == [
        message["content"] for message in answers[1]
    ]:
        raise ValueError("the preferred and the rejected answer are the same")
    return context, answers[0], answers[1]


def _answer(row: dict[str, Any], name: str) -> list[Message]:
    answer = checked_messages(row.get(name), name)
    if any(message["role"] != "assistant" for message in answer):
        raise ValueError(
            f"{name} holds more than the student's answer: both answers must follow the same prompt, word for word"
        )
    return [{"role": message["role"], "content": message["content"]} for message in answer]


def _pair(whole: list[Example], max_length: int) -> Pair:
    chosen, rejected = (Example(one.ids[:max_length], one.trained[:max_length]) for one in whole)
    if not chosen.weight or not rejected.weight:
        raise ValueError(
            f"the prompt alone fills {max_length} tokens, so no answer is left to learn from"
        )
    if chosen.ids == rejected.ids:
        raise ValueError(f"the two answers are the same within {max_length} tokens")
    return Pair(chosen, rejected)
