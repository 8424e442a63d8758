"""For load balancers and monitoring, which have no account."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from courseplatform.operations import facts, measured, readiness
from teams.access import public_view

REFUSED = "Metrics are for addresses in METRICS_ALLOWED, and for who sends METRICS_TOKEN as a bearer token.\n"
assert facts  # what it registers is told by `metrics`


@public_view
@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process lives. Asks nobody else: a database that is away is no reason to restart it.

    Under the server it is answered in the event loop (`courseplatform.handler`), also while all threads wait.
    """
    return HttpResponse("ok\n", content_type="text/plain")


@public_view
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 where people can be sent here, else 503 with the names of what is not ready.

    `?exclude=redis` leaves a check out, more than one with commas: pages work without Redis. Why it is not ready is
    said only to who sends a token, as /healthz does.
    """
    left_out = request.GET.get("exclude", "").split(",")
    troubles = [answer for answer in readiness.ask(left_out, again=False) if not answer.ready]
    said: dict[str, object] = {"status": "not ready" if troubles else "ready"}
    if troubles:
        said["not_ready"] = [answer.name for answer in troubles]
    if sends_a_token(request):
        said["version"] = settings.VERSION
        said["why"] = {answer.name: f"{answer.trouble} {answer.fix}" for answer in troubles}
    answer = JsonResponse(said, status=503 if troubles else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # asked every few seconds: no line of the log each time
    return answer


@public_view
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """In Prometheus' text format. 403 for everybody who is not named."""
    if not (sends_a_token(request) or _comes_from_an_allowed_address(request)):
        return HttpResponse(REFUSED, status=403, content_type="text/plain")
    return HttpResponse(generate_latest(measured.registry), content_type=CONTENT_TYPE_LATEST)


def sends_a_token(request: HttpRequest) -> bool:
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    good = [token for token in (settings.METRICS_TOKEN, settings.SERVICE_TOKEN) if token]
    return any(constant_time_compare(sent, token) for token in good)


def _comes_from_an_allowed_address(request: HttpRequest) -> bool:
    """Who came through a proxy that is not trusted comes from the proxy's address: that says nothing of the asker."""
    address = request.META.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded")
    if forwarded and address not in forwarded:
        return False
    try:
        asking = ip_address(address)
        return any(asking in ip_network(one, strict=False) for one in settings.METRICS_ALLOWED)
    except ValueError:
        return False
