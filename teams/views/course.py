"""An instructor's course: settings, teams, codes."""

from copy import copy

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams.access import Access, SignedInRequest, course_maker_view, course_view, team_view
from teams.forms import CourseForm, TeamNameForm, TeamSettingsForm
from teams.models import Course, CourseAccount, Membership, Role, Team
from teams.services import courses, team_requests


@course_maker_view
@require_http_methods(["GET", "POST"])
def course_new(request: SignedInRequest) -> HttpResponse:
    form = CourseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        course = courses.create_course(person=request.user, **form.cleaned_data)
        messages.success(
            request,
            "The course exists. Next: give the join codes to your students and professors.",
        )
        return redirect("course_home", course_id=course.pk)
    return render(
        request, "teams/course_new.html", {"form": form}, status=422 if form.errors else 200
    )


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_edit(request: SignedInRequest, course: Course) -> HttpResponse:
    account = CourseAccount.objects.get_or_create(course=course)[0]
    form = CourseForm(
        request.POST or None, instance=copy(course), initial={"course_limit": account.limit}
    )
    if request.method == "POST" and form.is_valid():
        changed = {name: form.initial.get(name) for name in form.changed_data}
        limit = form.cleaned_data["course_limit"] if "course_limit" in changed else account.limit
        courses.change_course(
            course=form.instance, person=request.user, limit=limit, changed=changed
        )
        messages.success(request, "Saved.")
        return redirect("course_home", course_id=course.pk)
    context = {"form": form, "section": "course"}
    return render(request, "teams/course_edit.html", context, status=422 if form.errors else 200)


@course_view(Access.INSTRUCTOR)
@require_POST
def course_code(request: SignedInRequest, course: Course) -> HttpResponse:
    """The join code of one role: open it, close it, or make a new one."""
    role, wanted = request.POST.get("role", ""), request.POST.get("do", "")
    if role not in courses.CODES or wanted not in ("open", "close", "renew"):
        messages.error(
            request, "Nothing was changed: press one of the buttons beside a join code."
        )
        return redirect("course_home", course_id=course.pk)
    whom = f"{Role(role).label.lower()}s"
    if wanted == "renew":
        courses.renew_code(course=course, role=Role(role), person=request.user)
        messages.success(
            request, f"There is a new join code for {whom}. The old one no longer works."
        )
    else:
        courses.switch_code(
            course=course, role=Role(role), is_open=wanted == "open", person=request.user
        )
        said = "lets new people in" if wanted == "open" else "lets nobody new in"
        messages.success(
            request, f"The join code for {whom} {said}. Who is in the course stays in."
        )
    return redirect("course_home", course_id=course.pk)


@course_view(Access.STUDENT)
@require_POST
def team_new(request: SignedInRequest, course: Course) -> HttpResponse:
    """A student makes a team and is in it; an instructor makes an empty one."""
    form = TeamNameForm(request.POST)
    membership: Membership = request.membership
    if not form.is_valid():
        messages.error(request, "A team needs a name of up to 60 characters.")
        return redirect("course_home", course_id=course.pk)
    try:
        if membership.role == Role.STUDENT:
            team = courses.start_own_team(membership=membership, name=form.cleaned_data["name"])
            return redirect("team_home", team_id=team.pk)
        if membership.role == Role.INSTRUCTOR:
            team = courses.create_team(
                course=course, name=form.cleaned_data["name"], person=request.user
            )
            messages.success(request, f"The team {team} exists. Assign its professor next.")
        else:
            messages.error(
                request,
                "Professors grade teams without knowing them; students and instructors make teams.",
            )
    except courses.CourseRefused as error:
        messages.error(request, str(error))
    return redirect("course_home", course_id=course.pk)


@course_view(Access.STUDENT)
@require_POST
def team_join(request: SignedInRequest, course: Course, joined_id: int) -> HttpResponse:
    """A student without a team asks to be in one of this course."""
    team = get_object_or_404(
        course.teams.filter(practice=False).select_related("course"), pk=joined_id
    )
    try:
        team_requests.ask(membership=request.membership, team=team)
        messages.success(
            request, f"{team} is asked. Somebody of the team, or your instructor, lets you in."
        )
    except courses.CourseRefused as error:
        messages.error(request, str(error))
    return redirect("course_home", course_id=course.pk)


@course_view(Access.STUDENT)
@require_POST
def team_request_withdraw(request: SignedInRequest, course: Course) -> HttpResponse:
    team_requests.withdraw(membership=request.membership)
    return redirect("course_home", course_id=course.pk)


@team_view(Access.MEMBER)
@require_POST
def team_request_answer(request: SignedInRequest, team: Team, asked_id: int) -> HttpResponse:
    """`do`: approve or decline, by somebody of the team or the instructor, who comes back to where they were."""
    asked = get_object_or_404(team_requests.waiting(team.course).filter(team=team), pk=asked_id)
    name, wanted = str(asked.membership.person), request.POST.get("do", "")
    try:
        if wanted == "approve":
            team_requests.approve(request=asked, person=request.user)
            messages.success(request, f"{name} is in {team} now.")
        elif wanted == "decline":
            team_requests.decline(request=asked, person=request.user)
            messages.success(request, f"{name} is told that {team} declined.")
    except courses.CourseRefused as error:
        messages.error(request, str(error))
    if request.membership.role == Role.INSTRUCTOR and request.POST.get("from") == "course":
        return redirect("course_home", course_id=team.course_id)
    return redirect("team_home", team_id=team.pk)


@course_view(Access.PRICES)
@require_http_methods(["GET", "POST"])
def team_settings(request: SignedInRequest, course: Course, edited_id: int) -> HttpResponse:
    team = get_object_or_404(course.teams.select_related("course", "account"), pk=edited_id)
    assigned = list(team.professor_assignments.values_list("professor_id", flat=True))
    initial = {"limit": team.account.limit, "professors": assigned}
    form = TeamSettingsForm(request.POST or None, team=team, initial=initial)
    if not request.membership.is_instructor:
        del form.fields["professors"]
    if request.method == "POST" and form.is_valid():
        limit, professors = (
            form.cleaned_data["limit"],
            list(form.cleaned_data.get("professors", [])),
        )
        if "limit" in form.changed_data and limit != team.account.limit:
            courses.set_budget(team=team, limit=limit, person=request.user)
        if "professors" in form.changed_data:
            courses.assign_professors(team=team, professors=professors, person=request.user)
        messages.success(request, f"Saved: {team}.")
        return redirect("course_home", course_id=course.pk)
    context = {"form": form, "edited": team, "section": "course"}
    return render(
        request, "teams/team_settings.html", context, status=422 if form.errors else 200
    )
