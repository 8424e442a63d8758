"""From a conversation to the exact text a base model sees, and which characters of it the student says."""

import re
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from lora.events import EngineError

Message = dict[str, Any]
Span = tuple[int, int]

# For base models that never had a chat template. Stored with the adapter, so training and chat can't drift apart.
DEFAULT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'Teacher: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Student:' }}{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}"
    "{{ '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Student:' }}{% endif %}"
)
GENERATION_TAG = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja chat template with the special tokens it may name."""

    source: str
    special_tokens: dict[str, str]

    @property
    def marks_answers(self) -> bool:
        """Whether the template itself says which text the assistant generates."""
        return GENERATION_TAG.search(self.source) is not None

    def render(self, messages: list[Message], *, add_generation_prompt: bool = False) -> str:
        """The text of one conversation. Raises EngineError `template_refuses` when the template can't take it."""
        return self._render(messages, add_generation_prompt=add_generation_prompt)[0]

    def render_with_answers(self, messages: list[Message]) -> tuple[str, list[Span]]:
        """The text, and for each assistant message the characters [start, end) it generates, end-of-turn included."""
        answers = sum(message["role"] == "assistant" for message in messages)
        if self.marks_answers:
            text, spans = self._render(messages, want_spans=True)
            if len(spans) == answers:
                return text, spans
        text = self.render(messages)
        return text, self._spans_by_prefix(text, messages) or self._spans_by_search(text, messages)

    def _render(
        self, messages: list[Message], *, add_generation_prompt: bool = False, want_spans: bool = False
    ) -> tuple[str, list[Span]]:
        try:
            texts, spans = render_jinja_template(
                conversations=[messages],
                chat_template=self.source,
                add_generation_prompt=add_generation_prompt,
                return_assistant_tokens_mask=want_spans,
                **self.special_tokens,
            )
        except (
            Exception
        ) as refused:  # a template is a program of the base model's author: any exception may come out of it
            raise EngineError(
                "template_refuses",
                f"the base model's chat template refuses this conversation: {refused}",
                "Most templates want teacher and student in turn, the teacher first, a system line only before them.",
            ) from refused
        return texts[0], [(start, end) for start, end in spans[0]] if want_spans else []

    def _spans_by_prefix(self, text: str, messages: list[Message]) -> list[Span]:
        """An answer is what rendering one message more adds to the prompt before it. Empty when that does not hold."""
        spans = []
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self.render(messages[:index], add_generation_prompt=True)
            through = self.render(messages[: index + 1])
            if not (through.startswith(before) and text.startswith(through)):
                return []
            spans.append((len(before), len(through)))
        return spans

    def _spans_by_search(self, text: str, messages: list[Message]) -> list[Span]:
        """For templates that render a last turn differently: find each message in order, with its end-of-turn mark."""
        spans, cursor = [], 0
        for index, message in enumerate(messages):
            content = message["content"].strip()
            start = text.find(content, cursor)
            if start < 0:
                raise EngineError(
                    "template_refuses",
                    f"the base model's chat template does not show message {index + 1} ({message['role']})",
                    "Remove that message (often the system line) or choose another base model.",
                )
            cursor = start + len(content)
            if message["role"] == "assistant":
                through = self.render(messages[: index + 1])
                tail = through[through.rfind(content) + len(content) :]
                cursor += len(tail) if text.startswith(tail, cursor) else 0
                spans.append((start, cursor))
        return spans


def template_of(tokenizer: PreTrainedTokenizerBase) -> ChatTemplate:
    """The tokenizer's own template, or ours where it has none. Raises EngineError when answers could never end."""
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    if not source:
        if tokenizer.eos_token is None:
            raise EngineError(
                "base_model_unusable",
                "the base model has neither a chat template nor an end token, so no answer of it would ever end",
                "Choose a base model with a chat template.",
            )
        source = DEFAULT_TEMPLATE
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return ChatTemplate(source, {"bos_token": "", "eos_token": "", **special})


def end_token_ids(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, configured: int | list[int] | None
) -> list[int]:
    """Tokens that end an answer: the model's configured ones, its end token, and the template's end-of-turn mark."""
    ends = set(configured if isinstance(configured, list) else [] if configured is None else [configured])
    if tokenizer.eos_token_id is not None:
        ends.add(int(tokenizer.eos_token_id))
    exchange = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    text, spans = template.render_with_answers(exchange)
    answer = tokenizer(text[spans[0][0] : spans[0][1]], add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    ends.update(token for token in answer if token in special and token != tokenizer.bos_token_id)
    return sorted(ends)
