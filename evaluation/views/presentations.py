"""Who presents when: everybody sees theirs, the instructor plans."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.models import Presentation, PresentationSession
from evaluation.presentation_forms import RuleForm, SessionForm, TeamForm
from evaluation.services import hearings, presenting
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course, Role

EARLIER = -1
LATER = 1


@course_view(Access.STUDENT)
@require_GET
def presentation_list(request: SignedInRequest, course: Course) -> HttpResponse:
    """A student reads of her team, a professor of what she hears; the instructor is led to the plan."""
    if request.membership.is_instructor:
        return redirect("presentation_plan", course_id=course.pk)
    rule = presenting.rule_of(course)
    context: dict[str, Any] = {"course": course, "rule": rule, "section": "presentations"}
    if request.membership.role == Role.PROFESSOR:
        context["sessions"] = hearings.heard_by(request.membership)
        return render(request, "evaluation/presentation_hear.html", context)
    team = request.membership.team
    context["slot"] = presenting.slot_of(team) if team else None
    return render(request, "evaluation/presentation_own.html", context)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def presentation_plan(request: SignedInRequest, course: Course) -> HttpResponse:
    """Every session, and a form for a new one."""
    form = SessionForm(request.POST or None, course=course)
    if request.method == "POST" and form.is_valid():
        made = presenting.save_session(
            course=course, session=None, person=request.user, **form.cleaned_data
        )
        return redirect("session_edit", course_id=course.pk, session_id=made.pk)
    sessions = presenting.sessions_of(course)
    context = {
        "sessions": [(session, presenting.slots_of(session)) for session in sessions],
        "unplanned": presenting.unplanned(course),
        "professors": presenting.professors_of(course),
        "rule": presenting.rule_of(course),
        "form": form,
        "section": "grades",
    }
    return render(
        request, "evaluation/presentation_plan.html", context, status=422 if form.errors else 200
    )


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def presentation_rule(request: SignedInRequest, course: Course) -> HttpResponse:
    """How presentations count."""
    form = RuleForm(request.POST or None, rule=presenting.rule_of(course))
    if request.method == "POST" and form.is_valid():
        if presenting.set_rule(course=course, rule=form.rule(), person=request.user):
            messages.success(
                request,
                "Saved. Everybody reads it beside the rubric; what was released stays as it is.",
            )
        else:
            messages.info(request, "Nothing was changed.")
        return redirect("presentation_plan", course_id=course.pk)
    context = {"form": form, "section": "grades"}
    return render(
        request, "evaluation/presentation_rule.html", context, status=422 if form.errors else 200
    )


def _find(course: Course, session_id: int) -> PresentationSession:
    rows = PresentationSession.objects.filter(course=course).select_related("course")
    return get_object_or_404(rows, pk=session_id)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def session_edit(request: SignedInRequest, course: Course, session_id: int) -> HttpResponse:
    """One session: its words, and its teams in their order."""
    session, refusal = _find(course, session_id), ""
    form = SessionForm(request.POST or None, course=course, session=session)
    if request.method == "POST" and form.is_valid():
        try:
            presenting.save_session(
                course=course, session=session, person=request.user, **form.cleaned_data
            )
        except presenting.CannotPlan as error:
            refusal = str(error)
        else:
            messages.success(request, "Saved.")
            return redirect("session_edit", course_id=course.pk, session_id=session_id)
    context = {
        "session": session,
        "slots": presenting.slots_of(session),
        "form": form,
        "team_form": TeamForm(course=course),
        "unplanned": presenting.unplanned(course),
        "refusal": refusal,
        "section": "grades",
    }
    return render(
        request,
        "evaluation/session_edit.html",
        context,
        status=422 if form.errors or refusal else 200,
    )


@course_view(Access.INSTRUCTOR)
@require_POST
def session_teams(request: SignedInRequest, course: Course, session_id: int) -> HttpResponse:
    """Add a team, or all that have no place; move one; take one out."""
    session, act = _find(course, session_id), request.POST.get("act", "")
    try:
        if act == "add":
            form = TeamForm(request.POST, course=course)
            if not form.is_valid():
                raise presenting.CannotPlan(form.errors["team"][0])
            presenting.add_team(
                session=session, team=form.cleaned_data["team"], person=request.user
            )
        elif act == "fill":
            done = presenting.fill(session=session, person=request.user)
            messages.success(
                request,
                f"{done} added, in an order drawn by lot."
                if done
                else "Every team has a place.",
            )
        else:
            _change(_place(session, request.POST.get("presentation", "")), act, request)
    except presenting.CannotPlan as error:
        messages.error(request, str(error))
    return redirect("session_edit", course_id=course.pk, session_id=session_id)


def _place(session: PresentationSession, number: str) -> Presentation:
    rows = session.presentations.select_related("team", "session__course")
    found = (
        rows.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    )
    if found is None:
        raise presenting.CannotPlan(
            "This team is no longer in the session. Here is the plan as it is now."
        )
    return found


def _change(presentation: Presentation, act: str, request: SignedInRequest) -> None:
    if act == "earlier":
        presenting.move(presentation=presentation, by=EARLIER)
    elif act == "later":
        presenting.move(presentation=presentation, by=LATER)
    elif act == "remove":
        presenting.remove_team(presentation=presentation, person=request.user)
    else:
        raise Http404("There is no such act.")


@course_view(Access.INSTRUCTOR)
@require_POST
def session_remove(request: SignedInRequest, course: Course, session_id: int) -> HttpResponse:
    try:
        presenting.remove_session(session=_find(course, session_id), person=request.user)
    except presenting.CannotPlan as error:
        messages.error(request, str(error))
        return redirect("session_edit", course_id=course.pk, session_id=session_id)
    messages.success(request, "The session is removed; its teams have no place now.")
    return redirect("presentation_plan", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def session_tell(request: SignedInRequest, course: Course, session_id: int) -> HttpResponse:
    """Send day, place and turn to the teams, and the day to the professors."""
    told = presenting.tell(session=_find(course, session_id), person=request.user)
    messages.success(request, f"{told} teams and the professors of this session were told.")
    return redirect("session_edit", course_id=course.pk, session_id=session_id)
