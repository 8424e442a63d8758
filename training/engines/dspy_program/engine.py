"""The one place every LM call of a program passes: metered, capped, and shut once the provider says a final no.

DSPy's own counters under-count optimisers up to 20 times and book cache hits as calls (measured), so usage is taken
here, from the provider's answer itself.
"""

import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from dspy import lm15
from dspy.clients.engines.lm15_engine import AsyncLM15Engine, LM15Engine, timeouts_for

from dspy_program import tokens
from dspy_program.confining import Limits, confined, texts_of, too_long
from dspy_program.failure import FINAL_CODES, EngineFailure, kinds, provider_failure
from dspy_program.meter import Meter, Ticket

# Overhead of a chat message's frame, in tokens, on top of its text.
_FRAME_TOKENS = 16
# Waiting fixes "too many requests"; a server that is not there or hangs seldom comes while we wait.
_PATIENCE = {"rate_limited": 4.0, "provider_unreachable": 0.5, "provider_timeout": 0.5}
# A class chats at the same time, each chat holding a connection for as long as its answer takes.
_MOST_CONNECTIONS = 2_000


def router_config(*, api_key: str, base_url: str, timeout_seconds: float) -> Any:
    """Routes every OpenAI-shaped call to `base_url`; reads no environment."""
    names = ("openai-chat", "openai")
    return lm15.RouterConfig(
        env={},
        api_keys=dict.fromkeys(names, api_key),
        base_urls=dict.fromkeys(names, base_url.rstrip("/")),
        timeouts=timeouts_for(timeout_seconds),
        max_connections=_MOST_CONNECTIONS,
    )


class ProviderHealth:
    """Remembers refusals. Closed for good by a final one, or by `patience` failures without an answer between them.

    `failure` is what closed it, `last` the latest failure no answer has followed.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.failure: EngineFailure | None = None
        self.last: EngineFailure | None = None
        self._in_a_row = 0
        self._lock = threading.Lock()

    def answered(self) -> None:
        """An answer came: the count of failures starts anew."""
        with self._lock:
            self._in_a_row, self.last = 0, None

    def failed(self, failure: EngineFailure) -> None:
        """A call failed; decides whether the run can go on."""
        with self._lock:
            self._in_a_row, self.last = self._in_a_row + 1, failure
            if failure.code in FINAL_CODES or self._in_a_row >= self.patience * _PATIENCE.get(
                failure.code, 1
            ):
                self.failure = self.failure or failure


class ProviderClosed(Exception):
    """The call was not made: an earlier one got an answer that trying again can't change."""


