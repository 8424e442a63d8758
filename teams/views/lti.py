"""The doors that an LMS knocks at: its call, its message, our keys. Everything here is public, and believed only as signed."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from teams import lms_sessions
from teams.access import public_view
from teams.models import Course, LmsConnection, LmsCourse, LmsLaunch, User
from teams.models.lti import LAUNCH_MINUTES
from teams.services import throttle
from teams.services.lti import connections, entering, keys, launching
from teams.services.lti.connections import LtiRefused
from teams.views import lti_links
from teams.views.lti_frame import in_any_frame, refused
from teams.views.sign_in import place, too_many

TICKET = "lms_ticket"
TICKET_PATH = "/lti/"
KEPT_SECONDS = LAUNCH_MINUTES * 60
CALL = (
    "iss",
    "client_id",
    "login_hint",
    "lti_message_hint",
    "lti_deployment_id",
    "target_link_uri",
)


@public_view
@require_GET
def lti_keys(request: HttpRequest) -> JsonResponse:
    """Our public keys."""
    answer = JsonResponse(keys.public_keys())
    answer["Cache-Control"] = "public, max-age=600"
    return answer


@public_view
@csrf_exempt
@never_cache
@xframe_options_exempt
@require_http_methods(["GET", "POST"])
def lti_login(request: HttpRequest, key: UUID) -> HttpResponse:
    """The LMS says that somebody launches. Inside a frame: a page whose link opens a window, where cookies are kept."""
    said = request.POST if request.method == "POST" else request.GET
    given = {name: said[name] for name in CALL if name in said}
    try:
        throttle.count("lms-launch", about=str(key), place=place(request))
        connection = launching.find(key)
        links = given.get("target_link_uri", "") == connections.addresses(connection).deep_link
        if request.headers.get("Sec-Fetch-Dest") == "iframe" and not links:
            return _new_window(request, connection, given)
        begun = launching.begin(connection=connection, given=given)
    except throttle.TooMany as error:
        return too_many(request, error)
    except LtiRefused as error:
        return refused(request, error)
    answer = redirect(begun.address)
    _set(answer, request, begun.cookie, begun.secret, from_elsewhere=True)
    return answer


def _new_window(
    request: HttpRequest, connection: LmsConnection, given: dict[str, str]
) -> HttpResponse:
    address = f"{request.path}?{urlencode(given)}"
    context = {"address": address, "connection": connection}
    return in_any_frame(render(request, "teams/lti_new_window.html", context))


def _set(
    answer: HttpResponse, request: HttpRequest, name: str, value: str, *, from_elsewhere: bool
) -> None:
    """A cookie of the launch. `from_elsewhere`: it must come back with the LMS's own POST."""
    secure = request.is_secure()
    answer.set_cookie(
        name,
        value,
        max_age=KEPT_SECONDS,
        path=TICKET_PATH,
        secure=secure,
        httponly=True,
        # Without https a browser takes no SameSite=None; it sends a fresh cookie without the word along.
        samesite=("None" if secure else None) if from_elsewhere else "Lax",
    )


@public_view
@csrf_exempt
@never_cache
@require_POST
def lti_launch(request: HttpRequest, key: UUID) -> HttpResponse:
    """The signed message. What it says waits under a ticket, which this browser alone has; the next page is ours again."""
    try:
        throttle.count("lms-launch", about=str(key), place=place(request))
        connection = launching.find(key)
        launch, ticket = launching.receive(connection=connection, request=request)
    except throttle.TooMany as error:
        return too_many(request, error)
    except LtiRefused as error:
        return refused(request, error)
    if launch.asks:
        return lti_links.picker(request, launch, ticket)
    answer: HttpResponse = redirect("lti_enter")
    answer.status_code = 303
    _set(answer, request, TICKET, ticket, from_elsewhere=False)
    answer.delete_cookie(launching.cookie_of(request.POST.get("state", "")), path=TICKET_PATH)
    return answer


@public_view
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def lti_launch_link(request: HttpRequest, key: UUID) -> HttpResponse:
    """The address that a deep linking request names. Nobody is sent here but by hand."""
    said = "This address is for choosing links in an LMS: press “deep linking” or “content selection” there."
    return refused(request, LtiRefused(said))


