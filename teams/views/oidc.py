"""The way out to the university's sign-in service, and back."""

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET

from teams import lms_sessions, oidc
from teams.access import public_view
from teams.services import outside_sign_in, throttle
from teams.services.outside_sign_in import SignInRefused
from teams.views.sign_in import BACKEND, place, too_many

NEXT = "oidc_next"
AWAY_SECONDS = 1800


@public_view
@require_GET
def oidc_start(request: HttpRequest) -> HttpResponse:
    """Off to the provider; `next` is where to go afterwards."""
    if not oidc.configured():
        return _refused(
            request, "Signing in through another service is not set up on this platform."
        )
    try:
        throttle.count("outside-sign-in", place=place(request))
        answer = oidc.send_to_provider(request)
    except throttle.TooMany as error:
        return too_many(request, error)
    except SignInRefused as error:
        return _refused(request, str(error))
    request.session[NEXT] = request.GET.get("next", "")[:1000]
    if not request.user.is_authenticated:
        request.session.set_expiry(
            AWAY_SECONDS
        )  # a row for each stranger who presses the button must not stay for weeks
    return answer


@public_view
@require_GET
def oidc_callback(request: HttpRequest) -> HttpResponse:
    """Back from the provider: signed in, or told why not."""
    if not oidc.configured():
        return _refused(
            request, "Signing in through another service is not set up on this platform."
        )
    try:
        claims = oidc.claims_of(request)
        person = outside_sign_in.enter(claims)
    except SignInRefused as error:
        return _refused(request, str(error))
    wanted = request.session.pop(NEXT, "")
    request.session.set_expiry(None)
    login(request, person, backend=BACKEND)
    lms_sessions.release(request)
    if not person.memberships.exists():
        messages.success(request, "You are signed in. Next: enter the code of your course.")
    inside = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return redirect(wanted if inside else "home")


def _refused(request: HttpRequest, said: str) -> HttpResponse:
    return render(request, "teams/oidc_refused.html", {"said": said}, status=400)
