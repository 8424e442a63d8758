"""What was sent to the LMS when, to whom, and what it answered; and sending it once more."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from evaluation.models import LmsGrade, SendState
from evaluation.services import lms_sending
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course

ON_A_PAGE = 50


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def lms_grades(request: SignedInRequest, course: Course) -> HttpResponse:
    if request.method == "POST":
        chosen = request.POST.get("membership", "")
        only = [int(chosen)] if chosen.isdecimal() and len(chosen) < 19 else None
        if chosen and only is None:
            messages.error(request, "Press one of the buttons of the page.")
            return redirect("lms_grades", course_id=course.pk)
        number = lms_sending.ask_again(course=course, person=request.user, only=only)
        if number:
            said = f"{number} grade{'' if number == 1 else 's'} will be sent in a moment."
            messages.success(request, said)
        else:
            messages.warning(
                request,
                "Nothing to send: no published grade of a student who came in from a linked LMS course.",
            )
        return redirect("lms_grades", course_id=course.pk)
    rows = LmsGrade.objects.filter(lms_course__course=course).select_related(
        "membership__person",
        "membership__team",
        "release",
        "lms_course__context",
        "lms_course__connection",
        "asked_by",
    )
    context = {
        "page": Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page")),
        "linked": list(course.lms_courses.select_related("context", "connection")),
        "waiting": rows.filter(state=SendState.WAITING).count(),
        "unknown": lms_sending.unknown(course),
        "section": "grades",
    }
    return render(request, "evaluation/lms_grades.html", context)
