"""A course goes to another instructor, and many rows of it are changed at once."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, course_view
from teams.models import Course, HandOver
from teams.people_forms import BulkPeopleForm, BulkTeamsForm, HandOverForm
from teams.services import bulk, handing_over
from teams.services.refused import CourseRefused


@course_view(Access.STUDENT)
@require_http_methods(["GET", "POST"])
def course_hand_over(request: SignedInRequest, course: Course) -> HttpResponse:
    """The instructor offers and confirms; whoever it is offered to accepts or declines. Nobody else finds the page."""
    now = handing_over.open_of(course)
    is_taker = now is not None and now.taker_id == request.user.pk
    if not request.membership.is_instructor and not is_taker:
        raise Http404("No such page.")
    form = HandOverForm(
        request.POST or None, people=handing_over.candidates(course, request.user)
    )
    if request.method == "POST":
        try:
            if said := _act(request, course, now, form):
                messages.success(request, said)
                left = not course.memberships.filter(person=request.user, active=True).exists()
                return redirect("home") if left else redirect("course_hand_over", course.pk)
        except CourseRefused as error:
            messages.error(request, str(error))
            return redirect("course_hand_over", course_id=course.pk)
    context = {
        "form": form,
        "now": now,
        "is_taker": is_taker,
        "is_giver": now is not None and now.giver_id == request.user.pk,
        "section": "course",
    }
    status = 422 if form.errors else 200
    return render(request, "teams/course_hand_over.html", context, status=status)


def _act(
    request: SignedInRequest, course: Course, now: HandOver | None, form: HandOverForm
) -> str:
    """What happened; empty where the form needs another look. Raises CourseRefused."""
    wanted, person = request.POST.get("do", ""), request.user
    if wanted == "offer" and request.membership.is_instructor:
        if not form.is_valid():
            return ""
        made = handing_over.offer(course=course, giver=person, **form.cleaned_data)
        return f"Offered. {made.taker} finds it on this page, and accepts or declines."
    if now is None or wanted not in ("accept", "end", "confirm"):
        raise CourseRefused("There is no such offer any more.")
    if wanted == "accept":
        handing_over.accept(hand_over=now, person=person)
        return f"Accepted. {now.giver} confirms it next; until then nothing changes."
    if wanted == "end":
        handing_over.end(hand_over=now, person=person)
        return "Ended. Nothing was changed."
    handing_over.confirm(hand_over=now, person=person)
    if now.becomes == HandOver.Becomes.OUT:
        return f"{now.taker} is instructor now. You have left the course."
    return f"{now.taker} is instructor now."


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_bulk(request: SignedInRequest, course: Course) -> HttpResponse:
    """Budgets and professors of all teams, sections of all people: one table, one button, only what was changed."""
    part = request.POST.get("part", "")
    teams = BulkTeamsForm(request.POST if part == "teams" else None, course=course)
    people = BulkPeopleForm(request.POST if part == "people" else None, course=course)
    form = teams if part == "teams" else people
    if part and form.is_valid():
        if part == "teams":
            changed = bulk.change_teams(wanted=teams.changes(), person=request.user)
        else:
            changed = bulk.change_sections(wanted=people.changes(), person=request.user)
        messages.success(request, f"Saved: {changed} change{'' if changed == 1 else 's'}.")
        return redirect("course_bulk", course_id=course.pk)
    context = {"teams": teams, "people": people, "section": "people"}
    status = 422 if part else 200
    return render(request, "teams/course_bulk.html", context, status=status)
