"""The instructor watches grading, releases grades and takes the grade book along."""

import io

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from evaluation.models import Submission
from evaluation.services import gradebook, results
from evaluation.services.gradings import ensure_gradings
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


def _submission(course: Course, submission_id: int) -> Submission:
    rows = Submission.objects.filter(team__course=course).select_related("team__course", "run", "rubric")
    return get_object_or_404(rows, pk=submission_id)


@course_view(Access.INSTRUCTOR)
@require_GET
def course_grades(request: SignedInRequest, course: Course) -> HttpResponse:
    ensure_gradings(course=course)
    shown = gradebook.course_results(course)
    handed_in = {result.submission.team_id for result in shown}
    context = {
        "results": shown,
        "missing": [team for team in course.teams.all() if team.pk not in handed_in],
        "ready": sum(result.complete and not result.submission.released_at for result in shown),
        "section": "grades",
    }
    return render(request, "evaluation/course_grades.html", context)


@course_view(Access.INSTRUCTOR)
@require_GET
def submission_grades(request: SignedInRequest, course: Course, submission_id: int) -> HttpResponse:
    submission = _submission(course, submission_id)
    result = results.results_of([submission])[0]
    context = {
        "result": result,
        "submission": submission,
        "tags": results.tagged_turns(submission),
        "section": "grades",
    }
    return render(request, "evaluation/submission_grades.html", context)


@course_view(Access.INSTRUCTOR)
@require_POST
def grade_release(request: SignedInRequest, course: Course, submission_id: int) -> HttpResponse:
    submission = _submission(course, submission_id)
    try:
        results.release(submission=submission, person=request.user)
    except results.CannotRelease as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{submission.team.name} can see its result now.")
    return redirect("course_grades", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def grade_hide(request: SignedInRequest, course: Course, submission_id: int) -> HttpResponse:
    submission = _submission(course, submission_id)
    results.hide(submission=submission, person=request.user)
    messages.success(request, f"{submission.team.name} no longer sees its result.")
    return redirect("course_grades", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def grades_release_all(request: SignedInRequest, course: Course) -> HttpResponse:
    number = results.release_complete(course=course, person=request.user)
    messages.success(
        request,
        f"Released {number} result{'' if number == 1 else 's'}: those that every assigned professor has graded.",
    )
    return redirect("course_grades", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_GET
def course_grades_csv(request: SignedInRequest, course: Course) -> HttpResponse:
    out = io.StringIO()
    gradebook.write_gradebook_csv(course, out)
    response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"grades-{course.pk}-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
