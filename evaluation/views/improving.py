"""One page for the loop: failed answers, better ones as rows, train again, compare blind, and what came of it over time."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from datasets.models import Dataset
from datasets.services import drafts, reading, versions
from datasets.services.drafts import EditRefused
from evaluation.services import bot_history, improving
from evaluation.services.improving import Item, SavedMeanwhile
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services.disk import DiskFull
from training.models import TrainingRun

TEMPLATE = "evaluation/improve.html"
MOST_OPEN = 12  # failed answers that stand open; the others unfold
MOST_QUESTIONS = 12  # offered for a blind comparison


def _find(team: Team, number: int) -> TrainingRun:
    rows = TrainingRun.objects.for_team(team).finished()
    related = rows.select_related(
        "team__course", "dataset_version__dataset", "starts_from__dataset_version__dataset"
    )
    return get_object_or_404(related, number=number)


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def run_improve(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = _find(team, number)
    if request.method == "POST":
        return _save(request, run)
    return render(request, TEMPLATE, _page(request, run))


def _page(
    request: SignedInRequest, run: TrainingRun, *, tried: dict[str, dict[str, str]] | None = None
) -> dict[str, Any]:
    """`tried`: by an item's key, the text and the refusal of a save that did not come about."""
    interview, dataset = improving.interview_of(run), improving.target_of(run)
    items = improving.items_of(run, interview)
    cards: list[dict[str, Any]] = [
        {"item": item, **(tried or {}).get(item.key, {})} for item in items
    ]
    stages = bot_history.stages_of(run, dataset)
    newer = bot_history.newer_of(run, stages)
    failed = [card for card in cards if card["item"].marked.failed]
    looks_on = request.membership.looks_on
    return _data(dataset, run) | {
        "run": run,
        "interview": interview,
        "asking": improving.asking_of(run),
        "failed": failed[:MOST_OPEN],
        "more": failed[MOST_OPEN:],
        "failures": len(failed),
        "others": [card for card in cards if not card["item"].marked.failed],
        "answered": sum(card["item"].state in ("waiting", "saved") for card in failed),
        "stages": stages,
        "newer": newer,
        "duel": newer
        and bot_history.duel(old=run, new=newer, person=request.user, looks_on=looks_on),
        "questions": _questions(items),
        "looks_on": looks_on,
        "section": "runs",
    }


def _data(dataset: Dataset | None, run: TrainingRun) -> dict[str, Any]:
    """Where the rows go, and how far the data is ahead of the bot."""
    if dataset is None:
        return {"dataset": None, "draft": None, "newest": None}
    draft, newest = drafts.draft_of(dataset), reading.newest(dataset)
    if newest is not None:
        newest.dataset = dataset  # its name is said with it
    same = run.dataset_version.dataset_id == dataset.pk
    return {
        "dataset": dataset,
        "draft": draft,
        "edits": draft.changes.count() if draft is not None else 0,
        "next_number": reading.next_number(dataset),
        "newest": newest,
        "ahead": newest is not None and (not same or newest.number > run.dataset_version.number),
    }


def _questions(items: list[Item]) -> list[str]:
    """For a comparison: what it failed first, each question once, none that needs what was said before."""
    alone = [item.question for item in items if not item.before]
    return list(dict.fromkeys(alone))[:MOST_QUESTIONS]


def _save(request: SignedInRequest, run: TrainingRun) -> HttpResponse:
    """One answer's row: kept, or taken back. A refusal gives the text back beside the reason."""
    item = _item(run, request.POST.get("item", ""))
    text, seen = request.POST.get("text", ""), request.POST.get("seen", "")
    refusal = ""
    try:
        if "back" in request.POST:
            improving.take_back(item=item, seen=seen)
        else:
            improving.save(run=run, item=item, text=text, seen=seen, person=request.user)
    except (EditRefused, SavedMeanwhile) as refused:
        refusal = str(refused)
    return _answer(request, run, item.key, text, refusal)


def _item(run: TrainingRun, key: str) -> Item:
    for item in improving.items_of(run, improving.interview_of(run)):
        if item.key == key:
            return item
    raise Http404("There is no such answer of this bot.")


def _answer(
    request: SignedInRequest, run: TrainingRun, key: str, text: str, refusal: str
) -> HttpResponse:
    """The card anew with the bar of edits, or the whole page. htmx swaps 422."""
    tried = {key: {"text": text, "refusal": refusal}} if refusal else None
    if not request.htmx and not refusal:
        return redirect(f"{request.path}#{key}")
    if not request.htmx:
        return render(request, TEMPLATE, _page(request, run, tried=tried), status=422)
    item = _item(run, key)
    context = _data(improving.target_of(run), run) | {"run": run, "oob": True, "section": "runs"}
    context["card"] = {"item": item, **(tried or {}).get(key, {})}
    response = render(request, f"{TEMPLATE}#saved_card", context, status=422 if refusal else 200)
    if not refusal:
        response["Saved"] = key
    return response


@team_view(Access.MEMBER)
@require_POST
def run_improve_publish(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    """All edits of the dataset as its next version; then the page says to train again."""
    run = _find(team, number)
    dataset = improving.target_of(run)
    draft = drafts.draft_of(dataset) if dataset is not None else None
    if draft is None:
        messages.info(
            request, "There are no open edits: somebody saved or dropped them already."
        )
        return redirect("run_improve", team.pk, number)
    try:
        made = drafts.publish(
            draft=draft, person=request.user, note=f"Better answers for {run}."[:300]
        )
    except (versions.NothingChanged, versions.NoRows, EditRefused, DiskFull) as refusal:
        messages.error(request, f"{refusal} No version was made; your edits are still here.")
        return redirect("run_improve", team.pk, number)
    messages.success(
        request,
        f"Version {made.number} of {made.dataset.name} is saved. Now train again with it.",
    )
    return redirect(f"{request.path.removesuffix('version/')}#again")
