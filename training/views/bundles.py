"""A run leaves as a zip and comes in as one."""

from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from teams.access import Access, SignedInRequest, team_view
from teams.body_limits import takes_file
from teams.models import ArchiveKind, ArchiveStatus, Team
from teams.services import archive_imports
from teams.services.disk import DiskFull
from training.forms import BundleForm
from training.models import RunStatus
from training.services.bundle import write_bundle
from training.views.runs import run_of


@team_view(Access.MEMBER)
def run_bundle(request: SignedInRequest, team: Team, number: int) -> FileResponse:
    run = run_of(team, number)
    if run.status != RunStatus.SUCCEEDED:
        raise Http404("Only a finished run has an archive.")
    return FileResponse(write_bundle(run), as_attachment=True, filename=f"run-{run.number}.zip")


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
@takes_file("RUN_ARCHIVE_MAX_BYTES")
def run_import(request: SignedInRequest, team: Team) -> HttpResponse:
    form = BundleForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            import_ = archive_imports.receive(
                kind=ArchiveKind.RUN, person=request.user, team=team, file=form.cleaned_data["file"]
            )
        except (archive_imports.OneAtATime, DiskFull) as refused:
            form.add_error("file", str(refused))
        else:
            return redirect("run_import_detail", team.pk, import_.key)
    context = {"section": "runs", "team": team, "form": form}
    return render(request, "training/run_import.html", context, status=422 if request.method == "POST" else 200)


@team_view(Access.MEMBER)
@require_GET
def run_import_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    """How far the import is; then the run, or why there is none and the form once more."""
    import_ = get_object_or_404(team.archive_imports.filter(kind=ArchiveKind.RUN), key=key)
    if import_.status == ArchiveStatus.DONE:
        messages.success(request, f"Run {import_.report['run']} is imported. Nothing was charged.")
        address = reverse("run_detail", args=[team.pk, import_.report["run"]])
        return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
    context = {"section": "runs", "team": team, "import": import_, "form": BundleForm()}
    if request.htmx and import_.is_at_work:
        return render(request, "training/run_import.html#waiting", context)
    page = render(request, "training/run_import.html", context)
    if request.htmx:
        page["HX-Refresh"] = "true"
    return page
