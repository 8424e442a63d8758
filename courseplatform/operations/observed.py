"""Each request gets an id, which the log and the answer name, and is counted by the name of its page."""

import re
import uuid
from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponseBase

from courseplatform.operations import measured
from teams import log_context

HEADER = "X-Request-ID"
USABLE = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


class ObservedRequestMiddleware:
    """First of all: what others refuse is counted too.

    An id that came with the request is kept, so that a line of nginx and one of ours can be brought together; it is
    only ever text in a log, and anything but letters, digits and dashes is replaced.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        known = given if USABLE.match(given) else uuid.uuid4().hex
        token = log_context.REQUEST.set(known)
        began = perf_counter()
        try:
            response = self.get_response(request)
        finally:
            log_context.REQUEST.reset(token)
        response[HEADER] = known
        match = request.resolver_match
        # The page's name, never its address: addresses hold ids without end.
        view = (match.url_name if match else "") or "none"
        measured.request_answered(view, response.status_code, perf_counter() - began)
        return response
