"""An instructor changes the plan. The page itself shows runs too, so it is in `courseplatform`."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from teams.access import Access, SignedInRequest, course_view
from teams.forms import MilestoneForm
from teams.models import Course
from teams.services import plan


@course_view(Access.INSTRUCTOR)
@require_POST
def milestone_new(request: SignedInRequest, course: Course) -> HttpResponse:
    form = MilestoneForm(request.POST)
    if form.is_valid():
        plan.add(course=course, person=request.user, **form.cleaned_data)
        messages.success(request, "The plan has one more step, at its end.")
    else:
        messages.error(request, _said(form))
    return redirect("course_plan", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def milestone_edit(request: SignedInRequest, course: Course, milestone_id: int) -> HttpResponse:
    """`do`: save, earlier, later or remove."""
    milestone = get_object_or_404(course.milestones.select_related("course"), pk=milestone_id)
    wanted = request.POST.get("do", "save")
    if wanted in ("earlier", "later"):
        plan.move(milestone=milestone, later=wanted == "later", person=request.user)
    elif wanted == "remove":
        plan.remove(milestone=milestone, person=request.user)
        messages.success(request, f"“{milestone.title}” is no longer part of the plan.")
    else:
        form = MilestoneForm(request.POST)
        if form.is_valid():
            plan.change(milestone=milestone, person=request.user, **form.cleaned_data)
            messages.success(request, "Saved.")
        else:
            messages.error(request, _said(form))
    return redirect("course_plan", course_id=course.pk)


def _said(form: MilestoneForm) -> str:
    """What is wrong, field by field, for the bar above the plan."""
    return " ".join(
        f"{form.fields[name].label}: {errors[0]}" for name, errors in form.errors.items()
    )
