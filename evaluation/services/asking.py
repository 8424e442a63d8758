"""Puts an interview's questions to a bot, several at once, and hands the replies back one by one."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Full, Queue

import httpx

from evaluation.models import InterviewQuestion, Turn, Wording
from evaluation.services import bots
from evaluation.services.clean import MAX_ANSWER_CHARACTERS, clean
from evaluation.services.reasons import in_plain_words
from evaluation.services.wordings import spoken_before, text_of
from training.models import TrainingRun
from training.services.calls import client
from training.services.calls.client import NotPaidFor
from training.services.calls.outcome import CallFailed
from training.services.calls.prepare import PreparedCall, prepare
from training.services.calls.purse import Purse
from training.services.charges import TokenPrices
from training.services.endpoints import ChatEndpoint

AT_ONCE = 4  # answers asked for at the same time: the model server batches them
IN_HAND = (
    AT_ONCE + 2
)  # answers that are asked for and not kept yet, at most: one of each thread, one handed over, one written
LOOK_SECONDS = 0.5
TRIES = 3
ANSWER_SECONDS = 120.0
NONSENSE = (
    "The model's server sent something that is no answer. Start the interview again when this is fixed; ask your instructor "
    "if it goes on."
)
BROKE = "Something broke on our side while the bot was asked. Tell whoever runs this platform."
MOST_IS_USED = (
    "The answers so far used up all that this interview may cost, because some got lost on the way or were longer than the "
    "model was asked for. Start the interview again."
)


class CouldNotAsk(Exception):
    """The bot did not answer, tried several times; the message says why in plain words."""


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


@dataclass(frozen=True)
class Bot:
    """Who is asked, at which prices (None: free), and out of what. `untrained`: the run's base model."""

    run: TrainingRun
    endpoint: ChatEndpoint
    prices: TokenPrices | None
    purse: Purse
    untrained: bool = False

    def call(self, spoken: list[Turn], question: str, *, later_input: int = 0) -> PreparedCall:
        """Raises `bots.QuestionTooLong`."""
        messages, _ = bots.messages_for(self.endpoint, spoken, question)
        return prepare(
            self.run,
            self.endpoint,
            messages,
            untrained=self.untrained,
            prices=self.prices,
            later_input=later_input,
        )


class _Stopped(Exception):
    """Nobody reads the replies any more: nothing more is asked."""


class _Hand:
    """From the threads that ask to the one that keeps, one reply at a time.

    A thread asks on only when its last reply was taken: so a worker that is killed loses few answers that were paid for
    (`IN_HAND`), however long one of them takes.
    """

    def __init__(self) -> None:
        self._items: Queue[Reply | CouldNotAsk | None] = Queue(maxsize=1)
        self._closed = threading.Event()

    def give(self, item: "Reply | CouldNotAsk | None") -> None:
        """Raises _Stopped when nobody takes it any more."""
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=LOOK_SECONDS)
            except Full:
                continue
            return
        raise _Stopped

    def take(self) -> "Reply | CouldNotAsk | None":
        return self._items.get()

    def close(self) -> None:
        self._closed.set()


def ask_all(bot: Bot, tasks: list[Task]) -> Iterator[Reply]:
    """Replies as they come. Raises CouldNotAsk when every reply that came all the same was yielded.

    No call is made that the bot's purse does not pay for; calls that got no answer are written down there.
    """
    hand = _Hand()
    with client.connected() as web, ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(_ask, web, bot, task, hand) for task in tasks if task.wordings]
        try:
            yield from _what_comes(hand, asked)
        finally:
            hand.close()
            _cancel(asked)


def _what_comes(hand: _Hand, asked: list[Future[None]]) -> Iterator[Reply]:
    """Until each task that was begun has said that it is over (None)."""
    trouble: CouldNotAsk | None = None
    under_way = len(asked)
    while under_way:
        item = hand.take()
        if item is None:
            under_way -= 1
        elif isinstance(item, CouldNotAsk):
            under_way -= 0 if trouble else _cancel(asked)  # what nobody has been asked yet
            trouble = trouble or item
        else:
            yield item
    if trouble is not None:
        raise trouble


def _cancel(asked: list[Future[None]]) -> int:
    """How many had not begun."""
    return sum(one.cancel() for one in asked)


def _ask(web: httpx.Client, bot: Bot, task: Task, hand: _Hand) -> None:
    first = task.first_answer
    try:
        for wording in task.wordings:
            spoken = spoken_before(task.question, wording, first)
            call = bot.call(spoken, text_of(task.question, wording))
            reply = _reply_to(web, bot, task, wording, call)
            first = reply.text if wording == Wording.QUESTION else first
            hand.give(reply)
    except CouldNotAsk as error:
        hand.give(error)
    except _Stopped:
        return
    except Exception as error:
        hand.give(CouldNotAsk(f"{BROKE} ({type(error).__name__})"))
        raise
    finally:
        with suppress(_Stopped):
            hand.give(None)


def _reply_to(
    web: httpx.Client, bot: Bot, task: Task, wording: Wording, call: PreparedCall
) -> Reply:
    """With the bot's own decoding; the seed makes a repetition repeatable where the server honours it."""
    seeded = replace(call, decoding={**call.decoding, "seed": task.repeat})
    try:
        answer = client.ask(web, seeded, purse=bot.purse, tries=TRIES, seconds=ANSWER_SECONDS)
    except NotPaidFor as empty:
        raise CouldNotAsk(MOST_IS_USED) from empty
    except CallFailed as failed:
        raise CouldNotAsk(_why(failed)) from failed
    bot.purse.put_back(call.most - call.cost(answer.usage))
    return Reply(
        task.question,
        wording,
        task.repeat,
        clean(answer.text)[:MAX_ANSWER_CHARACTERS],
        **answer.usage.counted,
    )


def _why(failed: CallFailed) -> str:
    """What a page says; nothing is said of money, because the answers that came are paid for."""
    if failed.nonsense:
        return NONSENSE
    what = in_plain_words(failed).split(". ")[0].rstrip(".")
    return f"{what}. Start the interview again when this is fixed; ask your instructor if it goes on."
