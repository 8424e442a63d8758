"""How a course grades: the rubric with weights and points, for everyone to read and print; set by the instructor."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from evaluation.grade_forms import ScaleForm
from evaluation.services import presenting, rubrics, scales
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.READER)
@require_GET
def rubric_read(request: SignedInRequest, course: Course) -> HttpResponse:
    """The rubric that new submissions are graded with, and what its levels are worth."""
    rubric, scale = rubrics.rubric_for(course), scales.scale_of(course)
    criteria = rubrics.criteria_of(rubric)
    top = max((len(one.levels.all()) for one in criteria), default=0)
    context = {
        "rubric": rubric,
        "scale": scale,
        "rows": scales.weighed(criteria, scale),
        "shares": list(enumerate(scale.shares_for(top), start=1)),
        "presenting": presenting.rule_of(course),
        "course": course,
        "section": "rubric",
    }
    return render(request, "evaluation/rubric_read.html", context)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def scale_edit(request: SignedInRequest, course: Course) -> HttpResponse:
    """Set weights and points."""
    criteria, scale = rubrics.criteria_of(rubrics.rubric_for(course)), scales.scale_of(course)
    form = ScaleForm(request.POST or None, criteria=criteria, scale=scale)
    if request.method == "POST" and form.is_valid():
        if scales.set_scale(course=course, scale=form.scale(), person=request.user):
            messages.success(
                request,
                "Saved. Teams read it beside the rubric; what was released stays as it is.",
            )
        else:
            messages.info(request, "Nothing was changed.")
        return redirect("rubric_read", course_id=course.pk)
    context = {"form": form, "worth": scales.weighed(criteria, scale), "section": "grades"}
    return render(
        request, "evaluation/scale_edit.html", context, status=422 if form.errors else 200
    )
