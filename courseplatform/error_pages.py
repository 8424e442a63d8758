"""Addresses that lead nowhere answer with a page in words, whichever part of the platform stumbled over them."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

BIGGEST_ID = 2**63 - 1


class LostPageMiddleware:
    """Not found for what no database holds; a way back from an address that only takes what a form sends."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return render(request, "404.html", status=404)  # PostgreSQL keeps no such letter
        response = self.get_response(request)
        opened = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if response.status_code == 405 and opened:
            page = render(request, "405.html", status=405)
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """SQLite cannot even be asked for a number beyond 64 bits."""
        assert request.resolver_match is not None, "only a view raises here"
        numbers = [
            value for value in request.resolver_match.kwargs.values() if isinstance(value, int)
        ]
        if isinstance(error, OverflowError) and any(number > BIGGEST_ID for number in numbers):
            return render(request, "404.html", status=404)
        return None
