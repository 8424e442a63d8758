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
    login(request, person, backend=BACKEND)
    User.objects.filter(pk=person.pk).update(
        last_login=entered
    )  # else the link of an invitation would be used up
    request.session[SESSION_KEY] = staff.pk


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
    login(request, staff, backend=BACKEND)
    return True


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
