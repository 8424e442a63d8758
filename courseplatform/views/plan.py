"""The course's plan, and how far each team is."""

from django.http import HttpResponse
from django.shortcuts import render

from courseplatform import progress
from teams.access import Access, SignedInRequest, course_view
from teams.forms import MilestoneForm
from teams.models import Course, Role


@course_view(Access.STUDENT)
def course_plan(request: SignedInRequest, course: Course) -> HttpResponse:
    """Everyone sees the steps and dates; a member their team's progress; the instructor every team's, and edits."""
    milestones = progress.course_plan(course)
    is_instructor = request.membership.role == Role.INSTRUCTOR
    own = request.membership.team
    context = {
        "milestones": milestones,
        "section": "plan",
        "editable": [(one, MilestoneForm(instance=one, auto_id=f"step{one.pk}-%s")) for one in milestones]
        if is_instructor
        else [],
        "form": MilestoneForm(),
        "own": progress.steps(milestones, progress.achieved([own])[own.pk]) if own else [],
        "teams": [],
    }
    if is_instructor:
        teams = list(course.teams.filter(practice=False))
        done = progress.achieved(teams)
        context["teams"] = [(team, progress.steps(milestones, done[team.pk])) for team in teams]
    return render(request, "teams/course_plan.html", context)
