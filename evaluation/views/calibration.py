"""A professor sets her scale on anchor interviews; the instructor sees who has, and may require it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.anchor_interviews import TRANSCRIPTS
from evaluation.anchors import CRITERIA, AnchorTranscript
from evaluation.models import CalibrationLevel
from evaluation.services import calibration
from evaluation.views.talk import stored
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.PROFESSOR)
@require_GET
def calibration_list(request: SignedInRequest, course: Course) -> HttpResponse:
    levels = CalibrationLevel.objects.filter(calibration__grader=request.membership)
    chosen = list(levels.values_list("calibration__transcript", flat=True))
    context = {
        "course": course,
        "transcripts": [
            (number, one, chosen.count(one.key))
            for number, one in enumerate(TRANSCRIPTS, start=1)
        ],
        "criteria": len(CRITERIA),
        "progress": calibration.progress_of(request.membership),
        "required": calibration.is_required(course),
        "section": "grading",
    }
    return render(request, "evaluation/calibration_list.html", context)


@course_view(Access.PROFESSOR)
@require_GET
def calibration_detail(request: SignedInRequest, course: Course, number: int) -> HttpResponse:
    """The interview, and for each criterion either its levels to choose from or the chosen beside the intended one."""
    context = _context(request, course, number, _anchor(number))
    return render(request, "evaluation/calibration_detail.html", context)


@course_view(Access.PROFESSOR)
@require_POST
def calibration_choose(
    request: SignedInRequest, course: Course, number: int, criterion: str
) -> HttpResponse:
    """Keep the level of one criterion, and show the intended one with its reason. What came first stays."""
    anchor, known = _anchor(number), calibration.criteria().get(criterion)
    if known is None:
        raise Http404("No such criterion.")
    levels = {str(level.value): level.value for level in known.levels.all()}
    given = request.POST.get("level", "")
    if given in levels:
        calibration.choose(
            grader=request.membership, anchor=anchor, key=criterion, level=levels[given]
        )
        if not request.htmx:
            here = reverse("calibration_detail", args=[course.pk, number])
            return redirect(f"{here}#criterion-{criterion}")
    context = _context(request, course, number, anchor)
    if given not in levels:
        return _not_chosen(request, context, criterion)
    context |= {"row": _row(context, criterion), "now": True, "oob": True}
    response = render(request, "evaluation/calibration_detail.html#chosen", context)
    return stored(response, f"calibration-{number}-{criterion}")


def _not_chosen(
    request: SignedInRequest, context: dict[str, Any], criterion: str
) -> HttpResponse:
    context |= {"missing": criterion, "row": _row(context, criterion)}
    part = "#criterion" if request.htmx else ""
    return render(request, f"evaluation/calibration_detail.html{part}", context, status=422)


def _row(context: dict[str, Any], criterion: str) -> calibration.Compared:
    rows: list[calibration.Compared] = context["rows"]
    return next(row for row in rows if row.criterion.key == criterion)


def _anchor(number: int) -> AnchorTranscript:
    anchor = calibration.transcript(number)
    if anchor is None:
        raise Http404("No such interview.")
    return anchor


def _context(
    request: SignedInRequest, course: Course, number: int, anchor: AnchorTranscript
) -> dict[str, Any]:
    rows = calibration.compared(grader=request.membership, anchor=anchor)
    to_choose = [row.criterion.key for row in rows if row.chosen is None]
    return {
        "course": course,
        "anchor": anchor,
        "rows": rows,
        "number": number,
        "next_number": number + 1 if number < len(TRANSCRIPTS) else None,
        "to_choose": to_choose,
        "section": "grading",
    }


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_calibration(request: SignedInRequest, course: Course) -> HttpResponse:
    if request.method == "POST":
        required = request.POST.get("required", "")
        if required not in ("yes", "no"):
            messages.error(
                request, "Nothing was changed: press one of the buttons on this page."
            )
        elif calibration.require(course=course, required=required == "yes", person=request.user):
            said = (
                "Professors calibrate before they submit a grade. Those who have not are told."
            )
            messages.success(
                request,
                said if required == "yes" else "Calibration is a professor's own choice again.",
            )
        return redirect("course_calibration", course_id=course.pk)
    context = {
        "graders": calibration.progress_in(course),
        "required": calibration.is_required(course),
        "section": "grades",
    }
    return render(request, "evaluation/course_calibration.html", context)
