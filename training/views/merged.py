"""The merged download of a run: asked for, watched while it is made, fetched."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.stored_downloads import stored_file
from training.models import MergedModel, MergeStatus
from training.services import merging
from training.services.deleted import RunDeleted
from training.views.runs import run_of


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def run_merged(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    """POST has it made. GET is how far it is: the part of the run's page, or that page."""
    run = run_of(team, number)
    if request.method == "POST":
        try:
            merging.ask_for(run=run, person=request.user)
        except (merging.CannotMerge, RunDeleted) as refused:
            messages.error(request, str(refused))
        return redirect("run_detail", team.pk, run.number)
    if not request.htmx:
        return redirect("run_detail", team.pk, run.number)
    merged = MergedModel.objects.filter(run=run).first()
    return render(request, "training/merged.html", {"team": team, "run": run, "merged": merged})


@team_view(Access.MEMBER)
@require_GET
def run_merged_file(request: SignedInRequest, team: Team, number: int) -> HttpResponseBase:
    run = run_of(team, number)
    get_object_or_404(MergedModel, run=run, status=MergeStatus.READY)
    return stored_file(run.place, merging.ZIP, f"run-{run.number}-model.zip")
