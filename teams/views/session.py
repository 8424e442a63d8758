"""Whether the person who works on an open page is still the one who is signed in."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from teams.access import SignedInRequest, public_view, signed_in_view
from teams.models import User


@public_view
@never_cache
@require_GET
def session_state(request: HttpRequest) -> JsonResponse:
    """`person`: the mark that pages carry, empty for nobody; `csrf`: a token for the forms of an open page."""
    person = request.user.page_mark if isinstance(request.user, User) else ""
    return JsonResponse({"person": person, "csrf": get_token(request)})


@signed_in_view
@require_GET
def session_back(request: SignedInRequest) -> HttpResponse:
    """Where a sign-in in a second window ends: the first one goes on by itself."""
    return render(request, "teams/session_back.html")