class BusyTime:
    """A context manager for many threads: `seconds` in which at least one of them was inside."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._since = self._since if self._inside else time.monotonic()
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self.seconds += time.monotonic() - self._since


class MeteredEngine:
    """DSPy's native engine behind a `Meter` and a `ProviderHealth`. One attempt per call; thread-safe.

    Whatever an optimiser asks for, what leaves is one answer of `model` with at most `max_tokens`, as the meter reserves.
    `by_bytes`: the model's tokens are not OpenAI's. `billed_as`: its name, where it is not the run's own model.
    """

    def __init__(
        self,
        meter: Meter,
        health: ProviderHealth,
        config: Any,
        *,
        model: str,
        max_tokens: int,
        by_bytes: bool = False,
        billed_as: str | None = None,
    ) -> None:
        self.meter, self.health = meter, health
        self._model, self._max_tokens = model, max_tokens
        self._inner = LM15Engine(config)
        self._busy = BusyTime()
        self._by_bytes, self._billed_as = by_bytes, billed_as

    @property
    def busy_seconds(self) -> float:
        """Seconds in which at least one call was under way."""
        return self._busy.seconds

    def complete(self, request: Any) -> Any:
        """The provider's answer. Raises BudgetExceeded or ProviderClosed before a call that must not be made."""
        if self.health.failure is not None:
            raise ProviderClosed(str(self.health.failure))
        request = confined(request, model=self._model, max_tokens=self._max_tokens)
        bounds = self._bounds(request)
        ticket = self.meter.reserve(
            input_most=bounds["input_most"],
            output_most=bounds["output_most"],
            model=self._billed_as,
        )
        try:
            with self._busy:
                response = self._inner.complete(request)
        except BaseException as error:
            book_failure(self.meter, ticket, error)
            failure = provider_failure(error)
            if failure is not None:
                self.health.failed(failure)
            raise
        book_answer(self.meter, ticket, response.usage)
        self._by_bytes = (
            self._by_bytes or (response.usage.input_tokens or 0) > bounds["input_most"]
        )
        self.health.answered()
        return response

    def _bounds(self, request: Any) -> dict[str, int]:
        """The most tokens of a call: counted as OpenAI counts, with a tenth more; by its bytes where a provider counted more."""
        if self._by_bytes:
            return _bounds(request)
        counted = tokens.count_request(texts_of(request), request.config.response_format)
        return {
            "input_most": counted + counted // 10 + _FRAME_TOKENS,
            "output_most": request.config.max_tokens,
        }

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class StreamingEngine:
    """Async engine for one chat answer: streams from the provider and meters it, within `limits`.

    `on_start` is called before each LM call, `on_text` with each piece of its answer.
    The inner engine is borrowed: it lives as long as the server, this one as long as the request.
    """

    def __init__(
        self,
        meter: Meter,
        inner: AsyncLM15Engine,
        *,
        on_start: Callable[[], None],
        on_text: Callable[[str], Awaitable[None]],
        limits: Limits,
    ) -> None:
        self.meter = meter
        self._limits = limits
        self.finish_reason = "stop"
        self._inner, self._on_start, self._on_text = inner, on_start, on_text

    async def complete(self, request: Any) -> Any:
        """The whole answer, once its stream has ended. Raises BudgetExceeded or EngineFailure before a call is made."""
        request = confined(request, model=self._limits.model, max_tokens=self._limits.max_tokens)
        if self._is_too_long(request):
            raise too_long()
        bounds = _bounds(request)
        ticket = self.meter.reserve(
            input_most=bounds["input_most"], output_most=bounds["output_most"]
        )
        self._on_start()
        try:
            response = await self._collect(request)
        except BaseException as error:
            book_failure(self.meter, ticket, error)
            raise
        book_answer(self.meter, ticket, response.usage)
        self.finish_reason = "length" if response.finish_reason == "length" else "stop"
        return response

    def _is_too_long(self, request: Any) -> bool:
        most = self._limits.input_tokens
        return (
            most is not None
            and tokens.count_request(texts_of(request), request.config.response_format) > most
        )

    async def _collect(self, request: Any) -> Any:
        texts: list[str] = []
        started: Any = None
        events = self._inner.stream(request)
        try:
            async for event in events:
                if event.type == "start":
                    started = event
                elif event.type == "delta" and event.delta.type == "text":
                    texts.append(event.delta.text)
                    await self._on_text(event.delta.text)
                elif event.type == "end":
                    return lm15.Response(
                        id=started.id if started else None,
                        model=(started.model if started else None) or request.model,
                        message=lm15.Message.assistant("".join(texts)),
                        finish_reason=event.finish_reason or "stop",
                        usage=event.usage or lm15.Usage(),
                    )
        finally:
            await events.aclose()
        raise lm15.StreamAssemblyError("The provider's stream stopped before its end.")

    async def aclose(self) -> None:
        """Nothing to close: the connections belong to the server."""


def book_answer(meter: Meter, ticket: Ticket, usage: Any) -> None:
    """Settle `ticket` with the provider's own figures."""
    meter.settle(
        ticket,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cache_read_tokens or 0,
        output_tokens=usage.output_tokens,
    )


def book_failure(meter: Meter, ticket: Ticket, error: BaseException) -> None:
    """Settle `ticket` as failed. What the provider refused, or a connection never made, was not billed."""
    status = getattr(error, "status", None)
    refused = isinstance(status, int) and status >= 400
    meter.fail(ticket, maybe_billed=not (refused or "ConnectError" in kinds(error)))


def _bounds(request: Any) -> dict[str, int]:
    # A token is at least one byte of text, so the bytes bound the tokens.
    sent = [*texts_of(request), json.dumps(request.config.response_format or "")]
    size = sum(len(text.encode("utf-8", "replace")) + _FRAME_TOKENS for text in sent)
    return {"input_most": size, "output_most": request.config.max_tokens}
