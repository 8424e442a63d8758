from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets import formats
from datasets.forms import EncodingForm, MappingForm, UploadForm
from datasets.models import FixKind, Import, ImportFix
from datasets.services import fixing, imports, intake, problems, repairs, versions
from datasets.views.datasets import after_check
from datasets.views.downloads import download
from datasets.views.repairs import repairing
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
    context: dict[str, Any] = {
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
        "mapping_form": _mapping_form(import_),
        "asks_mapping": _asks_mapping(import_),
        "encoding_form": _encoding_form(import_),
        "limits": intake.limits(),
        "groups": [_named(import_, group) for group in import_.problem_groups],
        "rule": formats.rule_name(code) if code else "",
        "fixes": _fixes(import_),
    }
    context |= repairing(request, import_)
    context["keepable"] = import_.good_rows + context["repaired"]
    context["left_out"] = max(0, import_.bad_rows - context["repaired"])
    context["asks_first"] = bool(context["asks_mapping"] and not import_.good_rows)
    return context


def _named(import_: Import, group: dict[str, Any]) -> dict[str, Any]:
    """A rule's problems with its plain name and examples of what its repair changes."""
    examples = import_.found.get("examples", {}).get(group["code"], [])
    done = group["code"].removeprefix("fixed_")
    if done != group["code"]:
        examples = import_.found.get("examples", {}).get(done, [])
    return {
        **group,
        "name": formats.rule_name(group["code"]),
        "examples": examples,
        "done": done in import_.rule_fixes,
    }


def _fixes(import_: Import) -> list[dict[str, Any]]:
    """What people fixed, newest first, each as it is called on the page."""
    fixes = import_.fixes.select_related("made_by", "undone_by").order_by("-id")[:50]
    return [{"fix": fix, "title": _title_of(fix)} for fix in fixes]


def _title_of(fix: ImportFix) -> str:
    if fix.kind == FixKind.RULE:
        return f"Fixed in all rows: {formats.rule_name(fix.key).lower()}"
    if fix.kind == FixKind.ENCODING:
        return f"Read as {formats.ENCODING_NAMES.get(fix.key, fix.key)}"
    if fix.kind == FixKind.MAPPING:
        return "Columns or speakers named"
    line, item, _ = fix.key.split("-", 2)
    return f"Row repaired: item {item}" if item != "0" else f"Row repaired: line {line}"


def _speaker_names(import_: Import) -> list[str]:
    """Sorted: not every database keeps the order of names in a JSON field."""
    chosen = (import_.mapping or {}).get("speakers", {})
    found, suggested = (
        import_.found.get("speakers", {}),
        import_.found.get("suggested", {}).get("speakers", {}),
    )
    return sorted({**found, **suggested, **chosen})[:40]


def _mapping_form(import_: Import, data: Any = None) -> MappingForm | None:
    names = _speaker_names(import_)
    if not import_.columns and not names:
        return None
    initial = import_.mapping or import_.found.get("suggested", {})
    samples = import_.found.get("samples", {})
    return MappingForm(
        data, initial=initial, columns=import_.columns, speakers=names, samples=samples
    )


def _asks_mapping(import_: Import) -> bool:
    """Whether a person has to say, or to confirm, who is who before the rows make sense."""
    codes = {group["code"] for group in import_.problem_groups}
    return (
        bool(codes & {"unknown_columns", "unknown_role", "speaker_assumed"})
        or import_.sure == "unsure"
    )


def _encoding_form(import_: Import) -> EncodingForm | None:
    samples = import_.found.get("encoding_samples", {})
    damaged = any(
        group["code"] in ("json_invalid_utf8", "damaged_encoding")
        for group in import_.problem_groups
    )
    if not (samples or damaged or import_.encoding):
        return None
    return EncodingForm(initial={"encoding": import_.found.get("encoding", "")}, samples=samples)


@team_view(Access.MEMBER)
@require_GET
def import_problems(request: HttpRequest, team: Team, key: UUID) -> HttpResponseBase:
    """All problems as CSV."""
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    return download(
        problems.as_csv(import_), name=f"problems-{import_.pk}.csv", content_type="text/csv"
    )


@team_view(Access.MEMBER)
async def import_events(request: HttpRequest, team: Team, key: UUID) -> HttpResponseBase:
    """How far the check is, live; `done` when there is a report."""
    import_ = await sync_to_async(get_object_or_404)(Import.objects.for_team(team), key=key)

    async def snapshot() -> list[tuple[str, str]]:
        now = await Import.objects.aget(pk=import_.pk)
        told = [("progress", f"{now.progress} % read, {now.progress_rows:,} rows so far")]
        return told if now.is_working else [*told, (live.END, "checked")]

    return live.stream(request, import_.topic, snapshot)


def _acting(
    request: HttpRequest, team: Team, key: UUID, act: Callable[[Import], Any]
) -> HttpResponse:
    """Do something to an import and show where that led; what stands in the way becomes a message."""
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    try:
        act(import_)
    except (imports.NotReady, repairs.FixRefused) as refusal:
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
    left_out = (
        f" {version.skipped_rows:,} bad rows were left out." if version.skipped_rows else ""
    )
    messages.success(
        request, f"Version {version.number} has {version.row_count:,} rows.{left_out}"
    )
    return redirect("version_detail", team.pk, version.dataset_id, version.number)


@team_view(Access.MEMBER)
@require_POST
def import_fix(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    """One rule (`code`) fixed in all rows, or all that can be."""
    code = request.POST.get("code", "")

    def fix(import_: Import) -> None:
        fixing.fix_rules(
            import_=import_, codes=[code] if code else import_.fixable_codes, person=request.user
        )

    return _acting(request, team, key, fix)


@team_view(Access.MEMBER)
@require_POST
def import_encoding(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    encoding = request.POST.get("encoding", "")
    return _acting(
        request,
        team,
        key,
        lambda one: fixing.choose_encoding(import_=one, encoding=encoding, person=request.user),
    )


@team_view(Access.MEMBER)
@require_POST
def import_undo(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    """Take one fix back."""
    kind, fixed = request.POST.get("kind", ""), request.POST.get("key", "")
    if kind == FixKind.ROW:
        import_ = get_object_or_404(Import.objects.for_team(team), key=key)
        try:
            repairs.undo_row(import_=import_, key=fixed, person=request.user)
        except repairs.FixRefused as refusal:
            messages.error(request, str(refusal))
        return redirect("import_detail", team.pk, key)
    return _acting(
        request,
        team,
        key,
        lambda one: fixing.take_back(import_=one, kind=kind, key=fixed, person=request.user),
    )


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
        messages.error(
            request, " ".join(str(error) for errors in form.errors.values() for error in errors)
        )
        return redirect("import_detail", team.pk, key)
    return _acting(
        request,
        team,
        key,
        lambda import_: imports.replace_file(import_=import_, file=form.upload),
    )


@team_view(Access.MEMBER)
@require_POST
def import_map(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    form = _mapping_form(import_, request.POST)
    if form is None:
        messages.error(request, "This file has neither columns nor speakers to name.")
        return redirect("import_detail", team.pk, key)
    if not form.is_valid():
        messages.error(
            request, " ".join(str(error) for errors in form.errors.values() for error in errors)
        )
        return redirect("import_detail", team.pk, key)
    return _acting(
        request,
        team,
        key,
        lambda mapped: fixing.choose_mapping(
            import_=mapped, mapping=form.mapping, person=request.user
        ),
    )


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
