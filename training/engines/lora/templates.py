"""From a conversation to the exact text a base model sees, and which characters of it the student says."""

import re
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from lora.events import EngineError
from lora.settled import settled

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
class Passage:
    """A text to learn from. `spans`: the characters [start, end) that the student says in it, end-of-turn included;
    `answers`: which of the conversation's assistant messages each of them is, counted from 0."""

    text: str
    spans: list[Span]
    answers: list[int]


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

    def passages(self, messages: list[Message]) -> list[Passage]:
        """The conversation as texts in which each answer stands right after what chat would ask it with.

        One text for most templates. Those that show an earlier answer otherwise than the newest one (thoughts left out,
        the system line moved to the last question) give a text for each answer. Raises EngineError `template_refuses`.
        """
        text, marked = self._marked(messages)
        answers = [
            index for index, message in enumerate(messages) if message["role"] == "assistant"
        ]
        spans = [
            self._span(text, messages, index, marked[number] if marked else None)
            for number, index in enumerate(answers)
        ]
        if None not in spans:
            return [Passage(text, [span for span in spans if span], list(range(len(answers))))]
        return [
            self._alone(messages[: index + 1], number) for number, index in enumerate(answers)
        ]

    def _marked(self, messages: list[Message]) -> tuple[str, list[Span]]:
        """The text, and the answers that the template itself marks in it: none where it marks other than all of them."""
        if not self.marks_answers:
            return self.render(messages), []
        text, spans = self._render(messages, want_spans=True)
        answers = sum(message["role"] == "assistant" for message in messages)
        return text, spans if len(spans) == answers else []

    def _alone(self, messages: list[Message], number: int) -> Passage:
        """The text that ends with the last of `messages`, which is answer `number`."""
        text, marked = self._marked(messages)
        span = self._span(text, messages, len(messages) - 1, marked[-1] if marked else None)
        if span is None:
            raise EngineError(
                "template_refuses",
                f"the base model's chat template shows message {len(messages)} (assistant) otherwise in training than it "
                "asks for it in chat",
                "Choose another base model: what this one learns here it would not say in chat.",
            )
        return Passage(text, [span], [number])

    def _span(
        self, text: str, messages: list[Message], index: int, marked: Span | None
    ) -> Span | None:
        """Where answer `index` stands in `text`, from the end of what chat asks with to its end-of-turn mark.

        None where `text` does not show the prompt as chat does, or something between it and the answer.
        """
        try:
            asked = self.render(messages[:index], add_generation_prompt=True)
        except EngineError:
            if marked is None:
                raise
            return marked  # a row that begins with the student: the template can't ask for that, but marks it
        content = messages[index]["content"].strip()
        place = text.find(content, len(asked)) if text.startswith(asked) else -1
        if place < 0 or text[len(asked) : place].strip():
            return None
        if marked is not None:
            return max(marked[0], len(asked)), marked[1]
        through = self.render(messages[: index + 1])
        end = _same_until(text, through)
        return (len(asked), end) if end >= place + len(content) else None

    def _render(
        self,
        messages: list[Message],
        *,
        add_generation_prompt: bool = False,
        want_spans: bool = False,
    ) -> tuple[str, list[Span]]:
        try:
            texts, spans = render_jinja_template(
                conversations=[messages],
                chat_template=self.source,
                add_generation_prompt=add_generation_prompt,
                return_assistant_tokens_mask=want_spans,
                **self.special_tokens,
            )
        except Exception as refused:  # a template is a program of the base model's author: any exception may come out of it
            raise EngineError(
                "template_refuses",
                f"the base model's chat template refuses this conversation: {refused}",
                "Most templates want teacher and student in turn, the teacher first, a system line only before them.",
            ) from refused
        return texts[0], [(start, end) for start, end in spans[0]] if want_spans else []


def _same_until(one: str, other: str) -> int:
    """How many characters both begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next(
        (place for place, (left, right) in pairs if left != right), min(len(one), len(other))
    )


def template_of(tokenizer: PreTrainedTokenizerBase) -> ChatTemplate:
    """The tokenizer's own template, settled, or ours where it has none. Raises EngineError when answers could never end."""
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
    special = {
        name: str(token)
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    return settled_template(source, {"bos_token": "", "eos_token": "", **special})


def settled_template(source: str, special_tokens: dict[str, str]) -> ChatTemplate:
    """The template that is used and kept in place of `source`: see `lora.settled`."""

    def render(one: str, messages: list[Message]) -> str | None:
        try:
            return ChatTemplate(one, special_tokens).render(messages, add_generation_prompt=True)
        except EngineError:
            return None

    return ChatTemplate(settled(source, render), special_tokens)


def end_token_ids(
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    configured: int | list[int] | None,
) -> list[int]:
    """Tokens that end an answer: the model's configured ones, its end token, and the template's end-of-turn mark."""
    ends = set(
        configured
        if isinstance(configured, list)
        else []
        if configured is None
        else [configured]
    )
    if tokenizer.eos_token_id is not None:
        ends.add(int(tokenizer.eos_token_id))
    ends.update(end_of_turn(tokenizer, template))
    return sorted(ends)


def end_of_turn(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> list[int]:
    """The special tokens that the template puts after an answer, in their order. Those before it (an empty thought, the
    mark of whose turn it is) end nothing."""
    content = "2"
    (passage,) = template.passages(
        [{"role": "user", "content": "1"}, {"role": "assistant", "content": content}]
    )
    start, end = passage.spans[0]
    tail = passage.text[passage.text.index(content, start) + len(content) : end]
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    return [
        token
        for token in tokenizer(tail, add_special_tokens=False)["input_ids"]
        if token in special
    ]
