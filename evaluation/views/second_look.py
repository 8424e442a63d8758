"""Another professor looks at the answers that a team points at: one criterion, blind, once."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from evaluation.forms import SecondLookForm
from evaluation.models import RegradeStatus, SecondLook
from evaluation.services import regrades
from evaluation.views.talk import stored_and_on
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def second_look(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """The criterion, the answers, and what this professor says of them. Nobody else's level is shown."""
    rows = SecondLook.objects.select_related("request__criterion", "reader")
    look = get_object_or_404(rows, code=code, reader=request.membership)
    form, refusal = SecondLookForm(request.POST or None, criterion=look.request.criterion), ""
    if request.method == "POST" and form.is_valid():
        try:
            regrades.give(look=look, opinion=form.opinion())
        except regrades.RegradeRefused as error:
            refusal = str(error)
        else:
            messages.success(request, "Thank you. The instructor has your answer and decides.")
            return stored_and_on(
                request, "second-look", reverse("grading_queue", args=[course.pk])
            )
    context = {
        "course": course,
        "look": look,
        "criterion": look.request.criterion,
        "exchanges": regrades.exchanges_for(look),
        "form": form,
        "refusal": refusal,
        "open": look.given_at is None and look.request.status == RegradeStatus.SECOND_LOOK,
        "section": "grading",
    }
    part = "#look_form" if request.htmx else ""
    status = 422 if form.errors or refusal else 200
    return render(request, f"evaluation/second_look.html{part}", context, status=status)
