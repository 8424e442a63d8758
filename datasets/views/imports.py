from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets.forms import MappingForm, UploadForm
from datasets.models import Import
from datasets.services import imports, intake, problems, versions
from datasets.views.datasets import after_check
from datasets.views.downloads import download
from teams import live
from teams.access import Access, SignedInRequest, team_view
from teams.body_limits import takes_file
from teams.models import Team

PAGE = 50
PREVIEWED = 3
SEVERITIES = ("error", "warning", "info")


@team_view(Access.MEMBER)
@require_GET
def import_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    if request.htmx and request.htmx.target == "progress":
        return _progress(request, team, import_)
    return render(request, "datasets/import_detail.html", _report(request, team, import_))


def _progress(request: HttpRequest, team: Team, import_: Import) -> HttpResponse:
    context = {"team": team, "import": import_, "is_silent": imports.is_silent(import_)}
    response = render(request, "datasets/import_detail.html#progress", context)
    if not import_.is_working:
        response["HX-Refresh"] = "true"
    return response


def _report(request: HttpRequest, team: Team, import_: Import) -> dict[str, Any]:
    severity = request.GET.get("severity", "")
    severity = severity if severity in SEVERITIES else ""
    code = request.GET.get("code", "")
    start = int(request.GET.get("from", "0")) if request.GET.get("from", "0").isdecimal() else 0
    found = problems.problems_of(import_, severity=severity, code=code)
    shown = list(islice(found, start, start + PAGE + 1))
    return {
        "section": "datasets",
        "team": team,
        "import": import_,
        "is_silent": imports.is_silent(import_),
        "severity": severity,
        "code": code,
        "problems": shown[:PAGE],
        "next": start + PAGE if len(shown) > PAGE else None,
        "previous": max(0, start - PAGE) if start else None,
        "rows": imports.preview(import_, PREVIEWED),
        "replace_form": UploadForm(auto_id="replace_%s"),
        "mapping_form": MappingForm(initial=import_.mapping or {}, columns=import_.columns)
        if import_.columns
        else None,
        "limits": intake.limits(),
    }


@team_view(Access.MEMBER)
@require_GET
def import_problems(request: HttpRequest, team: Team, key: UUID) -> HttpResponseBase:
    """All problems as CSV."""
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    return download(problems.as_csv(import_), name=f"problems-{import_.pk}.csv", content_type="text/csv")


@team_view(Access.MEMBER)
async def import_events(request: HttpRequest, team: Team, key: UUID) -> HttpResponseBase:
    """How far the check is, live; `done` when there is a report."""
    import_ = await sync_to_async(get_object_or_404)(Import.objects.for_team(team), key=key)

    async def snapshot() -> list[tuple[str, str]]:
        now = await Import.objects.aget(pk=import_.pk)
        told = [("progress", f"{now.progress} % read, {now.progress_rows:,} rows so far")]
        return told if now.is_working else [*told, (live.END, "checked")]

    return live.stream(request, import_.topic, snapshot)


def _acting(request: HttpRequest, team: Team, key: UUID, act: Callable[[Import], Any]) -> HttpResponse:
    """Do something to an import and show where that led; what stands in the way becomes a message."""
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    try:
        act(import_)
    except imports.NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect("import_detail", team.pk, key)
    except versions.NothingChanged:
        pass  # the import says so itself: it is closed and points to the version with the same rows
    import_.refresh_from_db()
    return after_check(request, import_)


@team_view(Access.MEMBER)
@require_POST
def import_accept(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    try:
        version = imports.accept(import_=import_, person=request.user)
    except imports.NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect("import_detail", team.pk, key)
    except versions.NothingChanged:
        return after_check(request, import_)
    left_out = f" {version.skipped_rows:,} bad rows were left out." if version.skipped_rows else ""
    messages.success(request, f"Version {version.number} has {version.row_count:,} rows.{left_out}")
    return redirect("version_detail", team.pk, version.dataset_id, version.number)


@team_view(Access.MEMBER)
@require_POST
def import_mend(request: HttpRequest, team: Team, key: UUID) -> HttpResponse:
    return _acting(request, team, key, lambda import_: imports.mend_all(import_=import_))


@team_view(Access.MEMBER)
@require_POST
def import_check(request: HttpRequest, team: Team, key: UUID) -> HttpResponse:
    return _acting(request, team, key, lambda import_: imports.check(import_=import_))


@team_view(Access.MEMBER)
@require_POST
@takes_file("DATASET_MAX_BYTES")
def import_replace(request: HttpRequest, team: Team, key: UUID) -> HttpResponse:
    get_object_or_404(Import.objects.for_team(team), key=key)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("import_detail", team.pk, key)
    return _acting(request, team, key, lambda import_: imports.replace_file(import_=import_, file=form.upload))


@team_view(Access.MEMBER)
@require_POST
def import_map(request: HttpRequest, team: Team, key: UUID) -> HttpResponse:
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    form = MappingForm(request.POST, columns=import_.columns)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("import_detail", team.pk, key)
    return _acting(request, team, key, lambda mapped: imports.check(import_=mapped, mapping=form.mapping))


@team_view(Access.MEMBER)
@require_POST
def import_discard(request: HttpRequest, team: Team, key: UUID) -> HttpResponse:
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    try:
        imports.discard(import_=import_)
    except imports.NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect("import_detail", team.pk, key)
    messages.success(request, f"{import_.filename} was discarded.")
    return redirect("dataset_list", team.pk)
