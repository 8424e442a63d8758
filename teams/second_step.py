"""Between the password and the platform: whoever has a second factor shows it before any page is served.

One place holds this for every way in (password, mailed link, university, LMS): a session of a person with a second factor
that does not carry the mark of it reaches the page that asks for it, and nothing else.
"""

from collections.abc import Callable
from time import time
from typing import Any, cast

from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from teams import impersonation
from teams.models import Membership, SignedInBrowser, User
from teams.services import second_factor

SHOWN = "second_factor"  # in the session: the mark, and when
BROWSER = "signed_in_browser"  # in the session: the row, the key that it names, when it was last written
FRESH_SECONDS = 15 * 60
SEEN_EVERY = 300  # seconds
SAFE = ("GET", "HEAD", "OPTIONS")
LED = frozenset(
    {
        "course_edit", "course_new", "course_prices", "course_providers", "course_provider", "team_settings",
        "platform_providers", "platform_provider", "run_new", "sweep_new", "deployment_new", "conversation_new",
        "grading_detail", "grading_commit", "hearing_detail", "grade_release", "grades_release_all", "grade_adjudicate",
    }
)  # fmt: skip
"""Pages that are there to spend, price, grade or release: one is led to set-up before one fills them in."""


class SecondFactorNeeded(Exception):
    """The course's or the platform's rule asks for a second factor, and this person has none yet."""


def is_shown(request: HttpRequest) -> bool:
    """This session's person has a second factor and showed it."""
    person = cast(User, request.user)
    mark = second_factor.mark_of(person)
    return bool(mark) and request.session.get(SHOWN, ["", 0])[0] == mark


def is_fresh(request: HttpRequest) -> bool:
    """It was shown in the last quarter of an hour: enough to change how this account signs in."""
    return is_shown(request) and time() - request.session[SHOWN][1] < FRESH_SECONDS


def shown(request: HttpRequest) -> None:
    """The person showed the second factor just now. The session gets a new key."""
    request.session.cycle_key()
    request.session[SHOWN] = [second_factor.mark_of(cast(User, request.user)), int(time())]


def check_membership(request: HttpRequest, membership: Membership) -> None:
    """Raises SecondFactorNeeded where the course's rule is not met and the request would change something."""
    if _concerns(request) and not is_shown(request) and second_factor.needed_by(membership):
        raise SecondFactorNeeded


def check_platform(request: HttpRequest) -> None:
    """The same for the pages of those who run the platform, and for making courses."""
    if not _concerns(request) or is_shown(request):
        return
    if second_factor.needed_on_platform(cast(User, request.user)):
        raise SecondFactorNeeded


def _concerns(request: HttpRequest) -> bool:
    if impersonation.SESSION_KEY in request.session:
        return False  # it can change nothing
    match = request.resolver_match
    return request.method not in SAFE or (match is not None and match.url_name in LED)


class SecondStepMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        timezone.deactivate()  # the thread's last request may have been in a course of another zone
        person = request.user
        if not isinstance(person, User):
            return self.get_response(request)
        if not _still_signed_in(request):
            logout(request)
            return _go(request, reverse("sign_in"))
        passed = person.second_factor_at is None or is_shown(request)
        if (
            passed
            or impersonation.SESSION_KEY in request.session
            or request.path in _waiting_room()
        ):
            return self.get_response(request)
        return _go(request, f"{reverse('second_step')}?{urlencode({'next': _back(request)})}")

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, SecondFactorNeeded):
            return None
        query = urlencode({"next": _back(request), "needed": "1"})
        return _go(request, f"{reverse('account_security')}?{query}")


def _waiting_room() -> tuple[str, str]:
    """What somebody reaches who showed the password only."""
    return reverse("second_step"), reverse("sign_out")


def _back(request: HttpRequest) -> str:
    """Where to go on afterwards: a page, never an address that only takes a form."""
    if request.method not in SAFE or request.headers.get("HX-Request"):
        return ""
    return request.get_full_path()[:1000]


def _go(request: HttpRequest, where: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": where})
    return redirect(where)


# --- The list of browsers ----------------------------------------------------------------------------------------------


@receiver(user_logged_in)
def note_browser(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Each sign-in, whichever way: one row that its owner sees and can end. Looking as another person is none."""
    if getattr(request, "looks_as_another", False):
        return
    made = SignedInBrowser.objects.create(
        person=user,
        session_key=request.session.session_key or "",
        browser=request.headers.get("User-Agent", "")[:200],
        address=request.META.get("REMOTE_ADDR", "")[:45],
    )
    request.session[BROWSER] = [made.pk, made.session_key, int(time())]


def key_in_list(request: HttpRequest) -> str:
    """By which key the list of browsers knows this session; empty where it does not."""
    known = request.session.get(BROWSER)
    return str(known[1]) if known else ""


@receiver(user_logged_out)
def forget_browser(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    known = request.session.get(BROWSER)
    if known is not None:
        SignedInBrowser.objects.filter(pk=known[0]).delete()


def _still_signed_in(request: HttpRequest) -> bool:
    """False where the owner signed this browser out. Writes at most each five minutes when it was last here."""
    known = request.session.get(BROWSER)
    if known is None:
        return True
    number, key, seen = known
    now = int(time())
    if key == request.session.session_key and now - seen < SEEN_EVERY:
        return True
    row = SignedInBrowser.objects.filter(pk=number)
    changed = row.update(
        session_key=request.session.session_key or "",
        seen_at=timezone.now(),
        address=request.META.get("REMOTE_ADDR", "")[:45],
    )
    request.session[BROWSER] = [number, request.session.session_key, now]
    return bool(changed)
