"""The instructor watches grading, releases grades and takes the grade book along."""

import io

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.forms import GradingDueForm, ShareOutForm
from evaluation.grade_forms import AdjudicationForm
from evaluation.models import Submission
from evaluation.services import (
    adjudication,
    agreement_report,
    assigning,
    bundle_check,
    deadlines,
    gradebook,
    releases,
    results,
    student_grades,
)
from evaluation.services.gradings import ensure_gradings
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course, Role


def find_submission(course: Course, submission_id: int) -> Submission:
    rows = Submission.objects.filter(team__course=course).select_related(
        "team__course", "run", "rubric"
    )
    return get_object_or_404(rows, pk=submission_id)


@course_view(Access.ASSISTANT)
@require_GET
def course_grades(request: SignedInRequest, course: Course) -> HttpResponse:
    ensure_gradings(course=course)
    drafts = releases.drafts_of(gradebook.current_submissions(course))
    shown = [draft.result for draft in drafts]
    handed_in = {result.submission.team_id for result in shown}
    deadline = deadlines.deadline_of(course)
    context = {
        "deadline": deadline,
        "grading_due": deadlines.grading_due_of(course),
        "today": timezone.localdate(),
        "late": {
            one.submission.pk for one in shown if deadlines.is_late(one.submission, deadline)
        },
        "sections": course.sections.exists(),
        "drafts": drafts,
        "missing": [
            team for team in course.teams.filter(practice=False) if team.pk not in handed_in
        ],
        "unreleased": sum(draft.before is None and draft.result.graders > 0 for draft in drafts),
        "requests": sum(draft.open_requests for draft in drafts),
        "section": "grades",
    }
    return render(request, "evaluation/course_grades.html", context)


@course_view(Access.ASSISTANT)
@require_GET
def submission_grades(
    request: SignedInRequest, course: Course, submission_id: int
) -> HttpResponse:
    submission = find_submission(course, submission_id)
    draft = releases.drafts_of([submission])[0]
    context = {
        "draft": draft,
        "result": draft.result,
        "submission": submission,
        "versions": submission.releases.select_related("author"),
        "marked": results.marked_turns(submission),
        "revisions": adjudication.revisions_with_reasons(draft.result),
        "changes": bundle_check.changes_since(submission),
        "storage_troubles": bundle_check.storage_troubles(submission),
        "late": deadlines.is_late(submission, deadlines.deadline_of(course)),
        "regrades": submission.regrade_requests.select_related("criterion"),
        "section": "grades",
    }
    return render(request, "evaluation/submission_grades.html", context)


@course_view(Access.RELEASES)
@require_http_methods(["GET", "POST"])
def grade_adjudicate(
    request: SignedInRequest, course: Course, submission_id: int, criterion_id: int
) -> HttpResponse:
    """Both interviews and the evidence beside each other, and the level that counts."""
    submission = find_submission(course, submission_id)
    criterion = get_object_or_404(
        submission.rubric.criteria.prefetch_related("levels"), pk=criterion_id
    )
    form = AdjudicationForm(request.POST or None, criterion=criterion)
    if request.method == "POST" and form.is_valid():
        results.adjudicate(
            submission=submission, criterion=criterion, person=request.user, **form.cleaned_data
        )
        messages.success(request, f"Adjudicated: {criterion.name}.")
        return redirect("submission_grades", course_id=course.pk, submission_id=submission_id)
    context = {
        "case": adjudication.case_of(submission, criterion),
        "criterion": criterion,
        "submission": submission,
        "form": form,
        "section": "grades",
    }
    return render(
        request, "evaluation/grade_adjudicate.html", context, status=422 if form.errors else 200
    )


@course_view(Access.INSTRUCTOR)
@require_POST
def graders_assign(request: SignedInRequest, course: Course) -> HttpResponse:
    """Share the professors out over the teams."""
    form = ShareOutForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say how many professors each team gets: 1 to 5.")
        return redirect("course_grades", course_id=course.pk)
    done = assigning.share_out(course=course, person=request.user, **form.cleaned_data)
    if done.short:
        names = ", ".join(team.name for team in done.short)
        messages.warning(
            request, f"{done.made} assigned. There are not enough professors for: {names}."
        )
    else:
        messages.success(request, f"{done.made} assigned. Every team has its professors.")
    return redirect("course_grades", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def grades_due(request: SignedInRequest, course: Course) -> HttpResponse:
    """Say until when the professors grade."""
    form = GradingDueForm(request.POST)
    if form.is_valid():
        deadlines.set_grading_due(course=course, person=request.user, **form.cleaned_data)
        messages.success(request, "Saved. Every professor sees the day above her list.")
    else:
        messages.error(
            request,
            "Give the day as year-month-day, for example 2026-12-04, or leave it empty for none.",
        )
    return redirect("course_grades", course_id=course.pk)


@course_view(Access.PROFESSOR)
@require_GET
def course_agreement(request: SignedInRequest, course: Course) -> HttpResponse:
    """All professors beside each other for the instructor; for a professor, once all is released, she and the whole."""
    is_instructor = request.membership.role == Role.INSTRUCTOR
    report = None
    if is_instructor:
        report = agreement_report.agreement_of(course)
    elif agreement_report.is_open_to_professors(course):
        report = agreement_report.agreement_of(course).for_rater(request.membership)
    section = "grades" if is_instructor else "grading"
    return render(
        request, "evaluation/course_agreement.html", {"report": report, "section": section}
    )


@course_view(Access.ASSISTANT)
@require_GET
def course_grades_csv(request: SignedInRequest, course: Course) -> HttpResponse:
    out = io.StringIO()
    gradebook.write_gradebook_csv(course, out)
    response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"grades-{course.pk}-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@course_view(Access.RELEASES)
@require_GET
def course_gradebook(request: SignedInRequest, course: Course, layout: str) -> HttpResponse:
    """What was released, a row a student: plain, or as Canvas or Moodle reads it."""
    if layout not in student_grades.LAYOUTS:
        raise Http404("There is no such grade book.")
    out = io.StringIO()
    student_grades.write_csv(course, layout, out)
    mark = (
        "\ufeff" if layout == student_grades.PLAIN else ""
    )  # spreadsheets need it, Canvas and Moodle do not
    response = HttpResponse(mark + out.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"grade-book-{layout}-{course.pk}-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
