"""`/v1`: a team's deployed bots for any OpenAI client. Every call is held for, metered and settled."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import TypeVar

import httpx
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from teams.access import public_view
from teams.body_limits import takes_up_to
from teams.services.money import BudgetRefused
from teams.services.prices import PriceUnknown
from training.models import CallStatus, EndpointCall, EndpointKey
from training.services import deployments
from training.services.calls.usage import TokenUsage, usage_in, usage_of
from training.services.deleted import RunDeleted
from training.services.deployments import DayIsSpent, TooManyCalls
from training.services.endpoint_api import (
    MOST_BYTES,
    NEVER_REACHED,
    TIMEOUT,
    Answer,
    ApiError,
    Asked,
    asked,
    pieces,
    read_body,
)
from training.services.endpoint_places import places
from training.views.openai_api.answering import key_of, refusal

Done = TypeVar("Done")
BROKEN = (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError)


@public_view
@csrf_exempt
@require_POST
@takes_up_to(MOST_BYTES)
async def endpoint_chat(request: HttpRequest) -> HttpResponseBase:
    """One answer of a deployed bot, whole or streamed."""
    try:
        key = await sync_to_async(key_of)(request)
        with places.one_for(key.team_id):
            return await _answer(request, key)
    except ApiError as error:
        return refusal(error)


async def _answer(request: HttpRequest, key: EndpointKey) -> HttpResponseBase:
    call, wanted = await _opened(request, key)
    web = httpx.AsyncClient(
        timeout=TIMEOUT, headers={"Authorization": f"Bearer {wanted.call.endpoint.api_key or 'none'}"}
    )
    try:
        response = await _send(web, call, wanted)
    except BaseException:
        await web.aclose()
        raise
    if not wanted.stream:
        return await _whole(web, response, call, wanted)
    return _Stream(web, response, call, wanted)


class _Stream(StreamingHttpResponse):
    """The answer on its way to the caller. Where they hung up before the first piece, `close` ends the call."""

    def __init__(self, web: httpx.AsyncClient, response: httpx.Response, call: EndpointCall, wanted: Asked) -> None:
        self._loop, self._answer = asyncio.get_running_loop(), Answer()
        self._end = partial(_end, web, response, call, wanted, self._answer, failed=False)
        super().__init__(
            _streamed(web, response, call, wanted, self._answer),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    def close(self) -> None:
        super().close()
        if not self._answer.begun and self._loop.is_running():
            self._answer.begun = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)


def _open(request: HttpRequest, key: EndpointKey) -> tuple[EndpointCall, Asked]:
    body = read_body(request.body)
    run = deployments.deployed(key.team, body["model"], trains=key.trains)
    if run is None:
        said = "Your team has not deployed such a model: GET /v1/models lists those that answer."
        raise ApiError(404, said, code="model_not_found", param="model")
    try:
        wanted = asked(body, run)
        call = deployments.open_call(key=key, run=run, most=wanted.call.most, streamed=wanted.stream)
    except (BudgetRefused, DayIsSpent) as refused:
        raise ApiError(402, str(refused), kind="insufficient_quota", code="insufficient_quota") from refused
    except PriceUnknown as unknown:
        raise ApiError(402, str(unknown), kind="insufficient_quota", code="price_unknown") from unknown
    except RunDeleted as gone:
        raise ApiError(404, str(gone), code="model_not_found", param="model") from gone
    except TooManyCalls as many:
        raise ApiError(429, str(many), kind="requests", code="rate_limit_exceeded", wait=many.wait) from many
    return call, wanted


async def _opened(request: HttpRequest, key: EndpointKey) -> tuple[EndpointCall, Asked]:
    opening = asyncio.ensure_future(sync_to_async(_open)(request, key))
    try:
        return await _to_its_end(opening)
    except asyncio.CancelledError:
        if not opening.cancelled() and opening.exception() is None:
            call, wanted = opening.result()
            await _fail(call, wanted, maybe_billed=False)  # nobody was asked yet
        raise


async def _to_its_end(work: Awaitable[Done]) -> Done:
    """`work`, which is done whole even where the caller hangs up meanwhile: that is raised when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _send(web: httpx.AsyncClient, call: EndpointCall, wanted: Asked) -> httpx.Response:
    """Raises ApiError where no answer begins; the call is closed then."""
    try:
        sent = web.build_request(
            "POST", f"{wanted.call.endpoint.base_url.rstrip('/')}/chat/completions", json=wanted.body()
        )
        response = await web.send(sent, stream=True)
    except asyncio.CancelledError:
        await _fail(call, wanted, maybe_billed=True)
        raise
    except httpx.HTTPError as error:
        reached = not isinstance(error, NEVER_REACHED)
        await _fail(call, wanted, maybe_billed=reached)
        slow = isinstance(error, httpx.TimeoutException) and reached
        said = "The model's server took too long." if slow else "The model's server does not answer at the moment."
        raise ApiError(504 if slow else 503, f"{said} Try again later.", kind="server_error") from error
    if response.status_code != httpx.codes.OK:
        raise await _refused(response, call, wanted)
    return response


