"""What a request carries, held to its limit before it is kept anywhere.

Django reads a body to its end, into a file where it is long, before it looks at the address or at who is asking. Here
the first 64 kB are read as ever. Who sends or announces more is looked at first: the address, the session, the access
rule of the view. What is too long is refused in words and read no further than a browser needs to show them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import Resolver404, ResolverMatch, resolve

from teams import access, impersonation
from teams.body_limits import FORM_AROUND, MEMBER, STRANGER, limit_for
from teams.models import User

START_SECONDS = 30  # within which the first 64 kB have come
SILENT_SECONDS = 60  # between two parts of a longer one
LINGER_SECONDS = 5.0
LINGER_BYTES = 32 * 1024 * 1024

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyRefused(Exception):
    """The request is not read to its end. The text says why, for the person; `status` for the machine."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


class Body:
    """Counts what comes, and asks `allowed` for the limit once it is more than anybody may send. Raises BodyRefused."""

    def __init__(
        self, scope: Message, receive: Receive, allowed: Callable[[], Awaitable[int]]
    ) -> None:
        self._receive, self._allowed = receive, allowed
        self._announced = _length(scope)
        self._begun = monotonic()
        self._size, self._limit, self._whole = 0, STRANGER, False

    async def check_announced(self) -> None:
        """Refuse by Content-Length, before one byte is read: a client that asked may be told to go on at all."""
        await self._hold(self._announced)

    async def __call__(self) -> Message:
        """As ASGI's `receive`."""
        if self._whole:
            return await self._receive()
        message = await self._in_time()
        self._size += len(message.get("body", b""))
        await self._hold(self._size)
        self._whole = not message.get("more_body", False)
        return message

    async def _hold(self, size: int) -> None:
        if size > self._limit:
            self._limit = max(self._limit, await self._allowed())
        if size > self._limit:
            raise BodyRefused(413, too_long(self._limit))

    async def _in_time(self) -> Message:
        short = self._limit == STRANGER
        patience = START_SECONDS - (monotonic() - self._begun) if short else SILENT_SECONDS
        try:
            async with asyncio.timeout(max(0.0, patience)):
                return await self._receive()
        except TimeoutError:
            said = "What you sent did not arrive in time, and nothing was saved. Check your connection and send it again."
            raise BodyRefused(408, said) from None


def too_long(limit: int) -> str:
    """The size as the form says it, without the room for the form's other fields."""
    shown = limit - FORM_AROUND if limit > MEMBER else limit
    said = f"This page takes at most {filesizeformat(shown)} at once, and more was sent. Nothing was saved. "
    if limit == STRANGER:
        return said + "Sign in first if you are not, or make it smaller, and send it again."
    return said + "Go back, make it smaller, and send it again."


def _length(scope: Message) -> int:
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(given) if given.isdigit() else 0


def bytes_for(request: HttpRequest) -> int:
    """How much whoever asks may send to this address. Reads the session and the access rule's rows."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return STRANGER
    rule = getattr(match.func, "access_rule", None)
    if rule is None:
        return STRANGER
    public = rule.access is access.Access.PUBLIC
    return limit_for(match.func, admitted=_is_admitted(request, rule, match), public=public)


def _is_admitted(request: HttpRequest, rule: access.AccessRule, match: ResolverMatch) -> bool:
    """By what the view says itself of its callers, else by its access rule."""
    admits = getattr(getattr(match.func, "body_limit", None), "admits", None)
    if admits is not None:
        return bool(admits(request))
    if rule.access is access.Access.PUBLIC:
        return True
    return _know(request) and access.lets_in(request, rule, dict(match.kwargs))


def _know(request: HttpRequest) -> bool:
    """Put session and person on the request. False for strangers, and for those who only look as another person."""
    from importlib import import_module

    store = import_module(settings.SESSION_ENGINE).SessionStore
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    request.session = store(key)
    if impersonation.SESSION_KEY in request.session:
        return False
    person = get_user(request)
    if not isinstance(person, User):
        return False
    request.user = person
    return True


def refusal(request: HttpRequest, refused: BodyRefused) -> HttpResponse:
    """In words; in JSON for programs, which have no page to show them on."""
    if request.path_info.startswith("/v1/"):
        error = {
            "message": refused.said,
            "type": "invalid_request_error",
            "code": "request_too_large",
            "param": None,
        }
        return JsonResponse({"error": error}, status=refused.status)
    return render(request, "413.html", {"said": refused.said}, status=refused.status)


class RefusedBodyMiddleware:
    """Answers what `Body` refused: behind the session, so that the page knows its reader, and before any view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused: BodyRefused | None = getattr(request, "body_refused", None)
        return self.get_response(request) if refused is None else refusal(request, refused)


class LastWords:
    """ASGI's `send` for a refusal. The connection is closed after it, because the rest of the body is still on its way;
    and not before a little of that was read, because a browser that cannot send does not look for an answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send

    async def __call__(self, message: Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._read_on()
        await self._send({"type": "http.response.body", "body": b""})

    async def _read_on(self) -> None:
        read = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while read < LINGER_BYTES:
                    message = await self._receive()
                    read += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get(
                        "more_body", False
                    ):
                        return
        except TimeoutError:
            return


def mark(request: ASGIRequest, refused: BodyRefused) -> None:
    request.body_refused = refused  # type: ignore[attr-defined]
