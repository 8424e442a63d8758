"""Wherever storage cannot give or take a file, the person is told in words, and nobody is blamed for it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from teams.services.storage.shelves import CannotGive, StorageAway

RETRY_SECONDS = "60"


class StorageAwayMiddleware:
    """A page with status 503 in place of an error: what was sent was not kept, and what was asked for is not lost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, CannotGive):
            return None
        context = {"sent": request.method == "POST", "away": isinstance(exception, StorageAway)}
        page = render(request, "storage_away.html", context, status=503)
        page["Retry-After"] = RETRY_SECONDS
        return page
