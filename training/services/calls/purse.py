"""One hold that pays for many calls, several at once: what has been taken for calls never passes what was held."""

import threading
from dataclasses import dataclass, field

from training.services.calls.prepare import PreparedCall
from training.services.calls.usage import TokenUsage


@dataclass(frozen=True)
class Unanswered:
    """A call that brought no answer and may be charged for all the same; `usage` where the provider said what it used."""

    call: PreparedCall
    usage: TokenUsage | None


@dataclass
class Purse:
    """`left`: micro-dollars that no call has been made with yet. Thread-safe."""

    left: int
    unanswered: list[Unanswered] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, amount: int) -> bool:
        """Before a call that may cost `amount`. False where that is not left: the call must not be made."""
        with self._lock:
            if amount > self.left:
                return False
            self.left -= amount
            return True

    def put_back(self, amount: int) -> None:
        """What a call turned out not to cost; never more than was taken for it."""
        with self._lock:
            self.left += max(0, amount)

    def write_down(self, one: Unanswered) -> None:
        """Its money stays taken, until it is known what the provider billed."""
        with self._lock:
            self.unanswered.append(one)
