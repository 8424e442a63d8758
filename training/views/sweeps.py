"""Several runs at once: the form with one price for all, and the table that ranks them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services import team_ledger
from teams.services.money import BudgetRefused
from training.forms import SweepForm
from training.models import Sweep
from training.services import bundled_bases, sweeps
from training.services.launch import LaunchRefused, Wanted

TEMPLATE = "training/sweep_new.html"


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def sweep_new(request: SignedInRequest, team: Team) -> HttpResponse:
    if request.method == "POST":
        form = SweepForm(team, request.POST)
        context = _context(team, form, form)
        if form.is_valid() and (sweep := _start(request, team, form, context)):
            messages.success(request, f"{sweep.runs.count()} runs are queued.")
            return redirect("sweep_detail", team.pk, sweep.key)
        return render(request, TEMPLATE, context, status=422)
    if request.htmx and "dataset_version" in request.GET:
        form = SweepForm(team, request.GET)
        return render(request, f"{TEMPLATE}#advice", _context(team, form, form))
    form = SweepForm(team)
    return render(request, TEMPLATE, _context(team, form, SweepForm(team, form.untouched())))


def _wanted(form: SweepForm) -> list[Wanted]:
    chosen = form.cleaned_data
    one = Wanted(
        form.method,
        chosen["base_model"],
        chosen["dataset_version"],
        form.settings(),
        chosen["seed"],
        chosen["name"],
    )
    return sweeps.variants(one, chosen["rates"], chosen["ranks"])


def _context(team: Team, form: SweepForm, asked: SweepForm) -> dict[str, Any]:
    """`asked`: what the price is for."""
    price, refusal = None, ""
    if form.has_dataset and form.has_base and asked.is_valid():
        try:
            price = sweeps.price(team, _wanted(asked))
        except LaunchRefused as refused:
            refusal = str(refused)
    return {
        "section": "runs",
        "team": team,
        "form": form,
        "price": price,
        "refusal": refusal,
        "left": team_ledger.figures(team).left,
        "sentence": asked.settings_sentence() if asked.is_valid() else "",
        "missing_bases": [] if form.has_base else bundled_bases.missing(),
    }


def _start(
    request: SignedInRequest, team: Team, form: SweepForm, context: dict[str, Any]
) -> Sweep | None:
    if context["price"] is None:
        form.add_error(None, ValidationError(context["refusal"]))
        return None
    chosen = form.cleaned_data
    try:
        return sweeps.start(
            team=team,
            person=request.user,
            priced=context["price"],
            name=chosen["name"],
            key=chosen["key"],
        )
    except (LaunchRefused, BudgetRefused) as refused:
        form.add_error(None, ValidationError(str(refused)))
        return None


@team_view(Access.MEMBER)
@require_GET
def sweep_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    sweep = get_object_or_404(Sweep.objects.for_team(team), key=key)
    context = {"section": "runs", "team": team, "sweep": sweep, "ranking": sweeps.ranking(sweep)}
    part = "#ranking" if request.htmx else ""
    return render(request, f"training/sweep_detail.html{part}", context)


@team_view(Access.MEMBER)
@require_POST
def sweep_cancel(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    sweep = get_object_or_404(Sweep.objects.for_team(team), key=key)
    stopped = sweeps.cancel_all(sweep=sweep, person=request.user)
    if stopped:
        messages.success(
            request,
            f"{stopped} run{'s are' if stopped > 1 else ' is'} stopped; finished ones stay.",
        )
    else:
        messages.warning(request, "All runs of this sweep had ended already.")
    return redirect("sweep_detail", team.pk, sweep.key)
