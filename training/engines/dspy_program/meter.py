"""Counts every LM call and stops the next one BEFORE it could pass the cap. Pure and thread-safe.

A call first reserves the most it could cost (every byte of its prompt a token, `max_tokens` of output); it is settled
to what the provider reports. While the provider keeps to `max_tokens`, calls and money can't pass their caps. A journal
in the run's folder makes a run that was killed and started again go on counting where it stood.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MILLION = 1_000_000
STOPPED_AT_BUDGET = "Stopped at the budget"


class BudgetExceeded(Exception):
    """The call was not made: it could have passed the run's cap on calls or on money."""


@dataclass(frozen=True)
class Prices:
    """Micro-dollars per million tokens."""

    input: int = 0
    cached_input: int = 0
    output: int = 0

    def of(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Price in millionths of a micro-dollar, so that sums stay exact integers."""
        fresh = max(input_tokens - cached_tokens, 0)
        return (
            fresh * self.input + cached_tokens * self.cached_input + output_tokens * self.output
        )


@dataclass
class Usage:
    """Totals of a run. `calls` counts every request sent, the `failed_calls` among them included.

    `unreported_calls`: answered without a usage report, or perhaps billed though no answer came (time-outs, kills);
    the cap and the cost count them at their reserved most. Tokens are the provider's own figures.
    """

    calls: int = 0
    failed_calls: int = 0
    unreported_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Ticket:
    """A reserved call: its number in the run and the most it can cost (millionths of a micro-dollar). `model`: None for the
    run's own."""

    number: int
    most: int
    model: str | None = None


@dataclass
class Meter:
    """See the module. `max_calls`, `max_cost_microdollars`: None = no cap. `other_prices`: of models besides the run's own,
    by name. `on_change` runs after each settlement."""

    max_calls: int | None = None
    max_cost_microdollars: int | None = None
    prices: Prices = field(default_factory=Prices)
    other_prices: Mapping[str, Prices] = field(default_factory=dict)
    journal: Path | None = None
    on_change: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._usage = Usage()
        self._spent = 0
        self._reserved: dict[int, int] = {}
        self._kept_calls = 0
        self._kept_cost = 0
        self._tripped: str | None = None
        if self.journal is not None and self.journal.exists():
            text = self.journal.read_text(encoding="utf-8")
            if text and not text.endswith(
                "\n"
            ):  # a kill cut the last line: keep it from joining the next
                with self.journal.open("a", encoding="utf-8") as lines:
                    lines.write("\n")
            self._replay(text.splitlines())

    @property
    def tripped(self) -> str | None:
        """None, or which cap refused a call: "calls" or "money"."""
        return self._tripped

    def usage(self) -> Usage:
        """A copy of the totals so far."""
        with self._lock:
            return Usage(**asdict(self._usage))

    def cost_microdollars(self) -> int:
        """Micro-dollars of all settled calls, rounded up once."""
        with self._lock:
            return -(-self._spent // MILLION)

    def calls_left(self) -> int | None:
        """Calls that may still be made under the cap and what is kept back; None = no cap."""
        with self._lock:
            if self.max_calls is None:
                return None
            return max(0, self.max_calls - self._kept_calls - self._usage.calls)

    @contextmanager
    def keep_back(self, *, calls: int, cost_microdollars: int) -> Iterator[None]:
        """Inside, the caps are lower by this much, so that work after it still finds room."""
        with self._lock:
            self._kept_calls, self._kept_cost = calls, cost_microdollars * MILLION
        try:
            yield
        finally:
            with self._lock:
                self._kept_calls = self._kept_cost = 0

    def reserve(self, *, input_most: int, output_most: int, model: str | None = None) -> Ticket:
        """Admit one call of at most this many tokens, or raise BudgetExceeded and remember which cap refused it.

        Waits while calls that are under way hold money that this one needs: they mostly cost far less than they reserved.
        """
        prices = self._prices_of(model)
        most = max(
            prices.of(input_most, 0, output_most), prices.of(input_most, input_most, output_most)
        )
        with self._lock:
            self._admit_call()
            while most > self._room():
                if not self._reserved:
                    self._refuse(
                        "money",
                        f"{self.cost_microdollars()} of {self.max_cost_microdollars} µ$ are used",
                    )
                self._settled.wait()
                self._admit_call()
            self._usage.calls += 1
            ticket = Ticket(self._usage.calls, most, model)
            self._reserved[ticket.number] = most
            self._write({"call": ticket.number, "most": most, **_named(model)})
        return ticket

    def settle(
        self,
        ticket: Ticket,
        *,
        input_tokens: int | None,
        cached_tokens: int,
        output_tokens: int | None,
    ) -> None:
        """Book an answered call; None tokens, or fewer than none = the provider did not report usage."""
        if (
            input_tokens is None
            or output_tokens is None
            or min(input_tokens, cached_tokens, output_tokens) < 0
        ):
            entry: dict[str, Any] = {"call": ticket.number, "unreported": True}
        else:
            used = [input_tokens, cached_tokens, output_tokens]
            entry = {"call": ticket.number, "tokens": used, **_named(ticket.model)}
        self._book(entry, ticket.most)

    def fail(self, ticket: Ticket, *, maybe_billed: bool) -> None:
        """Book a call without an answer. `maybe_billed`: it may have reached the provider, so it counts at its most."""
        self._book(
            {"call": ticket.number, "failed": True, "unreported": maybe_billed}, ticket.most
        )

    def _prices_of(self, model: str | None) -> Prices:
        return self.prices if model is None else self.other_prices[model]

    def _admit_call(self) -> None:
        if (
            self.max_calls is not None
            and self._usage.calls + 1 > self.max_calls - self._kept_calls
        ):
            self._refuse("calls", f"{self._usage.calls} of {self.max_calls} calls are used")

    def _room(self) -> float:
        """Millionths of a micro-dollar that no call has, and nothing is kept back of."""
        if self.max_cost_microdollars is None:
            return float("inf")
        taken = self._kept_cost + self._spent + sum(self._reserved.values())
        return self.max_cost_microdollars * MILLION - taken

    def _refuse(self, which: str, why: str) -> None:
        self._tripped = self._tripped or which
        raise BudgetExceeded(f"{STOPPED_AT_BUDGET}: {why}.")

    def _book(self, entry: dict[str, Any], most: int) -> None:
        with self._lock:
            self._reserved.pop(entry["call"], None)
            self._apply(entry, most)
            self._write(entry)
            self._settled.notify_all()
        if self.on_change is not None:
            self.on_change()

    def _apply(self, entry: dict[str, Any], most: int) -> None:
        self._usage.failed_calls += bool(entry.get("failed"))
        if entry.get("unreported"):
            self._usage.unreported_calls += 1
            self._spent += most
        elif "tokens" in entry:
            fresh, cached, out = entry["tokens"]
            self._usage.input_tokens += fresh
            self._usage.cached_input_tokens += cached
            self._usage.output_tokens += out
            self._spent += self._prices_of(entry.get("model")).of(fresh, cached, out)

    def _write(self, entry: dict[str, Any]) -> None:
        if self.journal is not None:
            with self.journal.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(entry) + "\n")
                lines.flush()
                if "most" in entry:
                    os.fsync(lines.fileno())

    def _replay(self, lines: list[str]) -> None:
        open_calls: dict[int, int] = {}
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # a line cut short by a kill: its call stays open and is counted at its most below
            if "most" in entry:
                self._usage.calls = entry["call"]
                open_calls[entry["call"]] = entry["most"]
            elif entry["call"] in open_calls:
                self._apply(entry, open_calls.pop(entry["call"]))
        for number, most in open_calls.items():
            self._apply({"call": number, "failed": True, "unreported": True}, most)
            self._write({"call": number, "failed": True, "unreported": True})


def _named(model: str | None) -> dict[str, str]:
    """In the journal, for a call of another model than the run's own."""
    return {} if model is None else {"model": model}