async def _refused(response: httpx.Response, call: EndpointCall, wanted: Asked) -> ApiError:
    """A refusal costs nothing, unless it says what was used: a DSPy program's model was asked, and its answer no use."""
    try:
        await response.aread()
        usage = usage_in(response)
    except asyncio.CancelledError:
        await _fail(call, wanted, maybe_billed=True)
        raise
    except httpx.HTTPError:
        usage = None
    finally:
        await response.aclose()
    if usage is not None:
        await _close(call, CallStatus.FAILED, usage)
        said = "The bot's answer was not in the form that its program wants. The model was asked, which is charged."
        return ApiError(502, said, kind="server_error", code="answer_out_of_format")
    await _fail(call, wanted, maybe_billed=False)
    status = 429 if response.status_code == 429 else 502
    return ApiError(status, "The model's server refused. Nothing was charged. Try again later.", kind="server_error")


async def _whole(web: httpx.AsyncClient, response: httpx.Response, call: EndpointCall, wanted: Asked) -> JsonResponse:
    try:
        said = json.loads(await response.aread())
        text = str(said["choices"][0]["message"]["content"] or "")
    except asyncio.CancelledError:
        await _fail(call, wanted, maybe_billed=True)
        raise
    except BROKEN:
        await _fail(call, wanted, maybe_billed=True)
        return refusal(ApiError(502, "The answer broke off. It may be charged all the same.", kind="server_error"))
    finally:
        await response.aclose()
        await web.aclose()
    usage = usage_of(said.get("usage")) or wanted.call.counted_here(text)
    await _close(call, CallStatus.DONE, usage)
    return JsonResponse(said | {"model": wanted.model})


async def _streamed(
    web: httpx.AsyncClient, response: httpx.Response, call: EndpointCall, wanted: Asked, answer: Answer
) -> AsyncIterator[bytes]:
    """Settled whatever ends it: the answer's end, the provider breaking off, or the caller going away."""
    answer.begun, failed = True, False
    try:
        async for piece in pieces(response, wanted, answer):
            yield piece
    except BROKEN:
        failed = True
        broken = ApiError(502, "The answer broke off. It may be charged all the same.", kind="server_error")
        yield f"data: {json.dumps(broken.body)}\n\n".encode()
    finally:
        await _to_its_end(_end(web, response, call, wanted, answer, failed=failed))


async def _end(
    web: httpx.AsyncClient, response: httpx.Response, call: EndpointCall, wanted: Asked, answer: Answer, *, failed: bool
) -> None:
    if failed and answer.usage is None:
        await _fail(call, wanted, maybe_billed=True)
    else:
        status = CallStatus.DONE if answer.whole else CallStatus.BROKEN
        await _close(call, status, answer.usage or wanted.call.counted_here(answer.text))
    await response.aclose()
    await web.aclose()


async def _close(call: EndpointCall, status: CallStatus, usage: TokenUsage) -> None:
    await _to_its_end(sync_to_async(deployments.close_call)(call=call, status=status, usage=usage))


async def _fail(call: EndpointCall, wanted: Asked, *, maybe_billed: bool) -> None:
    usage = TokenUsage(wanted.call.input_tokens, 0, wanted.call.max_tokens, exact=False)
    await _to_its_end(sync_to_async(deployments.fail_call)(call=call, usage=usage, maybe_billed=maybe_billed))
