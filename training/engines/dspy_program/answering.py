"""One chat answer: runs the program exactly as it was trained, shows `student_response` as it comes, counts what it cost."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dspy
from dspy.clients.engines.lm15_engine import AsyncLM15Engine
from dspy.utils.exceptions import AdapterParseError

from dspy_program.confining import Limits, found_in, too_long
from dspy_program.design import REASONING
from dspy_program.engine import StreamingEngine
from dspy_program.examples import format_history, merge_messages
from dspy_program.failure import EngineFailure, provider_failure
from dspy_program.field_stream import FieldStream
from dspy_program.meter import BudgetExceeded, Meter
from dspy_program.plain_chat import PlainStream
from dspy_program.program import SavedProgram, adapter, answer_of, make_lm

_END = object()


Inputs = dict[str, str]


class _OnlyAsync:
    """Stands where DSPy wants a synchronous engine; the server never calls one."""

    def complete(self, request: Any) -> Any:
        raise RuntimeError("The program server runs programs asynchronously.")


def dialogue(messages: Sequence[tuple[str, str]], program: SavedProgram) -> Inputs:
    """The program's inputs for OpenAI messages (role, content), laid out as its examples were.

    The persona is the program's own; only a program trained on differing personas, or with a field for the system message,
    takes the chat's.
    Raises ValueError where the last message is not the teacher's.
    """
    system = "\n".join(content for role, content in messages if role == "system" and content)
    spoken = merge_messages(
        [(role, content, True) for role, content in messages if role != "system" and content]
    )
    if not spoken or spoken[-1][0] != "user":
        raise ValueError("The last message must be the teacher's (role user).")
    persona = system or program.persona.text
    above = persona if program.persona.place == "history" else ""
    history = format_history([(role, content) for role, content, _ in spoken[:-1]], above)
    return program.design.values(history=history, question=spoken[-1][1], persona=persona)


def _broken(error: Exception) -> EngineFailure:
    said = f"The program failed: {type(error).__name__}: {error}"[:400]
    return EngineFailure(
        "program_failed", said, "This is a fault of the platform: tell the instructor.", 500
    )


def _same(one: EngineFailure | None, other: EngineFailure) -> bool:
    return one is not None and one.code == other.code


class Answer:
    """The answer to one request. `pieces` may be used once; `meter` and `finish_reason` are final when it has ended.

    Nothing leaves that passes `limits`, whatever the program says.
    """

    def __init__(
        self, program: SavedProgram, inputs: Inputs, upstream: AsyncLM15Engine, limits: Limits
    ) -> None:
        self.meter = Meter(max_calls=limits.calls)
        self._limits = limits
        self._program, self._inputs = program, inputs
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._stream = self._new_stream()
        self._engine = StreamingEngine(
            self.meter, upstream, on_start=self._begin, on_text=self._take, limits=limits
        )

    @property
    def finish_reason(self) -> str:
        """OpenAI's word for how the answer ended: "stop" or "length"."""
        return self._engine.finish_reason

    async def pieces(self) -> AsyncIterator[str]:
        """The answer, piece by piece. Raises EngineFailure. Leaving early stops the provider's stream."""
        task = asyncio.create_task(self._run())
        try:
            while (item := await self._queue.get()) is not _END:
                yield item
            await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _run(self) -> None:
        try:
            final = await self._predict()
            rest = final.removeprefix(self._stream.shown)
            if rest and (rest != final or not self._stream.shown):
                self._queue.put_nowait(rest)
        finally:
            self._queue.put_nowait(_END)

    async def _predict(self) -> str:
        # No retries: a person is waiting, and can ask again.
        serving = replace(
            self._program.serving, model=self._limits.model, max_tokens=self._limits.max_tokens
        )
        lm = make_lm(
            serving, _OnlyAsync(), async_engine=self._engine, cache=False, num_retries=0
        )
        try:
            design = self._program.design
            with dspy.context(lm=lm, adapter=adapter(design), disable_history=True):
                prediction = await self._program.module.acall(**self._inputs)
        except Exception as error:
            raise self._failure(error) from error
        return answer_of(prediction, design)

    def _failure(self, error: Exception) -> EngineFailure:
        ours = found_in(error)
        asked_again = self.meter.usage().calls > 0
        out_of_calls = isinstance(error, BudgetExceeded) or self.meter.tripped is not None
        # A second prompt that would pass the limits is not sent: then the first answer was the only one.
        if (
            isinstance(error, AdapterParseError)
            or out_of_calls
            or (asked_again and _same(ours, too_long()))
        ):
            return EngineFailure(
                "answer_out_of_format",
                "The model did not keep to the answer format, so there is nothing to show.",
                "Ask again; if it stays so, the program needs a stronger model.",
                502,
            )
        traceback.print_exc()
        return ours or provider_failure(error) or _broken(error)

    def _new_stream(self) -> FieldStream | PlainStream:
        design = self._program.design
        if design.layout == "plain":
            return PlainStream()
        thinks_first = design.reasoning and design.chain == "answer"
        return FieldStream(design.answer, frozenset({REASONING} if thinks_first else ()))

    def _begin(self) -> None:
        if (
            not self._stream.shown
        ):  # a second call, after an answer out of format or a first draft, starts anew
            self._stream = self._new_stream()

    async def _take(self, text: str) -> None:
        if piece := self._stream.feed(text):
            self._queue.put_nowait(piece)
