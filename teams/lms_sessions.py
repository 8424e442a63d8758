"""A session that began in the LMS of one course opens that course, and nothing else of the person's.

Whoever runs such an LMS can sign a message about anybody. An instructor connects one for a course of theirs, and so must
not come by it into the courses of others, whoever their people are. A connection of the whole platform is trusted as the
university's sign-in service is.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from teams.access import Access, AccessRule
from teams.models import LmsConnection, Membership, Team, User

SESSION_KEY = "lms_course"
BACKEND = "django.contrib.auth.backends.ModelBackend"
EVERYWHERE = frozenset(
    {
        "guide",
        "guide_topic",
        "session_back",
        "notice_bell",
        "impersonate_stop",
        "address",
        "address_confirm",
        "second_step",
    }
)
"""Pages for everybody who is signed in that show nothing of another course."""
OWNERS = frozenset(
    {"account_security", "totp_new", "passkey_new", "factor_change", "browser_end"}
)
"""How the account signs in: not even who is in this course alone gives that out of hand to whoever runs its LMS."""


def sign_in(request: HttpRequest, person: User, connection: LmsConnection) -> None:
    """Begin a session by a launch. Who is signed in as this person already stays as free as before."""
    if request.user.is_authenticated and request.user.pk == person.pk:
        if SESSION_KEY in request.session:
            _confine(request, connection)
        return
    login(request, person, backend=BACKEND)
    _confine(request, connection)


def release(request: HttpRequest) -> None:
    """The person signed in by something that is theirs alone: a password, a mailed link, the university."""
    request.session.pop(SESSION_KEY, None)


def _confine(request: HttpRequest, connection: LmsConnection) -> None:
    if connection.course_id is None:
        release(request)
    else:
        request.session[SESSION_KEY] = connection.course_id


class OneCourseMiddleware:
    """Refuses every page of another course, and those that show several, to a session that is confined to one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        only = request.session.get(SESSION_KEY)
        if only is None or not request.user.is_authenticated:
            return None
        rule: AccessRule | None = getattr(view, "access_rule", None)
        if rule is None or rule.access is Access.PUBLIC or _is_inside(rule, only, kwargs):
            return None
        name = request.resolver_match.url_name if request.resolver_match else ""
        if name == "home":
            return redirect("course_home", course_id=only)
        if rule.access is Access.SIGNED_IN and (
            name in EVERYWHERE or _has_no_other(request, only)
        ):
            return None
        return render(request, "teams/lms_one_course.html", {"only": only}, status=403)


def is_confined(request: HttpRequest) -> bool:
    return SESSION_KEY in request.session


def _has_no_other(request: HttpRequest, only: int) -> bool:
    return (
        not Membership.objects.filter(person_id=request.user.pk).exclude(course_id=only).exists()
    )


def _is_inside(rule: AccessRule, only: int, kwargs: dict[str, Any]) -> bool:
    if rule.scope == "course":
        return bool(kwargs.get("course_id") == only)
    if rule.scope == "team":
        return Team.objects.filter(pk=kwargs["team_id"], course_id=only).exists()
    return False
