"""A professor has the standard interview put to a bot, blind, and reads the answers beside her own interview."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from evaluation.models import Grading
from evaluation.services import interviews
from evaluation.services.interviews import BotWithdrawn, InterviewRefused
from evaluation.views.grading import find_grading, standard_context
from evaluation.views.talk import BLIND_REFUSAL, REFUSALS
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def grading_standard(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    grading, refusal = find_grading(request, code), ""
    if request.method == "POST":
        try:
            interviews.start_for_grader(submission=grading.submission, person=request.user)
        except BotWithdrawn as error:
            refusal = str(error)
        except (InterviewRefused, *REFUSALS):
            refusal = BLIND_REFUSAL
        else:
            if request.POST.get("back") == "desk":
                return redirect(
                    reverse("grading_detail", args=[course.pk, code]) + "?show=standard"
                )
            return redirect("grading_standard", course_id=course.pk, code=code)
    return _shown(request, course, grading, refusal)


def _shown(
    request: SignedInRequest, course: Course, grading: Grading, refusal: str
) -> HttpResponse:
    context = standard_context(course, grading) | {
        "course": course,
        "refusal": refusal,
        "section": "grading",
    }
    interview = context["interview"]
    waiting = interview is not None and interview.is_active
    part = "#asking" if request.htmx and waiting else ""
    response = render(
        request,
        f"evaluation/grading_standard.html{part}",
        context,
        status=422 if refusal else 200,
    )
    if request.htmx and not waiting:
        response["HX-Refresh"] = "true"
    return response
