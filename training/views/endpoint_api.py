"""`/v1`: a team's deployed bots for any OpenAI client. Every call is held for, metered and settled."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TypeVar

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
from training.services.calls import stream
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.stream import AnswerOnItsWay
from training.services.calls.usage import TokenUsage
from training.services.deleted import RunDeleted
from training.services.deployments import DayIsSpent, TooManyCalls
from training.services.endpoint_api import MOST_BYTES, ApiError, Asked, asked, read_body
from training.services.endpoint_places import places
from training.views.openai_api.answering import key_of, refusal

Done = TypeVar("Done")


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
    coming = await _begun(call, wanted)
    return _Stream(coming, call, wanted) if wanted.stream else await _whole(coming, call, wanted)


class _Stream(StreamingHttpResponse):
    """The answer on its way to the caller. Where they hung up before the first piece, `close` ends the call."""

    def __init__(self, coming: AnswerOnItsWay, call: EndpointCall, wanted: Asked) -> None:
        self._loop, self._begun = asyncio.get_running_loop(), False
        self._coming, self._call, self._wanted = coming, call, wanted
        super().__init__(
            self._streamed(),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    def close(self) -> None:
        super().close()
        if not self._begun and self._loop.is_running():
            self._begun = True
            asyncio.run_coroutine_threadsafe(self._end(None), self._loop)

    async def _streamed(self) -> AsyncIterator[bytes]:
        """Settled whatever ends it: the answer's end, the provider breaking off, or the caller going away."""
        self._begun, failed = True, None
        try:
            async with aclosing(self._coming.pieces()) as pieces:
                async for _, chunk in pieces:
                    if chunk.get("choices") or self._wanted.usage_wanted:
                        yield f"data: {json.dumps(chunk | {'model': self._wanted.model})}\n\n".encode()
            yield b"data: [DONE]\n\n"
        except CallFailed as error:
            failed = error
            yield f"data: {json.dumps(_broke_off().body)}\n\n".encode()
        finally:
            await _to_its_end(self._end(failed))

    async def _end(self, failed: CallFailed | None) -> None:
        if failed is not None:
            await _fail(self._call, self._wanted, failed)
        else:
            status = CallStatus.DONE if self._coming.whole else CallStatus.BROKEN
            await _close(self._call, status, self._coming.used())
        await self._coming.aclose()


def _open(request: HttpRequest, key: EndpointKey) -> tuple[EndpointCall, Asked]:
    body = read_body(request.body)
    run = deployments.deployed(key.team, body["model"], trains=key.trains)
    if run is None:
        said = "Your team has not deployed such a model: GET /v1/models lists those that answer."
        raise ApiError(404, said, code="model_not_found", param="model")
    try:
        wanted = asked(body, run)
        call = deployments.open_call(
            key=key, run=run, most=wanted.call.most, streamed=wanted.stream
        )
    except (BudgetRefused, DayIsSpent) as refused:
        raise ApiError(
            402, str(refused), kind="insufficient_quota", code="insufficient_quota"
        ) from refused
    except PriceUnknown as unknown:
        raise ApiError(
            402, str(unknown), kind="insufficient_quota", code="price_unknown"
        ) from unknown
    except RunDeleted as gone:
        raise ApiError(404, str(gone), code="model_not_found", param="model") from gone
    except TooManyCalls as many:
        raise ApiError(
            429, str(many), kind="requests", code="rate_limit_exceeded", wait=many.wait
        ) from many
    return call, wanted


async def _opened(request: HttpRequest, key: EndpointKey) -> tuple[EndpointCall, Asked]:
    opening = asyncio.ensure_future(sync_to_async(_open)(request, key))
    try:
        return await _to_its_end(opening)
    except asyncio.CancelledError:
        if not opening.cancelled() and opening.exception() is None:
            call, wanted = opening.result()
            await _fail(call, wanted, CallFailed(Outcome.NEVER_REACHED))
        raise


async def _to_its_end(work: Awaitable[Done]) -> Done:
    """`work`, which is done whole even where the caller hangs up meanwhile: that is raised when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _begun(call: EndpointCall, wanted: Asked) -> AnswerOnItsWay:
    """Raises ApiError where no answer begins; the call is closed then."""
    try:
        return await stream.begin(wanted.call, stream=wanted.stream)
    except asyncio.CancelledError:
        await _fail(call, wanted, CallFailed(Outcome.LOST))
        raise
    except CallFailed as failed:
        await _fail(call, wanted, failed)
        raise _in_words(failed) from failed


def _in_words(failed: CallFailed) -> ApiError:
    """A refusal costs nothing, unless it says what was used: a DSPy program's model was asked, and its answer no use."""
    if failed.usage is not None:
        said = "The bot's answer was not in the form that its program wants. The model was asked, which is charged."
        return ApiError(502, said, kind="server_error", code="answer_out_of_format")
    if failed.outcome is Outcome.REFUSED:
        status = 429 if failed.status == 429 else 502
        said = "The model's server refused. Nothing was charged. Try again later."
        return ApiError(status, said, kind="server_error")
    said = (
        "The model's server took too long."
        if failed.slow
        else "The model's server does not answer at the moment."
    )
    return ApiError(504 if failed.slow else 503, f"{said} Try again later.", kind="server_error")


def _broke_off() -> ApiError:
    return ApiError(
        502, "The answer broke off. It may be charged all the same.", kind="server_error"
    )


async def _whole(coming: AnswerOnItsWay, call: EndpointCall, wanted: Asked) -> JsonResponse:
    try:
        said, answer = await coming.read()
    except asyncio.CancelledError:
        await _fail(call, wanted, CallFailed(Outcome.LOST))
        raise
    except CallFailed as failed:
        await _fail(call, wanted, failed)
        return refusal(_broke_off())
    finally:
        await coming.aclose()
    await _close(call, CallStatus.DONE, answer.usage)
    return JsonResponse(said | {"model": wanted.model})


async def _close(call: EndpointCall, status: CallStatus, usage: TokenUsage) -> None:
    await _to_its_end(
        sync_to_async(deployments.close_call)(call=call, status=status, usage=usage)
    )


async def _fail(call: EndpointCall, wanted: Asked, failed: CallFailed) -> None:
    closing = sync_to_async(deployments.close_call)(
        call=call,
        status=CallStatus.FAILED,
        usage=failed.usage,
        outcome=failed.outcome,
        at_most=wanted.call.at_most(),
    )
    await _to_its_end(closing)
