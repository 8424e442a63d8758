"""Pages for who looks on: an observer of a course, and the operator of the platform."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from courseplatform import observed, platform_health
from teams.access import Access, SignedInRequest, course_view, staff_view
from teams.models import Course


@course_view(Access.OBSERVER)
@require_GET
def course_observed(request: SignedInRequest, course: Course) -> HttpResponse:
    """The course in figures, without names."""
    context = {"observed": observed.observed(course), "section": "course"}
    return render(request, "teams/course_observed.html", context)


@staff_view
@require_GET
def platform_state(request: SignedInRequest) -> HttpResponse:
    """Services, queue and storage of the whole platform; of a course its size, never its content."""
    return render(request, "teams/platform_state.html", {"state": platform_health.state()})
