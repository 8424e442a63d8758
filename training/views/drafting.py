"""Rows that a model drafts: asked for with a price, watched while they are written, decided one by one."""

import math
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets.models import Dataset, DatasetVersion
from datasets.services import drafts
from datasets.services.drafts import EditRefused
from datasets.services.reading import newest, stored_rows
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services import team_ledger
from teams.services.money import BudgetRefused
from teams.services.prices import PriceUnknown
from training.forms import DraftingForm
from training.models import DraftedRow, Drafting, RowState
from training.services import draft_offer, draft_rows, drafting, writers
from training.services.draft_offer import DraftingRefused
from training.services.endpoints import NotReady

NEW = "training/drafting_new.html"
DETAIL = "training/drafting_detail.html"
EXAMPLES = "drafting-examples"
WINDOWS = 4  # places of the version from which examples are offered
OF_EACH = 5
CHOSEN_FIRST = 6
REFUSALS = (DraftingRefused, BudgetRefused, PriceUnknown, NotReady)


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def drafting_new(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    version = newest(dataset)
    if version is None:
        messages.info(request, "Upload some rows first: a model writes after examples of yours.")
        return redirect("dataset_detail", team.pk, dataset.pk)
    version.dataset = dataset
    sent = request.POST if request.method == "POST" else request.GET
    found = writers.writers_of(team)
    page = _page(sent.get("page", "")) % _pages(version)
    rows = _offered(version, sent.getlist("examples"), page)
    if request.method == "POST":
        form = DraftingForm(found, rows, request.POST)
        if form.is_valid() and (made := _start(request, version, form)):
            return redirect("drafting_detail", team.pk, made.key)
        return render(request, NEW, _context(version, form, rows, page), status=422)
    if request.htmx.target == EXAMPLES:
        form = DraftingForm(found, rows, initial={"examples": sent.getlist("examples")})
        return render(request, f"{NEW}#{EXAMPLES}", _context(version, form, rows, page))
    if request.htmx and "writer" in request.GET:
        form = DraftingForm(found, rows, request.GET)
        return render(request, f"{NEW}#drafting-price", _context(version, form, rows, page))
    chosen = [row_id for row_id, _, _ in rows][:: max(1, len(rows) // CHOSEN_FIRST)][
        :CHOSEN_FIRST
    ]
    form = DraftingForm(found, rows, initial={"examples": chosen})
    return render(request, NEW, _context(version, form, rows, page))


def _page(given: str) -> int:
    return int(given) if given.isdecimal() and len(given) < 6 else 0


def _pages(version: DatasetVersion) -> int:
    """How many pages of examples are offered before the first one comes again."""
    return math.ceil(_between(version) / OF_EACH)


def _between(version: DatasetVersion) -> int:
    """How many rows lie between the beginnings of two places from which examples are offered."""
    return max(1, math.ceil(version.row_count / WINDOWS))


def _offered(
    version: DatasetVersion, chosen: list[str], page: int
) -> list[tuple[str, str, str]]:
    """(id, question, answer) of rows from several places of the version, and of those that were chosen before."""
    step = _between(version)
    wanted, found = set(chosen), {}
    for window in range(WINDOWS):
        start = window * step + page * OF_EACH
        for row in stored_rows(version, start, min(start + OF_EACH, (window + 1) * step)):
            found[row.id] = row
    if wanted - found.keys():
        found |= {row.id: row for row in stored_rows(version) if row.id in wanted}
    exchanges = [(row_id, draft_offer.example_of(row)) for row_id, row in found.items()]
    return [(row_id, one.asked, one.said) for row_id, one in exchanges if one is not None]


def _context(
    version: DatasetVersion, form: DraftingForm, rows: list[tuple[str, str, str]], page: int
) -> dict[str, Any]:
    team, pages = version.dataset.team, _pages(version)
    offer, refusal = None, ""
    asked = form if form.is_bound else DraftingForm(form.found, rows, _untouched(form))
    if form.found and asked.is_valid():
        try:
            offer = draft_offer.offer(version=version, among=form.found, **asked.asked())
        except REFUSALS as refused:
            refusal = str(refused)
    chosen = set(form["examples"].value() or [])
    return {
        "section": "datasets",
        "team": team,
        "dataset": version.dataset,
        "version": version,
        "form": form,
        "offered": [(*row, row[0] in chosen) for row in rows],
        "other_rows": (page + 1) % pages if pages > 1 else None,
        "offer": offer,
        "refusal": refusal,
        "left": team_ledger.figures(team).left,
        "earlier": Drafting.objects.for_team(team)
        .filter(dataset=version.dataset)
        .with_counts()[:10],
    }


def _untouched(form: DraftingForm) -> dict[str, Any]:
    """The data of a form that nobody has touched, for its price."""
    return {name: form[name].value() or _first(form, name) for name in form.fields}


def _first(form: DraftingForm, name: str) -> str:
    choices = getattr(form.fields[name], "choices", [])
    return str(choices[0][0]) if name == "writer" and choices else ""


def _start(
    request: SignedInRequest, version: DatasetVersion, form: DraftingForm
) -> Drafting | None:
    try:
        return drafting.start(version=version, person=request.user, **form.asked())
    except REFUSALS as refused:
        form.add_error(None, ValidationError(str(refused)))
        return None


def _find(team: Team, key: UUID) -> Drafting:
    return get_object_or_404(Drafting.objects.for_team(team), key=key)


@team_view(Access.MEMBER)
@require_GET
def drafting_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    found = _find(team, key)
    part = "#drafting-progress" if request.htmx else ""
    response = render(request, f"{DETAIL}{part}", _told(found))
    if request.htmx and not found.is_at_work:
        response["HX-Refresh"] = "true"
    return response


def _told(found: Drafting) -> dict[str, Any]:
    rows = draft_rows.shown(found)
    return _counts(found) | {
        "section": "datasets",
        "rows": rows,
        "unusable": found.rows.filter(state=RowState.UNUSABLE),
        "draft": drafts.draft_of(found.dataset) if found.dataset is not None else None,
    }


def _counts(found: Drafting) -> dict[str, Any]:
    """What the checks said and what people decided, in figures."""
    rows = list(found.rows.all())
    usable = [row for row in rows if row.state != RowState.UNUSABLE]
    return {
        "team": found.team,
        "drafting": found,
        "dataset": found.dataset,
        "written": len(rows),
        "clean": sum(not row.is_serious for row in usable),
        "flagged": sum(row.is_serious for row in usable),
        "unusable_count": len(rows) - len(usable),
        "accepted": sum(row.state == RowState.ACCEPTED for row in usable),
        "rejected": sum(row.state == RowState.REJECTED for row in usable),
        "left_open": sum(row.state == RowState.OPEN for row in usable),
    }


@team_view(Access.MEMBER)
@require_POST
def drafting_stop(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    if not drafting.stop(drafting=_find(team, key)):
        messages.info(request, "It was over already.")
    return redirect("drafting_detail", team.pk, key)


@team_view(Access.MEMBER)
@require_POST
def drafting_row(request: SignedInRequest, team: Team, key: UUID, position: int) -> HttpResponse:
    """One row: accepted in the words that were sent, rejected, or taken back. A refusal gives the words back."""
    found = _find(team, key)
    usable = DraftedRow.objects.filter(drafting=found).exclude(state=RowState.UNUSABLE)
    row = get_object_or_404(usable.select_related("decided_by"), position=position)
    row.drafting = found
    refusal = ""
    try:
        _decide(request, row)
    except EditRefused as refused:
        refusal = str(refused)
    if not request.htmx:
        if refusal:
            messages.error(request, refusal)
        return redirect(f"{_address(found)}#drafted-{position}")
    row.refresh_from_db()
    row.drafting = found
    context = _counts(found) | {
        "one": draft_rows.shown_one(row),
        "refusal": refusal,
        "tried": request.POST if refusal else None,
        "oob": True,
        "draft": drafts.draft_of(found.dataset) if found.dataset is not None else None,
    }
    return render(request, f"{DETAIL}#decided", context, status=422 if refusal else 200)


def _address(found: Drafting) -> str:
    return str(redirect("drafting_detail", found.team_id, found.key)["Location"])


def _decide(request: SignedInRequest, row: DraftedRow) -> None:
    """Raises EditRefused."""
    wish = request.POST.get("decide", "")
    if wish == "accept":
        question, answer = request.POST.get("question", ""), request.POST.get("answer", "")
        draft_rows.accept(row=row, question=question, answer=answer, person=request.user)
    elif wish == "reject":
        draft_rows.reject(row=row, person=request.user)
    elif wish == "back":
        draft_rows.take_back(row=row)
    else:
        raise EditRefused("Choose Accept, Reject or Take back.")
