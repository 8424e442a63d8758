"""Puts an interview's questions to a bot, several at once, and hands the replies back one by one."""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import httpx
import openai

from evaluation.models import InterviewQuestion, Turn, Wording
from evaluation.services import bots
from evaluation.services.clean import MAX_ANSWER_CHARACTERS, clean
from evaluation.services.reasons import in_plain_words, maybe_billed
from training.services.charges import TokenUsage
from training.services.endpoints import ChatEndpoint
from training.services.tokens import count_text

AT_ONCE = 4  # answers asked for at the same time: the model server batches them
TRIES, WAIT_SECONDS = 3, 2.0
ANSWER_SECONDS = 120.0
NO_REPLY = (AttributeError, TypeError, LookupError, ValueError)  # a page of HTML where a completion should be
NONSENSE = (
    "The model's server sent something that is no answer. Start the interview again when this is mended; ask your instructor "
    "if it goes on."
)


class CouldNotAsk(Exception):
    """The bot did not answer, tried several times; the message says why in plain words."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.before: list[Reply] = []  # what it had answered of the same task by then, which is paid for


@dataclass(frozen=True)
class Task:
    """One question to one bot, in the wordings that are still missing. `first_answer`: to the question, if it is there."""

    question: InterviewQuestion
    repeat: int
    wordings: list[Wording]
    first_answer: str


@dataclass(frozen=True)
class Reply:
    question: InterviewQuestion
    wording: Wording
    repeat: int
    text: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


def ask_all(endpoint: ChatEndpoint, tasks: list[Task], lost: list[int]) -> Iterator[Reply]:
    """Replies in the order of the tasks. Raises CouldNotAsk when every reply that came all the same was yielded.

    `lost` grows by the input tokens of each try that got no answer and may be charged for all the same.
    """
    client = openai.OpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",
        max_retries=0,
        timeout=openai.Timeout(ANSWER_SECONDS, connect=10.0),
    )
    with client, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(_ask, client, endpoint, task, lost) for task in tasks if task.wordings]
        try:
            yield from _what_came(waiting)
        finally:
            _cancel(waiting)


def _what_came(waiting: list[Future[list[Reply]]]) -> Iterator[Reply]:
    trouble: CouldNotAsk | None = None
    for one in waiting:
        try:
            yield from one.result()
        except CouldNotAsk as error:
            trouble = trouble or error
            _cancel(waiting)  # what nobody has been asked yet
            yield from error.before
        except CancelledError:
            continue
    if trouble is not None:
        raise trouble


def _cancel(waiting: list[Future[list[Reply]]]) -> None:
    for one in waiting:
        one.cancel()


def _ask(client: openai.OpenAI, endpoint: ChatEndpoint, task: Task, lost: list[int]) -> list[Reply]:
    replies: list[Reply] = []
    first = task.first_answer
    for wording in task.wordings:
        spoken = [Turn(question=task.question.question, answer=first)] if wording == Wording.FOLLOW_UP and first else []
        messages, _ = bots.messages_for(endpoint, spoken, getattr(task.question, wording))
        try:
            reply = _reply_to(client, endpoint, task, wording, messages, lost)
        except CouldNotAsk as error:
            error.before = replies
            raise
        replies.append(reply)
        first = reply.text if wording == Wording.QUESTION else first
    return replies


def _reply_to(
    client: openai.OpenAI,
    endpoint: ChatEndpoint,
    task: Task,
    wording: Wording,
    messages: list[bots.Message],
    lost: list[int],
) -> Reply:
    answer = _create(client, endpoint, messages, lost, seed=task.repeat)
    try:
        return _reply(task, wording, answer, messages, endpoint)
    except NO_REPLY as nonsense:
        lost.append(bots.input_tokens(endpoint, messages))
        raise CouldNotAsk(NONSENSE) from nonsense


def _create(
    client: openai.OpenAI, endpoint: ChatEndpoint, messages: list[bots.Message], lost: list[int], *, seed: int
) -> Any:
    """One answer with the bot's own decoding; the seed makes a repetition repeatable where the server honours it."""
    for attempt in range(1, TRIES + 1):
        try:
            return client.chat.completions.create(
                model=endpoint.model,
                messages=cast(Any, messages),
                temperature=endpoint.temperature,
                max_tokens=bots.answer_tokens(endpoint),
                seed=seed,
            )
        except (openai.OpenAIError, httpx.HTTPError) as error:
            if maybe_billed(error):
                lost.append(bots.input_tokens(endpoint, messages))
            lasting = isinstance(error, openai.APIStatusError) and error.status_code in (400, 401, 403, 404)
            if lasting or attempt == TRIES:
                raise CouldNotAsk(_why(error)) from error
            time.sleep(WAIT_SECONDS * attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def _why(error: Exception) -> str:
    """What a page says; nothing is said of money, because the answers that came are paid for."""
    sentences = in_plain_words(error).split(". ")
    return (
        f"{sentences[0].rstrip('.')}. Start the interview again when this is mended; ask your instructor if it goes on."
    )


def _reply(
    task: Task, wording: Wording, completion: Any, messages: list[bots.Message], endpoint: ChatEndpoint
) -> Reply:
    text = clean((completion.choices[0].message.content or "") if completion.choices else "")[:MAX_ANSWER_CHARACTERS]
    if completion.usage:
        usage = TokenUsage.reported(completion.usage)
    else:
        usage = TokenUsage(bots.input_tokens(endpoint, messages), 0, count_text(text), exact=False)
    return Reply(
        task.question,
        wording,
        task.repeat,
        text,
        **usage.counted,
    )