@public_view
@never_cache
@require_http_methods(["GET", "POST"])
def lti_enter(request: HttpRequest) -> HttpResponse:
    """The launch goes on: as whom, into which course. What is pressed is named by `do`."""
    try:
        launch = entering.launch_of(request.COOKIES.get(TICKET, ""))
        if request.method == "POST":
            do = DOING.get(request.POST.get("do", ""))
            if do is None:
                raise LtiRefused("Press one of the buttons of the page.")
            answer: HttpResponse = do(request, launch)
            return answer
        person = entering.person_of(launch)
        if person is None:
            return _who(request, launch)
        if request.user.is_authenticated and request.user.pk != person.pk:
            # Any site may send a browser through an LMS of its own: nobody is signed out for that unasked.
            context = {"launch": launch, "person": person}
            return render(request, "teams/lti_switch.html", context)
        return _go_on(request, launch, person)
    except LtiRefused as error:
        return refused(request, error)


def _go_on(request: HttpRequest, launch: LmsLaunch, person: User) -> HttpResponse:
    """For somebody known: sign in and enter, or link the courses first. Raises LtiRefused."""
    found = entering.linked(launch)
    if found is None:
        return _which_course(request, launch, person)
    return _enter(request, launch, person, found)


def _enter(
    request: HttpRequest, launch: LmsLaunch, person: User, found: LmsCourse
) -> HttpResponse:
    entered = entering.enter(launch=launch, person=person, place=found)
    lms_sessions.sign_in(request, person, launch.connection)
    if entered.is_new:
        role = entered.membership.get_role_display().lower()
        messages.success(request, f"Welcome to {found.course}. You are here as {role}.")
    answer = redirect(entered.path)
    answer.delete_cookie(TICKET, path=TICKET_PATH)
    return answer


def _who(
    request: HttpRequest, launch: LmsLaunch, status: int = 200, said: str = ""
) -> HttpResponse:
    """Somebody whom the LMS names for the first time: an account to link, or a new one."""
    found = entering.linked(launch)
    here = _signed_in(request)
    refusal = ""
    if found is not None:
        try:
            entering.check_new(launch, found)
        except LtiRefused as error:
            refusal = str(error)
    context = {
        "launch": launch,
        "course": found.course if found else None,
        "here": here,
        "has_account": entering.has_account(launch),
        "may_create": found is not None and not refusal,
        "refusal": refusal,
        "said": said,
    }
    return render(request, "teams/lti_who.html", context, status=status)


def _signed_in(request: HttpRequest) -> User | None:
    """Whose session this is, begun by something other than the LMS of one course."""
    person = request.user
    if not isinstance(person, User) or lms_sessions.is_confined(request):
        return None
    return person


def _which_course(
    request: HttpRequest, launch: LmsLaunch, person: User, status: int = 200
) -> HttpResponse:
    """No course of ours is linked to the LMS course yet: an instructor of both chooses, all others wait."""
    context = {
        "launch": launch,
        "person": person,
        "courses": entering.candidates(launch, person),
    }
    return render(request, "teams/lti_which_course.html", context, status=status)


def _create(request: HttpRequest, launch: LmsLaunch) -> HttpResponse:
    found = entering.linked(launch)
    if found is None or entering.person_of(launch) is not None:
        return redirect("lti_enter")
    person = entering.create(launch=launch, place=found)
    return _enter(request, launch, person, found)


def _link(request: HttpRequest, launch: LmsLaunch) -> HttpResponse:
    person = _signed_in(request)
    if person is None or entering.person_of(launch) is not None:
        return redirect("lti_enter")
    if not person.is_staff:  # of who runs the platform nothing is kept: it goes on for this once
        entering.link(launch=launch, person=person)
    return _go_on(request, launch, person)


def _connect(request: HttpRequest, launch: LmsLaunch) -> HttpResponse:
    person = entering.person_of(launch)
    if person is None:
        person = _signed_in(request)
        if person is None or not person.is_staff:
            return redirect("lti_enter")
    chosen = request.POST.get("course", "")
    courses: list[Course] = entering.candidates(launch, person)
    course = next((one for one in courses if str(one.pk) == chosen), None)
    if course is None:
        return _which_course(request, launch, person, status=422)
    made = entering.connect(launch=launch, person=person, course=course)
    messages.success(
        request,
        f"{launch.context} in {launch.connection} is linked to {course}. Its people come in from now on.",
    )
    return _enter(request, launch, person, made)


def _switch(request: HttpRequest, launch: LmsLaunch) -> HttpResponse:
    """Somebody else was signed in here: go on as the person of the launch."""
    person = entering.person_of(launch)
    return redirect("lti_enter") if person is None else _go_on(request, launch, person)


DOING: dict[str, Callable[[HttpRequest, LmsLaunch], Any]] = {
    "create": _create,
    "switch": _switch,
    "link": _link,
    "connect": _connect,
}
