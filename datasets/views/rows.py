"""Editing rows in the browser. Everything works as a page of its own, and in place where htmx asks."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets import checks, formats
from datasets.forms import RowForm
from datasets.models import Dataset, Draft
from datasets.services import drafts, rework, versions
from datasets.services.reading import plain
from datasets.views.versions import find_version, frame
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team

EMPTY_ROW = formats.Row(line=0, messages=[])


def _shown(version: Any, position: int) -> drafts.ShownRow:
    found = drafts.shown(version, position, position + 1)
    if not found:
        raise Http404("No such row.")
    return found[0]


def _form(item: drafts.ShownRow, data: Any = None) -> RowForm:
    row = plain(item.row)
    return RowForm(
        data, row=row, suggested=checks.suggest_labels(row), initial={"seen": item.fingerprint}
    )


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def row_edit(
    request: SignedInRequest, team: Team, dataset_id: int, number: int, position: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    item = _shown(version, position)
    context = frame(team, version, "rows") | {
        "item": item,
        "draft": drafts.draft_of(version.dataset),
    }
    if request.method == "GET":
        return _answer(request, context | {"form": _form(item)}, "row_form")
    form = _form(item, request.POST)
    if not form.is_valid():
        return _answer(request, context | {"form": form}, "row_form", status=422)
    try:
        saved = drafts.edit_row(
            version=version,
            position=position,
            row=form.edited,
            seen=form.cleaned_data["seen"],
            person=request.user,
        )
    except drafts.ChangedMeanwhile as conflict:
        return _answer(
            request,
            context | {"form": _again(request, item, conflict), "theirs": conflict.row},
            "row_form",
            409,
        )
    except drafts.EditRefused as refusal:
        form.add_error(None, str(refusal))
        return _answer(request, context | {"form": form}, "row_form", status=422)
    if not request.htmx:
        return redirect(
            f"{_page(team, dataset_id, number)}?row={position + 1}#row-{saved.row.id}"
        )
    return _answer(
        request,
        context | {"item": saved, "draft": drafts.draft_of(version.dataset)},
        "row_saved",
    )


def _again(
    request: HttpRequest, item: drafts.ShownRow, conflict: drafts.ChangedMeanwhile
) -> RowForm:
    """The person's own text once more, now knowing what the other wrote."""
    data = request.POST.copy()
    data["seen"] = formats.fingerprint(plain(conflict.row))
    again = _form(item, data)
    again.is_valid()
    again.add_error(None, str(conflict))
    return again


def _page(team: Team, dataset_id: int, number: int) -> str:
    return f"/teams/{team.pk}/datasets/{dataset_id}/versions/{number}/"


def _answer(
    request: SignedInRequest, context: dict[str, Any], fragment: str, status: int = 200
) -> HttpResponse:
    """A fragment where htmx asks, else a page. htmx swaps 422 but not 409: a conflict is told as 422 too."""
    if request.htmx:
        shown_status = 422 if status >= 400 else status
        return render(
            request, f"datasets/row_edit.html#{fragment}", context, status=shown_status
        )
    return render(request, "datasets/row_edit.html", context, status=status)


@team_view(Access.MEMBER)
@require_GET
def row_detail(
    request: SignedInRequest, team: Team, dataset_id: int, number: int, position: int
) -> HttpResponse:
    """One row as it is now: what "Cancel" brings back in place."""
    version = find_version(team, dataset_id, number)
    item = _shown(version, position)
    if not request.htmx:
        return redirect(
            f"{_page(team, dataset_id, number)}?row={position + 1}#row-{item.row.id}"
        )
    return _answer(request, frame(team, version, "rows") | {"item": item}, "row")


@team_view(Access.MEMBER)
@require_POST
def row_delete(
    request: SignedInRequest, team: Team, dataset_id: int, number: int, position: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        removed = drafts.remove_row(version=version, position=position, person=request.user)
    except drafts.EditRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("version_detail", team.pk, dataset_id, number)
    if not request.htmx:
        return redirect(
            f"{_page(team, dataset_id, number)}?row={position + 1}#row-{removed.row.id}"
        )
    context = frame(team, version, "rows") | {
        "item": removed,
        "draft": drafts.draft_of(version.dataset),
    }
    return _answer(request, context, "row_saved")


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def row_add(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    form = RowForm(request.POST or None, row=EMPTY_ROW)
    if form.is_bound and form.is_valid():
        try:
            drafts.add_row(dataset=dataset, row=form.edited, person=request.user)
        except drafts.EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The row was added to the edits.")
            return redirect("draft_detail", team.pk, dataset.pk)
    context = {"section": "datasets", "team": team, "dataset": dataset, "form": form}
    return render(
        request, "datasets/row_add.html", context, status=422 if form.is_bound else 200
    )


@team_view(Access.MEMBER)
@require_GET
def draft_detail(request: HttpRequest, team: Team, dataset_id: int) -> HttpResponse:
    """What would change if the edits were saved now."""
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    draft = drafts.draft_of(dataset)
    context: dict[str, Any] = {
        "section": "datasets",
        "team": team,
        "dataset": dataset,
        "draft": draft,
    }
    if draft is not None:
        context |= {
            "changes": drafts.described(draft),
            "next_number": versions.next_number(dataset),
        }
    return render(request, "datasets/draft_detail.html", context)


def _draft(team: Team, dataset_id: int) -> Draft:
    return get_object_or_404(
        Draft.objects.filter(dataset__in=Dataset.objects.for_team(team)), dataset_id=dataset_id
    )


@team_view(Access.MEMBER)
@require_POST
def draft_save(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    draft = _draft(team, dataset_id)
    try:
        made = drafts.publish(
            draft=draft, person=request.user, note=request.POST.get("note", "")[:300]
        )
    except (versions.NothingChanged, versions.NoRows, drafts.EditRefused) as refusal:
        messages.error(request, f"{refusal} No version was made; your edits are still here.")
        return redirect("draft_detail", team.pk, dataset_id)
    messages.success(request, f"Your edits are version {made.number} now.")
    return redirect("version_detail", team.pk, dataset_id, made.number)


@team_view(Access.MEMBER)
@require_POST
def draft_drop(request: HttpRequest, team: Team, dataset_id: int) -> HttpResponse:
    drafts.drop(draft=_draft(team, dataset_id))
    messages.success(request, "The edits were dropped.")
    return redirect("dataset_detail", team.pk, dataset_id)


@team_view(Access.MEMBER)
@require_POST
def draft_undo(request: HttpRequest, team: Team, dataset_id: int, row_id: str) -> HttpResponse:
    drafts.take_back(draft=_draft(team, dataset_id), row_id=row_id)
    return redirect("draft_detail", team.pk, dataset_id)


@team_view(Access.MEMBER)
@require_POST
def labels_confirm(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        made = rework.make(version=version, person=request.user, work="labels")
    except versions.NothingChanged:
        messages.info(request, "There was no suggestion to confirm.")
        return redirect("version_quality", team.pk, dataset_id, number)
    except rework.QueueAway as away:
        messages.error(request, str(away))
        return redirect("version_quality", team.pk, dataset_id, number)
    if made is None:
        messages.info(request, rework.UNDER_WAY)
        return redirect("version_quality", team.pk, dataset_id, number)
    messages.success(request, f"Version {made.number} has the suggested labels.")
    return redirect("version_quality", team.pk, dataset_id, made.number)
