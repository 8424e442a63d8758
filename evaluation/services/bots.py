"""What a conversation talks to: a finished run as it answers today, or the frozen bundle of a submission."""

from dataclasses import replace

from evaluation.models import Conversation, Turn
from evaluation.services.clean import MAX_ANSWER_CHARACTERS
from training.services import charges
from training.services.charges import LOCAL_PROVIDER, ChatCost, TokenUsage
from training.services.endpoints import ChatEndpoint, endpoint_for, endpoint_for_base
from training.services.tokens import count_messages

Message = dict[str, str]
SMALL_VOCABULARY_FACTOR = 1.7  # 1,024 pieces where OpenAI has 200,000: measured on the guide's dialogues


def endpoint_of(conversation: Conversation) -> ChatEndpoint:
    """Where and how the bot of this conversation is asked. Raises what `endpoint_for` raises.

    An interview speaks with what was handed in: model, prompt and decoding come from the frozen bundle.
    """
    if conversation.untrained:
        return endpoint_for_base(conversation.run.base_model)
    endpoint = endpoint_for(conversation.run)
    if conversation.submission is None:
        return endpoint
    frozen = conversation.submission.bundle["chat"]
    return replace(
        endpoint,
        model=frozen["model"],
        system_prompt=frozen["system_prompt"],
        temperature=frozen["temperature"],
        max_tokens=frozen["max_tokens"],
    )


def answer_tokens(endpoint: ChatEndpoint) -> int:
    """The longest answer asked for: at most a third of the model's memory, so that the talk so far has room."""
    return min(endpoint.max_tokens, endpoint.context_tokens // 3)


def input_tokens(endpoint: ChatEndpoint, messages: list[Message]) -> int:
    """An estimate from above: OpenAI's tokenizer, stretched for the small vocabularies of local models."""
    counted = count_messages(messages)
    return counted if endpoint.provider != LOCAL_PROVIDER else round(counted * SMALL_VOCABULARY_FACTOR)


def most_cost(conversation: Conversation, *, input_tokens: int, max_tokens: int) -> int:
    """Micro-dollars to hold for one answer. Raises PriceUnknown."""
    run = conversation.run
    if conversation.untrained:
        return charges.base_chat_most(
            run.base_model, course=run.team.course, input_tokens=input_tokens, max_tokens=max_tokens
        )
    return charges.chat_most(run, input_tokens=input_tokens, max_tokens=max_tokens)


def cost(conversation: Conversation, usage: TokenUsage) -> ChatCost:
    """What an answer cost. Raises PriceUnknown."""
    run = conversation.run
    if conversation.untrained:
        return charges.base_chat_cost(run.base_model, course=run.team.course, **usage.counted)
    return charges.chat_cost(run, **usage.counted)


def messages_for(endpoint: ChatEndpoint, earlier: list[Turn], question: str) -> tuple[list[Message], int]:
    """The request's messages and how many of the oldest turns had to be left out to fit the model's memory.

    Raises QuestionTooLong when not even the question alone fits.
    """
    system = [{"role": "system", "content": endpoint.system_prompt}] if endpoint.system_prompt else []
    room = endpoint.context_tokens - answer_tokens(endpoint)
    for left_out in range(len(earlier) + 1):
        messages = [*system, *_spoken(earlier[left_out:]), {"role": "user", "content": question}]
        needed = input_tokens(endpoint, messages)
        if needed <= room:
            return messages, left_out
    raise QuestionTooLong(needed - room)


def _spoken(turns: list[Turn]) -> list[Message]:
    return [
        message
        for turn in turns
        for message in (
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.answer[:MAX_ANSWER_CHARACTERS]},
        )
    ]


class QuestionTooLong(Exception):
    """The question alone does not fit into the model's memory."""

    def __init__(self, tokens_over: int) -> None:
        super().__init__(
            "This question is too long for the bot to read at once. Make it shorter by about "
            f"{max(1, tokens_over * 3 // 4)} words, or ask it in two parts."
        )
