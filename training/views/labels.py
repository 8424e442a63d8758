"""Naming, annotating, starring and archiving a run, on its own page and in the list."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from training.forms import RunLabelForm
from training.models import TrainingRun
from training.services import live
from training.services.deleted import RunDeleted
from training.services.run_labels import CannotArchive, archive, label, star
from training.views.runs import list_address, list_context, run_of

RUN_PAGE = "training/run_detail.html"
RUN_LIST = "training/run_list.html"
ON = "1"


@team_view(Access.MEMBER)
@require_POST
def run_label(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run, form = run_of(team, number), RunLabelForm(request.POST)
    if form.is_valid():
        try:
            label(run=run, person=request.user, changes=form.changes())
        except RunDeleted as gone:
            return _gone(request, team, gone)
        return _answer(request, team, run)
    if request.htmx:
        context = {**live.context(run), "label_form": form}
        return render(request, f"{RUN_PAGE}#run-label", context, status=422)
    for field, problems in form.errors.items():
        messages.error(
            request, f"{field.capitalize()}: {' '.join(map(str, problems))} Nothing was saved."
        )
    return redirect("run_detail", team.pk, run.number)


@team_view(Access.MEMBER)
@require_POST
def run_star(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    try:
        star(run=run, on=request.POST.get("on") == ON)
    except RunDeleted as gone:
        return _gone(request, team, gone)
    return _answer(request, team, run)


@team_view(Access.MEMBER)
@require_POST
def run_archive(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    try:
        archive(run=run, person=request.user, on=request.POST.get("on") == ON)
    except RunDeleted as gone:
        return _gone(request, team, gone)
    except CannotArchive as refused:
        messages.warning(request, str(refused))
        page = reverse("run_detail", args=[team.pk, run.number])
        return HttpResponseClientRedirect(page) if request.htmx else redirect(page)
    return _answer(request, team, run)


def _gone(request: SignedInRequest, team: Team, gone: RunDeleted) -> HttpResponse:
    messages.warning(request, str(gone))
    page = reverse("run_list", args=[team.pk])
    return HttpResponseClientRedirect(page) if request.htmx else redirect(page)


def _answer(request: SignedInRequest, team: Team, run: TrainingRun) -> HttpResponse:
    """The part of the page that the button stands on; the page itself without a script."""
    if request.POST.get("from") == "list":
        if not request.htmx:
            return redirect(list_address(team, request.POST))
        return render(request, f"{RUN_LIST}#run-table", list_context(team, request.POST))
    if not request.htmx:
        return redirect("run_detail", team.pk, run.number)
    context = {**live.context(run), "label_form": RunLabelForm.of(run)}
    return render(request, f"{RUN_PAGE}#run-labelled", context)
