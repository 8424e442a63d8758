"""What was spent, entry by entry, and at which prices. The costs page shows grades too, so it is in `courseplatform`."""

import io
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, course_view, team_view
from teams.forms import BudgetRequestForm, PriceForm
from teams.models import Course, LedgerEntry, Team
from teams.services import costs, prices, providers, team_ledger
from teams.services.money import dollars

PAGE_ROWS = 50


@course_view(Access.ASSISTANT)
def course_costs_by(request: SignedInRequest, course: Course, field: str) -> HttpResponse:
    """The same money by method, model, person or day."""
    if field not in costs.GROUPS:
        raise Http404("Costs are shown by method, model, person or day.")
    page = Paginator(costs.grouped(course, field), PAGE_ROWS).get_page(request.GET.get("page"))
    context = {"page": page, "field": field, "fields": list(costs.GROUPS), "section": "costs"}
    return render(request, "teams/course_costs_by.html", context)


@course_view(Access.ASSISTANT)
def course_entries(request: SignedInRequest, course: Course, field: str) -> HttpResponse:
    """Every entry behind one row of that page (`?of=`)."""
    if field not in costs.GROUPS:
        raise Http404("Costs are shown by method, model, person or day.")
    value = request.GET.get("of", "")
    try:
        entries = costs.entries_of(course, field, value)
    except ValueError as error:
        raise Http404("No such group.") from error
    page = Paginator(entries, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "field": field,
        "value": value,
        "section": "costs",
        "provider_names": providers.names(),
    }
    return render(request, "teams/course_entries.html", context)


@course_view(Access.ASSISTANT)
def course_costs_csv(request: SignedInRequest, course: Course) -> HttpResponse:
    out = io.StringIO()
    costs.write_ledger_csv(course, out)
    name = f"ledger-{course.pk}-{timezone.localdate().isoformat()}.csv"
    return HttpResponse(
        out.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@course_view(Access.ASSISTANT)
def course_team_costs(request: SignedInRequest, course: Course, spender_id: int) -> HttpResponse:
    """Every entry of one team, for the instructor."""
    team = get_object_or_404(course.teams.select_related("account"), pk=spender_id)
    entries = LedgerEntry.objects.filter(account__team=team)
    return _ledger_page(request, team, entries, {"account": team.account, "section": "costs"})


@team_view(Access.MEMBER)
def team_costs(request: SignedInRequest, team: Team) -> HttpResponse:
    """The same for the team itself, but for what would tell when a professor grades it."""
    context = {
        "account": team_ledger.figures(team),
        "section": "team",
        "form": BudgetRequestForm(),
        "requests": team.account.requests.select_related("decided_by")[:5],
        "grading_days": team_ledger.grading_days(team),
    }
    return _ledger_page(request, team, team_ledger.own_entries(team), context)


def _ledger_page(
    request: SignedInRequest, team: Team, entries: QuerySet[LedgerEntry], context: dict[str, Any]
) -> HttpResponse:
    page = Paginator(entries.select_related("person", "corrects"), PAGE_ROWS).get_page(
        request.GET.get("page")
    )
    shown = {"spender": team, "page": page, "provider_names": providers.names()}
    return render(request, "teams/team_costs.html", context | shown)


@course_view(Access.PRICES)
@require_http_methods(["GET", "POST"])
def course_prices(request: SignedInRequest, course: Course) -> HttpResponse:
    form = PriceForm(
        request.POST or None,
        initial={"provider": "openai", "effective_from": timezone.localdate()},
    )
    form.instance.course = course
    if request.method == "POST" and form.is_valid():
        try:
            corrected = prices.add(price=form.save(commit=False), person=request.user)
        except prices.PriceTaken as error:
            form.add_error(None, str(error))
        else:
            instead = f" in place of {dollars(corrected.per_million)}" if corrected else ""
            said = f"The price is in the book{instead}, from its date on. Earlier entries keep what they were computed with."
            messages.success(request, said)
            return redirect("course_prices", course_id=course.pk)
    context = {"form": form, "prices": prices.book(course), "section": "costs"}
    return render(
        request, "teams/course_prices.html", context, status=422 if form.errors else 200
    )
