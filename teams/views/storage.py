"""What each team keeps on this machine, and how much it may: for the instructor."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from teams.access import Access, SignedInRequest, course_view
from teams.forms import DiskLimitForm
from teams.models import Course, Team
from teams.services import disk


@course_view(Access.ASSISTANT)
@require_GET
def course_storage(request: SignedInRequest, course: Course) -> HttpResponse:
    return _page(request, course)


def _page(
    request: SignedInRequest, course: Course, refused: DiskLimitForm | None = None
) -> HttpResponse:
    whole, teams = disk.of_course(course)
    context = {"section": "storage", "whole": whole, "teams": teams, "refused": refused}
    return render(request, "teams/course_storage.html", context, status=422 if refused else 200)


@course_view(Access.PRICES)
@require_POST
def storage_limit(request: SignedInRequest, course: Course) -> HttpResponse:
    """What one team (`team`), or without one the whole course, may keep."""
    form = DiskLimitForm(request.POST)
    if not form.is_valid():
        return _page(request, course, form)
    wanted = form.cleaned_data["team"]
    team = get_object_or_404(Team, course=course, pk=wanted) if wanted else None
    disk.set_limit(course=course, team=team, limit=form.limit, person=request.user)
    allowed = disk.told(form.limit) if form.limit is not None else "the platform's default"
    messages.success(
        request, f"{team.name if team else 'All teams together'} may keep {allowed} now."
    )
    return redirect("course_storage", course.pk)
