"""What a conversation talks to: a finished run as it answers today, or the frozen bundle of a submission."""

from dataclasses import replace

from evaluation.models import Conversation, Turn
from evaluation.services.clean import MAX_ANSWER_CHARACTERS
from training import methods
from training.services import charges
from training.services.calls.prepare import (
    Message,
    PreparedCall,
    answer_tokens,
    prepare,
    stretched,
)
from training.services.calls.usage import TokenUsage
from training.services.charges import ChatCost
from training.services.endpoints import ChatEndpoint, NotReady, endpoint_for, endpoint_for_base
from training.services.tokens import TOKENS_PER_REPLY, count_messages


def endpoint_of(conversation: Conversation) -> ChatEndpoint:
    """Where and how the bot of this conversation is asked. Raises what `endpoint_for` raises.

    An interview speaks with what was handed in: prompt and decoding come from the frozen bundle. A DSPy program brings
    both itself, and its length is the run's.
    """
    if conversation.untrained:
        return endpoint_for_base(conversation.run.base_model)
    endpoint = endpoint_for(conversation.run)
    if conversation.submission is None or methods.get(endpoint.method).is_program:
        return endpoint
    frozen = conversation.submission.bundle["chat"]
    return replace(
        endpoint,
        system_prompt=frozen["system_prompt"],
        temperature=frozen["temperature"],
        max_tokens=frozen["max_tokens"],
    )


def refuse_another_model(conversation: Conversation, endpoint: ChatEndpoint) -> None:
    """Raises NotReady where the run answers as another model than the one that was handed in: only its own is priced."""
    submission = conversation.submission
    if submission is not None and submission.bundle["chat"]["model"] != endpoint.model:
        raise NotReady(
            "This bot is no longer the one that was handed in. Please tell your instructor."
        )


def prepared(
    conversation: Conversation, earlier: list[Turn], question: str, *, most: int | None = None
) -> tuple[PreparedCall, int]:
    """The call that asks `question` after `earlier`, and how many of the oldest turns had to be left out of it.

    They are left out to fit the model's memory, and to cost at most `most` micro-dollars where that is given: what was
    held before the talk grew, say. Raises QuestionTooLong when not even the question alone fits, PriceUnknown, and what
    `endpoint_for` raises.
    """
    endpoint = endpoint_of(conversation)
    refuse_another_model(conversation, endpoint)
    left_out = 0
    while True:
        messages, more = messages_for(endpoint, earlier[left_out:], question)
        left_out += more
        call = prepare(conversation.run, endpoint, messages, untrained=conversation.untrained)
        if most is None or call.most <= most:
            return call, left_out
        remembered = len(earlier) - left_out
        if not remembered:
            raise DearerThanHeld
        left_out += max(1, remembered // 8)


def cost(conversation: Conversation, usage: TokenUsage) -> ChatCost:
    """What an answer cost. Raises PriceUnknown."""
    run = conversation.run
    if conversation.untrained:
        return charges.base_chat_cost(run.base_model, course=run.team.course, **usage.counted)
    return charges.chat_cost(run, **usage.counted)


def messages_for(
    endpoint: ChatEndpoint, earlier: list[Turn], question: str
) -> tuple[list[Message], int]:
    """The request's messages and how many of the oldest turns had to be left out to fit the model's memory.

    Raises QuestionTooLong when not even the question alone fits.
    """
    system = (
        [{"role": "system", "content": endpoint.system_prompt}] if endpoint.system_prompt else []
    )
    asked = [{"role": "user", "content": question}]
    room = endpoint.context_tokens - answer_tokens(endpoint)
    counted = count_messages([*system, *asked])
    if (needed := stretched(endpoint, counted)) > room:
        raise QuestionTooLong(needed - room)
    left_out = len(earlier)
    for turn in reversed(
        earlier
    ):  # the newest first, and no more of them than fit: a talk may be as long as it likes
        counted += count_messages(_spoken([turn])) - TOKENS_PER_REPLY
        if stretched(endpoint, counted) > room:
            break
        left_out -= 1
    return [*system, *_spoken(earlier[left_out:]), *asked], left_out


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


class DearerThanHeld(Exception):
    """Since the money was held, the price rose or the prompt grew: the question alone may cost more. It is not sent."""
