"""Wherever something does not fit on the disk, the person is told on the page they came from."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from teams.services.disk import DiskFull


class FullDiskMiddleware:
    """The views that take a file show the refusal in their form; all others need not think of it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, DiskFull):
            return None
        messages.error(request, str(exception))
        came_from = request.headers.get("Referer", "")
        ours = url_has_allowed_host_and_scheme(
            came_from, {request.get_host()}, require_https=request.is_secure()
        )
        back = urlsplit(came_from).path if ours else "/"
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": back})
        return redirect(back)
