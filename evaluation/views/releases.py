"""The instructor shows results to teams: what is unresolved first, then a version, later changes with a reason."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.grade_forms import ReleaseForm
from evaluation.models import Submission
from evaluation.services import frozen, releases
from evaluation.views.grades import find_submission
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.RELEASES)
@require_http_methods(["GET", "POST"])
def grade_release(request: SignedInRequest, course: Course, submission_id: int) -> HttpResponse:
    """What would be shown and what is still open; then the version itself."""
    submission = find_submission(course, submission_id)
    draft = releases.draft_of(submission)
    options = {"first": draft.before is None, "unresolved": bool(draft.unresolved)}
    if request.method == "GET":
        return _asked(request, draft, ReleaseForm(initial={"seen": draft.digest}, **options))
    form = ReleaseForm(request.POST, **options)
    if not form.is_valid():
        return _asked(request, draft, form, status=422)
    reason, seen = form.cleaned_data.get("reason", ""), form.cleaned_data["seen"]
    try:
        made = releases.publish(
            submission=submission, person=request.user, reason=reason, seen=seen
        )
    except releases.CannotRelease as error:
        again = ReleaseForm(initial={"seen": draft.digest, "reason": reason}, **options)
        return _asked(request, draft, again, refusal=str(error), status=409)
    messages.success(request, f"{submission.team.name} can read {made} of its result now.")
    return redirect("submission_grades", course_id=course.pk, submission_id=submission_id)


def _asked(
    request: SignedInRequest,
    draft: releases.Draft,
    form: ReleaseForm,
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "draft": draft,
        "result": draft.result,
        "submission": draft.result.submission,
        "form": form,
        "refusal": refusal,
        "section": "grades",
    }
    return render(request, "evaluation/grade_release.html", context, status=status)


@course_view(Access.RELEASES)
@require_POST
def grade_hide(request: SignedInRequest, course: Course, submission_id: int) -> HttpResponse:
    """Take a result back from the team's page, or put it there again as it was."""
    submission = find_submission(course, submission_id)
    try:
        if request.POST.get("do") == "show":
            releases.show_again(submission=submission, person=request.user)
            messages.success(request, f"{submission.team.name} sees its result again.")
        else:
            releases.hide(submission=submission, person=request.user)
            messages.success(request, f"{submission.team.name} no longer sees its result.")
    except releases.CannotRelease as error:
        messages.error(request, str(error))
    return redirect("submission_grades", course_id=course.pk, submission_id=submission_id)


@course_view(Access.RELEASES)
@require_http_methods(["GET", "POST"])
def grades_release_all(request: SignedInRequest, course: Course) -> HttpResponse:
    """Which results are ready, and what keeps the others; then release those that are."""
    if request.method == "POST":
        number = releases.release_complete(course=course, person=request.user)
        messages.success(request, f"Released: {number}.")
        return redirect("course_grades", course_id=course.pk)
    drafts = releases.waiting_in(course)
    context = {
        "ready": [draft for draft in drafts if draft.result.ready],
        "others": [draft for draft in drafts if not draft.result.ready],
        "section": "grades",
    }
    return render(request, "evaluation/grades_release_all.html", context)


@course_view(Access.ASSISTANT)
@require_GET
def grade_version(
    request: SignedInRequest, course: Course, submission_id: int, number: int
) -> HttpResponse:
    """What a team was shown at one time."""
    submission: Submission = find_submission(course, submission_id)
    release = get_object_or_404(
        submission.releases.select_related("submission", "author"), number=number
    )
    shown = frozen.thaw([release])[0]
    context = {
        "submission": submission,
        "result": shown,
        "marked": shown.marked,
        "section": "grades",
    }
    return render(request, "evaluation/grade_version.html", context)
