"""Asking for more money, and answering."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from teams.access import Access, SignedInRequest, course_view, team_view
from teams.forms import BudgetRequestForm
from teams.models import BudgetRequest, Course, Team
from teams.services import budget_requests


@team_view(Access.MEMBER)
@require_POST
def budget_request_new(request: SignedInRequest, team: Team) -> HttpResponse:
    form = BudgetRequestForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(
                request, f"You have not asked yet. {form.fields[name].label}: {errors[0]}"
            )
        return redirect("team_costs", team_id=team.pk)
    try:
        budget_requests.ask(team=team, person=request.user, **form.cleaned_data)
    except budget_requests.RequestRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, "Your instructor has been asked. The answer will show in your notices."
        )
    return redirect("team_costs", team_id=team.pk)


@course_view(Access.PRICES)
@require_POST
def budget_request_answer(
    request: SignedInRequest, course: Course, request_id: int
) -> HttpResponse:
    asked = get_object_or_404(
        BudgetRequest.objects.select_related("account__team__course"),
        pk=request_id,
        account__team__course=course,
    )
    answers = {"approve": True, "decline": False}
    if (said := request.POST.get("answer", "")) not in answers:
        messages.error(
            request, "Approve the request or decline it: nothing has been answered yet."
        )
        return redirect("course_costs", course_id=course.pk)
    try:
        budget_requests.answer(asked=asked, approve=answers[said], person=request.user)
    except budget_requests.RequestRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{asked.account.team.name} has been told.")
    return redirect("course_costs", course_id=course.pk)
