"""Connections with learning management systems in the browser: an instructor's for a course, and those of the platform."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, course_view, public_view, staff_view
from teams.lms_forms import ConnectionForm, LmsCourseForm, RegistrationForm
from teams.models import Course, LmsConnection, LmsCourse, Role
from teams.services import throttle
from teams.services.lti import class_list, connections, dynamic, entering
from teams.services.lti.connections import LtiRefused
from teams.services.roster import RosterUnreadable
from teams.views.lti_frame import in_any_frame, refused
from teams.views.sign_in import place, too_many


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_lms(request: SignedInRequest, course: Course) -> HttpResponse:
    return _list(request, course)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_lms_connection(
    request: SignedInRequest, course: Course, connection_id: int
) -> HttpResponse:
    return _detail(request, course, connection_id)


@staff_view
@require_http_methods(["GET", "POST"])
def platform_lms(request: SignedInRequest) -> HttpResponse:
    return _list(request, None)


@staff_view
@require_http_methods(["GET", "POST"])
def platform_lms_connection(request: SignedInRequest, connection_id: int) -> HttpResponse:
    return _detail(request, None, connection_id)


def _to(connection: LmsConnection) -> HttpResponse:
    if connection.course_id is None:
        return redirect("platform_lms_connection", connection_id=connection.pk)
    return redirect(
        "course_lms_connection", course_id=connection.course_id, connection_id=connection.pk
    )


def _list(request: SignedInRequest, course: Course | None) -> HttpResponse:
    form = ConnectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = connections.add(
                course=course, person=request.user, name=form.cleaned_data["name"]
            )
        except LtiRefused as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, f"{made} is added. Next: register this platform there.")
            return _to(made)
    context = {
        "course": course,
        "mine": LmsConnection.objects.filter(course=course).select_related("registration"),
        "platforms": _platforms(course),
        "linked": _linked(course),
        "form": form,
        "section": "people",
    }
    return render(request, "teams/lms_list.html", context, status=422 if form.errors else 200)


def _platforms(course: Course | None) -> list[LmsConnection]:
    """What an instructor can use without setting anything up."""
    if course is None:
        return []
    return list(LmsConnection.objects.filter(course=None, is_on=True))


def _linked(course: Course | None) -> list[LmsCourse]:
    if course is None:
        return []
    return list(course.lms_courses.select_related("context", "connection"))


def _detail(request: SignedInRequest, course: Course | None, connection_id: int) -> HttpResponse:
    """The page of one connection. What is pressed is named by `do`."""
    rows = LmsConnection.objects.select_related("course", "registration")
    connection = get_object_or_404(rows, course=course, pk=connection_id)
    if request.method == "GET":
        return _page(request, connection)
    doing = {
        "register": _register,
        "token": _token,
        "on": _switch,
        "off": _switch,
        "allow": _deployment,
        "forbid": _deployment,
        "remove": _remove,
    }
    do = doing.get(request.POST.get("do", ""))
    if do is None:
        raise Http404("Nothing of that name can be done here.")
    return do(request, connection)


def _page(
    request: SignedInRequest,
    connection: LmsConnection,
    *,
    form: RegistrationForm | None = None,
    token: str = "",  # the whole registration address
) -> HttpResponse:
    bad = form is not None and bool(form.errors)
    context: dict[str, Any] = {
        "course": connection.course,
        "connection": connection,
        "shown_addresses": connections.shown(connection),
        "deployments": connections.deployments(connection),
        "form": form or RegistrationForm(connection=connection),
        "token": token,
        "section": "people",
    }
    return render(request, "teams/lms_detail.html", context, status=422 if bad else 200)


def _register(request: SignedInRequest, connection: LmsConnection) -> HttpResponse:
    form = RegistrationForm(request.POST, connection=connection)
    if form.is_valid():
        try:
            connections.fill(connection=connection, person=request.user, wanted=form.wanted())
        except LtiRefused as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, "Kept. Next: turn the connection on.")
            return _to(connection)
    return _page(request, connection, form=form)


def _token(request: SignedInRequest, connection: LmsConnection) -> HttpResponse:
    """Shown in this answer alone."""
    token = dynamic.new_token(connection=connection, person=request.user)
    address = settings.SITE_URL.rstrip("/") + reverse("lti_register", args=[token])
    return _page(request, connection, token=address)


def _switch(request: SignedInRequest, connection: LmsConnection) -> HttpResponse:
    is_on = request.POST["do"] == "on"
    try:
        connections.switch(connection=connection, person=request.user, is_on=is_on)
        said = (
            "People come in through it now." if is_on else "Nobody comes in through it any more."
        )
        messages.success(request, said)
    except LtiRefused as error:
        messages.error(request, str(error))
    return _to(connection)


def _deployment(request: SignedInRequest, connection: LmsConnection) -> HttpResponse:
    wanted = request.POST.get("deployment", "")
    known = {one.deployment_id for one in connections.deployments(connection)}
    if wanted not in known:
        messages.error(request, "This deployment is gone. Look at the list again.")
    elif request.POST["do"] == "allow":
        connections.allow(connection, wanted)
        messages.success(request, f"Launches of deployment {wanted} are let in.")
    else:
        connections.forbid(connection, wanted)
        messages.success(request, f"Launches of deployment {wanted} are refused.")
    return _to(connection)


def _remove(request: SignedInRequest, connection: LmsConnection) -> HttpResponse:
    course = connection.course
    connections.remove(connection=connection, person=request.user)
    messages.success(request, f"{connection} is removed. Accounts and courses stay as they are.")
    if course is None:
        return redirect("platform_lms")
    return redirect("course_lms", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def lms_course(request: SignedInRequest, course: Course, linked_id: int) -> HttpResponse:
    """How one LMS course and this course work together."""
    rows = course.lms_courses.select_related("context", "connection", "linked_by")
    linked = get_object_or_404(rows, pk=linked_id)
    if request.method == "POST" and request.POST.get("do") == "unlink":
        entering.unlink(place=linked, person=request.user)
        messages.success(request, "The courses are no longer linked. Who is here stays here.")
        return redirect("course_lms", course_id=course.pk)
    form = LmsCourseForm(request.POST or None, instance=linked)
    if request.method == "POST" and form.is_valid():
        entering.change(place=form.instance, person=request.user, changed=form.changed_data)
        messages.success(request, "Saved.")
        return redirect("lms_course", course_id=course.pk, linked_id=linked.pk)
    context = {"linked": linked, "form": form, "section": "people"}
    return render(request, "teams/lms_course.html", context, status=422 if form.errors else 200)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def lms_class_list(request: SignedInRequest, course: Course, linked_id: int) -> HttpResponse:
    """Who is in the LMS course: what enrolling them would do, then that; and who left it."""
    rows = course.lms_courses.select_related("context", "connection__registration", "course")
    linked = get_object_or_404(rows, pk=linked_id)
    asked = (request.POST or request.GET).get("role", Role.STUDENT)
    role = Role(asked) if asked in (Role.STUDENT, linked.staff_role) else Role.STUDENT
    shown, said = None, ""
    try:
        if request.method == "POST":
            messages.success(request, _act(request, linked, role))
            return redirect("lms_class_list", course_id=course.pk, linked_id=linked.pk)
        shown = class_list.show(place=linked, role=role)
    except (LtiRefused, RosterUnreadable) as error:
        said = str(error)
    context = {
        "linked": linked,
        "role": role.value,
        "shown": shown,
        "said": said,
        "section": "people",
    }
    # A page that says what its LMS answered is a page; what was to be done and was not is a conflict.
    status = 409 if said and request.method == "POST" else 200
    return render(request, "teams/lms_class_list.html", context, status=status)


def _act(request: SignedInRequest, linked: LmsCourse, role: Role) -> str:
    """Raises LtiRefused and RosterUnreadable."""
    if request.POST.get("do") == "take_out":
        chosen = request.POST.getlist("gone")
        done = class_list.take_out(place=linked, chosen=chosen, person=request.user)
        return f"Taken out: {done}."
    made = class_list.enrol(
        place=linked, role=role, seen=request.POST.get("seen", ""), person=request.user
    )
    return f"{made.added} new in the course, {made.invited} of them invited by e-mail."


@public_view
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def lti_register(request: HttpRequest, token: str) -> HttpResponse:
    """The page that an LMS opens in a frame for dynamic registration. The token is the key; nobody is signed in here."""
    said = request.POST if request.method == "POST" else request.GET
    try:
        throttle.count("lms-register", about=token[:60], place=place(request))
        connection = dynamic.connection_of(token)
        asked = said.get("openid_configuration", "")[:1_000]
        if not asked:
            raise LtiRefused(
                "Give this address to the LMS, as the registration address of a new tool: it opens it by itself."
            )
        if request.method == "POST":
            dynamic.register(
                token=token,
                configuration_url=asked,
                access_token=said.get("registration_token", "")[:4_000],
            )
    except throttle.TooMany as error:
        return too_many(request, error)
    except LtiRefused as error:
        return refused(request, error)
    context = {"connection": connection, "asked": asked, "done": request.method == "POST"}
    context["registration_token"] = said.get("registration_token", "")[:4_000]
    return in_any_frame(render(request, "teams/lti_register.html", context))
