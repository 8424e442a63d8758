"""A run leaves as a zip and comes in as one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from teams.access import Access, SignedInRequest, team_view
from teams.body_limits import takes_file
from teams.models import ArchiveExport, ArchiveKind, ArchiveStatus, ExportStatus, Team
from teams.services import archive_exports, archive_imports
from teams.services.disk import DiskFull
from teams.stored_downloads import stored_file
from training.forms import BundleForm
from training.models import RunStatus
from training.services import bundle
from training.views.runs import run_of


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def run_bundle(request: SignedInRequest, team: Team, number: int) -> HttpResponse | FileResponse:
    """The run's archive: a small one at once, a large one when the worker has written it (POST asks for it)."""
    run = run_of(team, number)
    if run.status != RunStatus.SUCCEEDED:
        raise Http404("Only a finished run has an archive.")
    refusal = ""
    if bundle.is_small(run):
        try:
            return FileResponse(
                bundle.write_bundle(run), as_attachment=True, filename=f"run-{run.number}.zip"
            )
        except archive_exports.ExportRefused as refused:
            refusal = str(refused)
    if request.method == "POST":
        try:
            archive_exports.ask(
                course=team.course,
                team=team,
                run_number=number,
                person=request.user,
                size=bundle.estimate(run),
            )
            return redirect("run_bundle", team.pk, number)
        except archive_exports.ExportRefused as refused:
            refusal = str(refused)
    export = archive_exports.newest(course=team.course, team=team, run_number=number)
    context = {"section": "runs", "team": team, "run": run, "export": export, "refusal": refusal}
    return export_page(request, "training/run_export.html", context)


@team_view(Access.MEMBER)
@require_GET
def run_bundle_file(request: SignedInRequest, team: Team, number: int) -> HttpResponseBase:
    run = run_of(team, number)
    export = archive_exports.newest(course=team.course, team=team, run_number=run.number)
    return exported_file(export, f"run-{run.number}.zip")


def exported_file(export: ArchiveExport | None, filename: str) -> HttpResponseBase:
    """The archive. Raises Http404 until it is ready, and CannotGive where storage cannot give it."""
    if export is None or export.status != ExportStatus.READY:
        raise Http404("This archive is not ready.")
    return stored_file(export.place, export.file_path.name, filename, "application/zip")


def export_page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page of an export: while it is at work HTMX asks for the part that moves, and loads the page once it is over."""
    export: ArchiveExport | None = context["export"]
    if request.htmx and export is not None and export.is_at_work:  # type: ignore[attr-defined]
        return render(request, f"{template}#waiting", context)
    page = render(request, template, context, status=422 if context["refusal"] else 200)
    if request.htmx:  # type: ignore[attr-defined]
        page["HX-Refresh"] = "true"
    return page


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
@takes_file("RUN_ARCHIVE_MAX_BYTES")
def run_import(request: SignedInRequest, team: Team) -> HttpResponse:
    form = BundleForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            import_ = archive_imports.receive(
                kind=ArchiveKind.RUN,
                person=request.user,
                team=team,
                file=form.cleaned_data["file"],
            )
        except (archive_imports.OneAtATime, DiskFull) as refused:
            form.add_error("file", str(refused))
        else:
            return redirect("run_import_detail", team.pk, import_.key)
    context = {"section": "runs", "team": team, "form": form}
    return render(
        request,
        "training/run_import.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


@team_view(Access.MEMBER)
@require_GET
def run_import_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    """How far the import is; then the run, or why there is none and the form once more."""
    import_ = get_object_or_404(team.archive_imports.filter(kind=ArchiveKind.RUN), key=key)
    if import_.status == ArchiveStatus.DONE:
        messages.success(
            request, f"Run {import_.report['run']} is imported. Nothing was charged."
        )
        address = reverse("run_detail", args=[team.pk, import_.report["run"]])
        return (
            HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
        )
    context = {"section": "runs", "team": team, "import": import_, "form": BundleForm()}
    if request.htmx and import_.is_at_work:
        return render(request, "training/run_import.html#waiting", context)
    page = render(request, "training/run_import.html", context)
    if request.htmx:
        page["HX-Refresh"] = "true"
    return page
