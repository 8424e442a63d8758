"""The instructor decides on a request for a second look: sends it to another professor, then says what counts."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from evaluation.grade_forms import RegradeDecisionForm
from evaluation.models import RegradeRequest, SecondLook
from evaluation.models.grading import UNDECIDED
from evaluation.services import adjudication, regrades
from evaluation.views.grades import find_submission
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.RELEASES)
@require_http_methods(["GET", "POST"])
def regrade_decide(
    request: SignedInRequest, course: Course, submission_id: int, regrade_id: int
) -> HttpResponse:
    """What the team asks, what the graders and the other professor say, and the decision."""
    rows = RegradeRequest.objects.select_related(
        "submission__team__course", "submission__run", "criterion", "person"
    )
    asked = get_object_or_404(
        rows, pk=regrade_id, submission=find_submission(course, submission_id)
    )
    form, refusal = RegradeDecisionForm(criterion=asked.criterion), ""
    if request.method == "POST":
        if "professor" not in request.POST:
            form = RegradeDecisionForm(request.POST, criterion=asked.criterion)
        try:
            if _done(request, course, asked, form):
                return redirect(
                    "regrade_decide",
                    course_id=course.pk,
                    submission_id=submission_id,
                    regrade_id=regrade_id,
                )
        except regrades.RegradeRefused as error:
            refusal = str(error)
    context = {
        "asked": asked,
        "submission": asked.submission,
        "criterion": asked.criterion,
        "case": adjudication.case_of(asked.submission, asked.criterion),
        "turns": asked.turns.select_related("conversation").order_by(
            "conversation__key", "position"
        ),
        "look": SecondLook.objects.filter(request=asked)
        .select_related("reader__person")
        .first(),
        "waits": asked.status in UNDECIDED,
        "free_professors": regrades.free_professors(asked.submission),
        "form": form,
        "refusal": refusal,
        "section": "grades",
    }
    return render(
        request,
        "evaluation/regrade_decide.html",
        context,
        status=422 if form.errors or refusal else 200,
    )


def _done(
    request: SignedInRequest, course: Course, asked: RegradeRequest, form: RegradeDecisionForm
) -> bool:
    """Whether what was sent was carried out. Raises RegradeRefused."""
    if "professor" in request.POST:
        chosen = get_object_or_404(course.memberships, pk=_number(request.POST["professor"]))
        regrades.send_for_second_look(request=asked, professor=chosen, person=request.user)
        messages.success(
            request,
            f"{chosen.person} is told, and sees this criterion and these answers without names.",
        )
        return True
    if not form.is_valid():
        return False
    level, answer = form.level_that_counts(), form.cleaned_data["answer"]
    regrades.decide(request=asked, level=level, answer=answer, person=request.user)
    messages.success(
        request, "Decided. The team, the professors and the other instructors are told."
    )
    return True


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
