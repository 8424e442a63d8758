"""A run leaves as a zip and comes in as one."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, team_view
from teams.body_limits import takes_file
from teams.models import Team
from training.forms import BundleForm
from training.models import RunStatus
from training.services.bundle import write_bundle
from training.services.bundle_files import BundleRefused
from training.services.imported import import_bundle
from training.views.runs import run_of


@team_view(Access.MEMBER)
def run_bundle(request: SignedInRequest, team: Team, number: int) -> FileResponse:
    run = run_of(team, number)
    if run.status != RunStatus.SUCCEEDED:
        raise Http404("Only a finished run has a bundle.")
    return FileResponse(write_bundle(run), as_attachment=True, filename=f"run-{run.number}.zip")


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
@takes_file("RUN_ARCHIVE_MAX_BYTES")
def run_import(request: SignedInRequest, team: Team) -> HttpResponse:
    form = BundleForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            run = import_bundle(team=team, person=request.user, file=form.cleaned_data["file"])
        except BundleRefused as refused:
            form.add_error("file", ValidationError(str(refused)))
        else:
            messages.success(request, f"{run} is imported. Nothing was charged.")
            return redirect("run_detail", team.pk, run.number)
    context = {"section": "runs", "team": team, "form": form}
    return render(request, "training/run_import.html", context, status=422 if request.method == "POST" else 200)
