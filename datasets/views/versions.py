from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from datasets.forms import BulkLabelForm, FindForm
from datasets.models import DatasetVersion, Shape
from datasets.services import (
    comparing,
    drafts,
    finding,
    measure,
    quality,
    rework,
    speakers,
    versions,
)
from datasets.views.downloads import download
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team

PAGE = 20


def find_version(team: Team, dataset_id: int, number: int) -> DatasetVersion:
    """The team's version, or Http404."""
    return get_object_or_404(
        DatasetVersion.objects.for_team(team), dataset_id=dataset_id, number=number
    )


def position(request: HttpRequest, name: str = "from") -> int:
    """A place in the rows from the address; 0 for anything that is none."""
    return whole_number(request.GET.get(name, ""))


def whole_number(given: str) -> int:
    """0 for anything that is none."""
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def frame(team: Team, version: DatasetVersion, tab: str) -> dict[str, Any]:
    """What every page of a version shows."""
    return {
        "section": "datasets",
        "team": team,
        "dataset": version.dataset,
        "version": version,
        "tab": tab,
    }


@team_view(Access.MEMBER)
@require_GET
def version_detail(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    form = FindForm(request.GET)
    search = search_of(form)
    start = min(max(position(request), position(request, "row") - 1), version.row_count - 1)
    if search.is_empty:
        items, count = drafts.shown(version, start, start + PAGE), version.row_count
    else:
        items, count = finding.page(version, search, start, PAGE)
    context = frame(team, version, "rows") | {
        "items": items,
        "draft": drafts.draft_of(version.dataset),
        "find_form": form,
        "label_form": BulkLabelForm(),
        "is_search": not search.is_empty,
        "query": query_of(request),
        "count": count,
        "first": start + 1,
        "last": min(start + PAGE, count),
        "previous": max(0, start - PAGE) if start else None,
        "next": start + PAGE if start + PAGE < count else None,
        "advice": quality.size_advice(version),
        "shapes": Shape.choices,
        "is_newest": versions.newest(version.dataset) == version,
    }
    return render(request, "datasets/version_detail.html", context)


def search_of(form: FindForm) -> finding.Search:
    """What the form asks for; nothing where it is none."""
    return finding.Search(**form.cleaned_data) if form.is_valid() else finding.Search()


def query_of(request: HttpRequest) -> str:
    """The search in the address, without its page, to go on from."""
    kept = request.GET.copy()
    for name in ("from", "row"):
        kept.pop(name, None)
    return kept.urlencode()


@team_view(Access.MEMBER)
@require_POST
def rows_label(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """One label for all rows that a search finds."""
    version = find_version(team, dataset_id, number)
    form, search = BulkLabelForm(request.POST), search_of(FindForm(request.GET))
    back = redirect(
        f"{reverse('version_detail', args=[team.pk, dataset_id, number])}?{query_of(request)}#rows"
    )
    if not form.is_valid():
        messages.error(
            request, "Choose a label of the list, and a value of at most 80 characters."
        )
        return back
    label, value = form.cleaned_data["set_label"], form.cleaned_data["set_value"]
    try:
        changed = finding.label_found(
            version=version, search=search, label=label, value=value, person=request.user
        )
    except drafts.EditRefused as refusal:
        messages.error(request, str(refusal))
        return back
    rows = "1 row has" if changed == 1 else f"{changed:,} rows have"
    name = label.replace("_", " ")
    done = f"the {name} “{value.strip()}” now" if value.strip() else f"no {name} any more"
    messages.success(request, f"{rows} {done}. Save the edits to make a version of them.")
    return back


@team_view(Access.MEMBER)
@require_GET
def version_quality(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    context = frame(team, version, "quality") | {"report": quality.page(version)}
    if request.htmx and request.htmx.target == "measuring":
        response = render(request, "datasets/version_quality.html#measuring", context)
        if version.measured_at and not version.waits_for_model:
            response["HX-Refresh"] = "true"
        return response
    return render(request, "datasets/version_quality.html", context)


@team_view(Access.MEMBER)
@require_POST
def version_measure(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """Run the checks again."""
    measure.begin(find_version(team, dataset_id, number))
    return redirect("version_quality", team.pk, dataset_id, number)


@team_view(Access.MEMBER)
@require_GET
def version_export(
    request: HttpRequest, team: Team, dataset_id: int, number: int, shape: str
) -> HttpResponseBase:
    version = find_version(team, dataset_id, number)
    if shape not in Shape.values:
        raise Http404("No such shape.")
    name = f"{slugify(version.dataset.name) or 'dataset'}-v{version.number}-{shape}.jsonl"
    return download(versions.export(version, shape), name=name, content_type="application/jsonl")


@team_view(Access.MEMBER)
@require_GET
def version_exports(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """What each shape would lose, and the way to the files."""
    version = find_version(team, dataset_id, number)
    context = frame(team, version, "export") | {
        "exports": quality.exports(version),
        "shapes": Shape.choices,
    }
    return render(request, "datasets/version_exports.html", context)


@team_view(Access.MEMBER_DELETES)
@require_POST
def version_delete(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        versions.delete_version(version=version, person=request.user)
    except versions.VersionInUse as refusal:
        messages.error(request, str(refusal))
        return redirect("version_detail", team.pk, dataset_id, number)
    messages.success(request, f"Version {number} was deleted.")
    return redirect("dataset_detail", team.pk, dataset_id)


@team_view(Access.MEMBER)
@require_POST
def version_restore(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        made = versions.restore(version=version, person=request.user)
    except versions.NothingChanged as same:
        messages.info(
            request,
            f"Nothing changed: the newest version, {same.version.number}, has these rows already.",
        )
        return redirect("version_detail", team.pk, dataset_id, same.version.number)
    messages.success(request, f"Version {made.number} has the rows of version {number} again.")
    return redirect("version_detail", team.pk, dataset_id, made.number)


@team_view(Access.MEMBER)
@require_POST
def version_swap(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """Teacher and student changed over in all rows, or in those that were recognised as a teacher's."""
    version = find_version(team, dataset_id, number)
    which = "flagged" if request.POST.get("which") == "flagged" else "all"
    try:
        made = rework.make(version=version, person=request.user, work="swap", option=which)
    except (speakers.NothingToSwap, rework.QueueAway) as refusal:
        messages.error(request, str(refusal))
        return redirect("version_quality", team.pk, dataset_id, number)
    except versions.NothingChanged as same:
        messages.info(request, f"Version {same.version.number} has these rows already.")
        return redirect("version_detail", team.pk, dataset_id, same.version.number)
    if made is None:
        messages.info(request, rework.UNDER_WAY)
        return redirect("version_quality", team.pk, dataset_id, number)
    messages.success(
        request, f"Version {made.number}: {made.note} Read some rows before you train on them."
    )
    return redirect("version_detail", team.pk, dataset_id, made.number)


@team_view(Access.MEMBER)
@require_POST
def version_fork(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """A dataset of its own with these rows in another shape."""
    version = find_version(team, dataset_id, number)
    shape = request.POST.get("shape", "")
    if shape not in Shape.values:
        messages.error(request, "Choose the shape that the new dataset shall have.")
        return redirect("version_exports", team.pk, dataset_id, number)
    try:
        made = rework.make(version=version, person=request.user, work="fork", option=shape)
    except versions.ConversionRefused as refusal:
        messages.error(request, f"It can't be done without losing rows. {refusal}")
        return redirect("version_exports", team.pk, dataset_id, number)
    except rework.QueueAway as away:
        messages.error(request, str(away))
        return redirect("version_exports", team.pk, dataset_id, number)
    if made is None:
        messages.info(request, rework.UNDER_WAY)
        return redirect("version_exports", team.pk, dataset_id, number)
    messages.success(request, f"{made.dataset.name} was made. {version} stays as it is.")
    return redirect("version_detail", team.pk, made.dataset_id, made.number)


@team_view(Access.MEMBER)
@require_GET
def version_diff(request: HttpRequest, team: Team, dataset_id: int, number: int) -> HttpResponse:
    """What changed from another version of the dataset (`?to=`, default: its parent) to this one."""
    version = find_version(team, dataset_id, number)
    others = (
        DatasetVersion.objects.for_team(team)
        .filter(dataset_id=dataset_id)
        .exclude(pk=version.pk)
        .defer("report")
    )
    wanted = position(request, "to") or (version.parent.number if version.parent else number - 1)
    other = others.filter(number=wanted).first()
    comparison = comparing.compare(other, version) if other else None
    start = position(request)
    found = comparison.differences if comparison else []
    context = frame(team, version, "changes") | {
        "others": others,
        "other": other,
        "comparison": comparison,
        "differences": found[start : start + PAGE],
        "previous": max(0, start - PAGE) if start else None,
        "next": start + PAGE if start + PAGE < len(found) else None,
    }
    return render(request, "datasets/version_diff.html", context)
