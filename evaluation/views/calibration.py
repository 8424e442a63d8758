"""A professor sets her scale on anchor transcripts; the instructor sees who has."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from evaluation.anchors import CRITERIA, TRANSCRIPTS
from evaluation.models import Calibration
from evaluation.services import calibration
from evaluation.views.talk import stored_and_on
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.PROFESSOR)
@require_GET
def calibration_list(request: SignedInRequest, course: Course) -> HttpResponse:
    done = set(Calibration.objects.for_grader(request.membership).values_list("transcript", flat=True))
    context = {
        "course": course,
        "transcripts": [(number, anchor, anchor.key in done) for number, anchor in enumerate(TRANSCRIPTS, start=1)],
        "progress": calibration.progress_of(request.membership),
        "section": "grading",
    }
    return render(request, "evaluation/calibration_list.html", context)


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def calibration_detail(request: SignedInRequest, course: Course, number: int) -> HttpResponse:
    """Levels once for each criterion; after committing, the difference. What came first stays."""
    anchor = calibration.transcript(number)
    if anchor is None:
        raise Http404("No such transcript.")
    chosen: dict[str, int] = {}
    if request.method == "POST":
        chosen = _chosen(request)
        if set(chosen) == set(CRITERIA):
            calibration.commit(grader=request.membership, anchor=anchor, levels=chosen)
            here = reverse("calibration_detail", args=[course.pk, number])
            return stored_and_on(request, f"calibration-{number}", here)
    rows = calibration.compared(grader=request.membership, anchor=anchor)
    context = {
        "course": course,
        "anchor": anchor,
        "rows": rows,
        "number": number,
        "chosen": chosen,
        "missing": request.method == "POST",
        "committed": all(row.chosen is not None for row in rows),
        "section": "grading",
    }
    part = "#levels" if request.htmx else ""
    status = 422 if request.method == "POST" else 200
    return render(request, f"evaluation/calibration_detail.html{part}", context, status=status)


def _chosen(request: SignedInRequest) -> dict[str, int]:
    """By criterion key, those that were given a level of the scale."""
    found = {}
    for key, criterion in calibration.criteria().items():
        values = {str(level.value): level.value for level in criterion.levels.all()}
        if (given := request.POST.get(key, "")) in values:
            found[key] = values[given]
    return found


@course_view(Access.INSTRUCTOR)
@require_GET
def course_calibration(request: SignedInRequest, course: Course) -> HttpResponse:
    context = {"graders": calibration.progress_in(course), "section": "grades"}
    return render(request, "evaluation/course_calibration.html", context)
