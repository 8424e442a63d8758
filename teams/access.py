"""The only place that decides who may enter. Every view declares one rule; a stranger gets 404, too low a role 403.

A team view receives the `Team`, a course view the `Course`, in place of the id in the URL. Queries inside go through
`.for_team(team)` or a course's own relations, so that what a view can reach is what this module let it reach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from teams import second_step
from teams.models import Course, Membership, Role, Team, User


class Access(StrEnum):
    PUBLIC = "public"
    SIGNED_IN = "signed in"
    COURSE_MAKER = "may create courses"
    STAFF = "runs the platform"
    READER = "anyone in the course, observers too"
    STUDENT = "anyone in the course but observers"
    PROFESSOR = "professor of the course"
    OBSERVER = "observer, assistant or instructor of the course"
    ASSISTANT = "assistant or instructor of the course"
    PRICES = "instructor of the course, or an assistant who may set budgets and prices"
    RELEASES = "instructor of the course, or an assistant who may release grades"
    DELETES = "instructor of the course, or an assistant who may delete"
    INSTRUCTOR = "instructor of the course"
    MEMBER = "member of the team, or who teaches its course"
    MEMBER_DELETES = "member of the team, or who may delete in its course"


TEACHERS = frozenset({Role.INSTRUCTOR, Role.ASSISTANT})
COURSE_ROLES: dict[Access, frozenset[str]] = {
    Access.READER: frozenset(Role),
    Access.STUDENT: frozenset(Role) - {Role.OBSERVER},
    Access.PROFESSOR: frozenset({Role.PROFESSOR, Role.INSTRUCTOR}),
    Access.OBSERVER: TEACHERS | {Role.OBSERVER},
    Access.ASSISTANT: TEACHERS,
    Access.INSTRUCTOR: frozenset({Role.INSTRUCTOR}),
}


def _admits(membership: Membership, access: Access) -> bool:
    """Of a course's page. What an assistant may beyond looking, the instructor ticked."""
    if access is Access.PRICES:
        return membership.prices
    if access is Access.RELEASES:
        return membership.releases
    if access is Access.DELETES:
        return membership.deletes
    return membership.role in COURSE_ROLES[access]


@dataclass(frozen=True)
class AccessRule:
    scope: str  # "site", "course" or "team"
    access: Access


class SignedInRequest(HttpRequest):
    """What a view may rely on once `teams.access` let the request in."""

    user: User
    htmx: HtmxDetails
    course: Course
    team: Team | None
    membership: Membership


View = Callable[..., Any]


def public_view(view: View) -> View:
    """Anyone, signed in or not."""
    view.access_rule = AccessRule("site", Access.PUBLIC)  # type: ignore[attr-defined]
    return login_not_required(view)


def signed_in_view(view: View) -> View:
    """Anyone with an account; the view itself must show only what is that person's own."""
    view.access_rule = AccessRule("site", Access.SIGNED_IN)  # type: ignore[attr-defined]
    return view


def attempted_email(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """For the sign-in lock: whose password is being tried. Capitals must not make it another person."""
    given = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(given).strip().lower()


def course_maker_view(view: View) -> View:
    """People whom the operator allowed to create courses (Django permission `teams.add_course`)."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
        if not cast(User, request.user).has_perm("teams.add_course"):
            raise PermissionDenied(
                "Your account may not create courses. Ask whoever runs this platform."
            )
        second_step.check_platform(request)
        return view(request, **kwargs)

    wrapped.access_rule = AccessRule("site", Access.COURSE_MAKER)  # type: ignore[attr-defined]
    return wrapped


def staff_view(view: View) -> View:
    """People who run the platform (`is_staff`)."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
        if not cast(User, request.user).is_staff:
            raise PermissionDenied("This page is for those who run the platform.")
        second_step.check_platform(request)
        return view(request, **kwargs)

    wrapped.access_rule = AccessRule("site", Access.STAFF)  # type: ignore[attr-defined]
    return wrapped


def _membership(request: HttpRequest, course_id: int) -> Membership:
    found = (
        Membership.objects.select_related("course", "team", "person")
        .filter(course_id=course_id, person_id=cast(User, request.user).pk, active=True)
        .first()
    )
    if found is None:
        raise Http404("No such course.")
    return found


def enter_course(request: HttpRequest, course_id: int, access: Access) -> Course:
    """Resolve the course and put course, membership and team on the request.

    Raises Http404 for a stranger, PermissionDenied for a member whose role is too low.
    """
    membership = _membership(request, course_id)
    if not _admits(membership, access):
        raise PermissionDenied(f"This page is for: {access.value}.")
    second_step.check_membership(request, membership)
    timezone.activate(membership.course.zone)
    entered = cast(SignedInRequest, request)
    entered.course, entered.membership, entered.team = (
        membership.course,
        membership,
        membership.team,
    )
    return membership.course


def enter_team(request: HttpRequest, team_id: int, access: Access) -> Team:
    """Resolve the team. Raises Http404 for everyone but its members and those who teach its course (`Membership.may_enter`)."""
    assert access in (Access.MEMBER, Access.MEMBER_DELETES)
    team = Team.objects.select_related("course").filter(pk=team_id).first()
    if team is None:
        raise Http404("No such team.")
    membership = _membership(request, team.course_id)
    if not membership.may_enter(team):
        raise Http404("No such team.")
    if access is Access.MEMBER_DELETES and membership.looks_on and not membership.deletes:
        raise PermissionDenied(f"This page is for: {access.value}.")
    second_step.check_membership(request, membership)
    timezone.activate(team.course.zone)
    entered = cast(SignedInRequest, request)
    entered.course, entered.membership, entered.team = team.course, membership, team
    return team


def lets_in(request: HttpRequest, rule: AccessRule, kwargs: dict[str, Any]) -> bool:
    """Whether this signed-in person passes the rule of a view, for who must know before the view is called."""
    person = cast(User, request.user)
    try:
        if rule.scope == "team":
            enter_team(request, kwargs["team_id"], rule.access)
        elif rule.scope == "course":
            enter_course(request, kwargs["course_id"], rule.access)
    except (Http404, PermissionDenied, OverflowError, second_step.SecondFactorNeeded):
        return False
    if rule.access is Access.COURSE_MAKER:
        return person.has_perm("teams.add_course")
    return person.is_staff or rule.access is not Access.STAFF


def course_view(access: Access) -> Callable[[View], View]:
    """Declare that a view with a `course_id` in its URL needs `access`; it is called with the `Course`."""
    return _scoped("course", access, enter_course)


def team_view(access: Access) -> Callable[[View], View]:
    """Declare that a view with a `team_id` in its URL needs `access`; it is called with the `Team`."""
    return _scoped("team", access, enter_team)


def _scoped(
    scope: str, access: Access, enter: Callable[[HttpRequest, int, Access], Any]
) -> Callable[[View], View]:
    id_name = f"{scope}_id"

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
                await request.auser()
                entered = await sync_to_async(enter)(request, kwargs.pop(id_name), access)
                return await view(request, entered, **kwargs)

        else:

            @wraps(view)
            def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
                return view(request, enter(request, kwargs.pop(id_name), access), **kwargs)

        wrapped.access_rule = AccessRule(scope, access)  # type: ignore[attr-defined]
        return wrapped

    return decorate
