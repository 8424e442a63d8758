"""Asks a model: each request is sent as it was prepared. An answer comes, or CallFailed, which says what it may cost.

Here for workers, which wait for a whole answer; `stream` is for the web process, which has answers on their way.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from teams.services import outgoing
from teams.services.outgoing import GUARDED
from training.services.calls.outcome import NO_ANSWER, CallFailed, Outcome, failed, refused
from training.services.calls.prepare import PreparedCall
from training.services.calls.purse import Purse, Unanswered
from training.services.calls.usage import TokenUsage, usage_of

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 90.0  # between two pieces of an answer
WAIT_SECONDS = 2.0  # before the second try; longer before each further one
LASTING = frozenset({400, 401, 403, 404})  # refusals that asking again does not change


@dataclass(frozen=True)
class Answer:
    """`usage` as the provider counted it, else as we did."""

    text: str
    usage: TokenUsage


class NotPaidFor(Exception):
    """The purse does not pay for this call, so it was not made."""


def request_of(
    web: httpx.Client | httpx.AsyncClient,
    call: PreparedCall,
    *,
    stream: bool,
    seconds: float | None = None,
) -> httpx.Request:
    """`seconds` of silence that are waited for. Raises CallFailed for what cannot even be written down as a request."""
    endpoint = call.endpoint
    silence = SILENCE_SECONDS if seconds is None else seconds
    headers = {"Authorization": f"Bearer {endpoint.api_key or 'none'}"}
    if (
        endpoint.upstream is not None
    ):  # for the program server on this machine, which asks that provider
        headers |= {
            "X-Provider-Address": endpoint.upstream.base_url,
            "X-Provider-Key": endpoint.upstream.api_key,
            "X-Provider-Addresses": ",".join(endpoint.upstream.addresses),
        }
    try:
        return web.build_request(
            "POST",
            f"{endpoint.base_url.rstrip('/')}/chat/completions",
            json=call.body(stream=stream),
            headers=headers,
            timeout=httpx.Timeout(silence, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            extensions={GUARDED: endpoint.guarded},
        )
    except NO_ANSWER as error:
        raise CallFailed(Outcome.NEVER_REACHED) from error


@contextmanager
def connected() -> Iterator[httpx.Client]:
    """Connections for a worker's calls, several at once. A call is never repeated or sent elsewhere behind our back."""
    with httpx.Client() as web:
        yield web


def ask(
    web: httpx.Client,
    call: PreparedCall,
    *,
    purse: Purse,
    tries: int = 1,
    seconds: float | None = None,
) -> Answer:
    """One answer. Each try is paid for out of the purse before it is made: one that got no answer may be charged for.

    Raises CallFailed, and NotPaidFor where not even the first try was paid for. What may be charged for all the same is
    written down in the purse.
    """
    if not purse.take(call.most):
        raise NotPaidFor
    for attempt in range(1, tries + 1):
        try:
            return _answer(web, call, seconds)
        except CallFailed as trouble:
            keep_account(purse, call, trouble)
            lasting = trouble.status in LASTING or trouble.nonsense
            if attempt == tries or lasting or not purse.take(call.most):
                raise
            time.sleep(WAIT_SECONDS * attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def keep_account(purse: Purse, call: PreparedCall, trouble: CallFailed) -> None:
    """What may be charged for stays taken, and is written down; the rest is there for the next call."""
    if trouble.usage is None and trouble.outcome is not Outcome.LOST:
        purse.put_back(call.most)
        return
    purse.write_down(Unanswered(call, trouble.usage))
    if trouble.usage is not None:
        purse.put_back(call.most - call.cost(trouble.usage))


def _answer(web: httpx.Client, call: PreparedCall, seconds: float | None) -> Answer:
    request = request_of(web, call, stream=False, seconds=seconds)
    try:
        response = (outgoing.shared_client() if call.endpoint.guarded else web).send(request)
    except NO_ANSWER as error:
        raise failed(error) from error
    if not response.is_success:
        raise refused(response)
    return whole_answer(response, call)[1]


def whole_answer(response: httpx.Response, call: PreparedCall) -> tuple[dict[str, Any], Answer]:
    """What a response that was read says, and the answer in it. Raises CallFailed where there is none."""
    usage = None
    try:
        said = response.json()
        usage = usage_of(said.get("usage"))
        text = _text_in(said.get("choices"), counted=usage is not None)
    except NO_ANSWER as error:
        raise failed(error, usage=usage) from error
    return said, Answer(text, usage or call.counted_here(text))


def _text_in(choices: Any, *, counted: bool) -> str:
    """`counted`: the provider said what it used, so that no answer at all is an answer too."""
    if counted and not choices:
        return ""
    text = choices[0]["message"].get("content")
    if text is not None and not isinstance(text, str):
        raise TypeError("an answer that is no text")
    return text or ""
