"""Staff see the platform as another person does: to look, never to act, with a banner, and on record."""

from collections.abc import Callable
from typing import cast

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from teams.models import Course, User
from teams.services import audit

SESSION_KEY = "impersonator"
KEPT = "impersonator_kept"
OWN = ("second_factor", "signed_in_browser")
"""What the staff member's own session says of their sign-in (`teams.second_step`): it is theirs again afterwards."""
BACKEND = "django.contrib.auth.backends.ModelBackend"
SAFE = ("GET", "HEAD", "OPTIONS")


class CannotImpersonate(Exception):
    """The text says why."""


def start(request: HttpRequest, person: User) -> None:
    """Sign the staff member in as `person`, on record in each course of theirs. Raises CannotImpersonate."""
    staff = cast(User, request.user)
    if person.is_staff or person.is_superuser:
        raise CannotImpersonate("Nobody looks through the eyes of another member of the staff.")
    if not person.is_active:
        raise CannotImpersonate(f"The account of {person} is switched off.")
    _record(staff, person, "looks as this person")
    entered = person.last_login
    kept = {name: request.session[name] for name in OWN if name in request.session}
    _login(request, person)
    User.objects.filter(pk=person.pk).update(
        last_login=entered
    )  # else the link of an invitation would be used up
    request.session[SESSION_KEY] = staff.pk
    request.session[KEPT] = kept
    if "signed_in_browser" in kept:
        request.session["signed_in_browser"] = kept["signed_in_browser"]


def stop(request: HttpRequest) -> bool:
    """Back to oneself. False when nobody was impersonated, or the staff account is gone: then the session simply ends."""
    if SESSION_KEY not in request.session:
        return False
    staff = User.objects.filter(
        pk=request.session[SESSION_KEY], is_staff=True, is_active=True
    ).first()
    person = cast(User, request.user)
    if staff is None:
        request.session.flush()
        return False
    _record(staff, person, "no longer looks as this person")
    kept = request.session.get(KEPT, {})
    _login(request, staff)
    request.session.update(kept)
    return True


def _login(request: HttpRequest, person: User) -> None:
    """No sign-in of that person's: their list of browsers does not name it."""
    request.looks_as_another = True  # type: ignore[attr-defined]
    login(request, person, backend=BACKEND)


def _record(staff: User, person: User, action: str) -> None:
    courses: list[Course | None] = [
        membership.course for membership in person.memberships.select_related("course")
    ]
    for course in courses or [None]:
        audit.record(course=course, person=staff, action=action, what=str(person))


class ReadOnlyMiddleware:
    """While somebody looks as another person, nothing can be changed in that person's name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        allowed = (reverse("impersonate_stop"), reverse("sign_out"))
        if (
            request.method not in SAFE
            and SESSION_KEY in request.session
            and request.path not in allowed
        ):
            return render(request, "teams/impersonate_refused.html", status=403)
        return self.get_response(request)
