"""The course's plan, and how far each team is."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from courseplatform import progress
from teams.access import Access, SignedInRequest, course_view
from teams.forms import MilestoneForm
from teams.models import Course, Milestone


@course_view(Access.READER)
def course_plan(request: SignedInRequest, course: Course) -> HttpResponse:
    """Everyone sees the steps and dates; a member their team's progress; the instructor every team's, and edits."""
    milestones = progress.course_plan(course)
    is_instructor = request.membership.is_instructor
    own = request.membership.team
    context = {
        "milestones": milestones,
        "section": "plan",
        "editable": [
            (one, MilestoneForm(instance=one, auto_id=f"step{one.pk}-%s")) for one in milestones
        ]
        if is_instructor
        else [],
        "form": MilestoneForm(),
        "own": progress.steps(milestones, progress.achieved([own])[own.pk]) if own else [],
        "teams": [],
        "columns": [],
    }
    if request.membership.looks_on:
        teams = list(course.teams.filter(practice=False))
        done = progress.achieved(teams)
        rows = [(team, progress.steps(milestones, done[team.pk])) for team in teams]
        context |= {"teams": rows, "columns": _columns(milestones, [steps for _, steps in rows])}
    return render(request, "teams/course_plan.html", context)


def _columns(
    milestones: list[Milestone], rows: list[list[progress.Step]]
) -> list[dict[str, Any]]:
    """Of each step: how many teams have done it, and how many are late."""
    return [
        {
            "milestone": one,
            "done": sum(row[place].done for row in rows),
            "late": sum(row[place].late for row in rows),
        }
        for place, one in enumerate(milestones)
    ]
