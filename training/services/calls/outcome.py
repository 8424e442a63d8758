"""How one question to a model ended, and so what it may cost. Money is settled by this, never by a sentence for people."""

from enum import Enum

import httpx

from training.services.calls.usage import TokenUsage, usage_in

NEVER_REACHED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Errors after which the model's server cannot have had the question."""
NO_ANSWER = (
    httpx.HTTPError,
    httpx.InvalidURL,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""All that asking and reading raise where something else came than an answer: a page of HTML, half a document, nothing."""


class Outcome(Enum):
    """Of one question. The first two cost nothing, unless the refusal says what was used."""

    REFUSED = "refused"
    NEVER_REACHED = "never reached"
    LOST = "lost"  # the provider had the question, and may charge for it though no answer came
    ANSWERED = "answered"


class CallFailed(Exception):
    """No answer. `usage`: what the provider says that it used all the same. `status`: of a refusal.

    `slow`: it took too long. `nonsense`: something came that is no answer, so asking again is of no use.
    """

    def __init__(
        self,
        outcome: Outcome,
        *,
        status: int | None = None,
        usage: TokenUsage | None = None,
        slow: bool = False,
        nonsense: bool = False,
    ) -> None:
        super().__init__(f"{outcome.value}{f', status {status}' if status else ''}")
        self.outcome = outcome
        self.status = status
        self.usage = usage
        self.slow = slow
        self.nonsense = nonsense


def refused(response: httpx.Response) -> CallFailed:
    """For an answer that is an error; its body was read before."""
    return CallFailed(Outcome.REFUSED, status=response.status_code, usage=usage_in(response))


def failed(error: BaseException, *, usage: TokenUsage | None = None) -> CallFailed:
    """For one of NO_ANSWER. `usage`: what had been said before it was raised."""
    if isinstance(error, NEVER_REACHED):
        return CallFailed(Outcome.NEVER_REACHED)
    slow = isinstance(error, httpx.TimeoutException)
    nonsense = not isinstance(error, httpx.HTTPError)
    return CallFailed(Outcome.LOST, usage=usage, slow=slow, nonsense=nonsense)
