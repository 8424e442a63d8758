"""The rows of an import that were left out, each in boxes for a person to repair."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets import formats
from datasets.forms import SPEAKERS, repaired_rows
from datasets.models import Import, ImportStatus
from datasets.services import problems, repairs
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team

PAGE = 10


def repairing(
    request: HttpRequest, import_: Import, entered: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the grid shows: a page of rows from `?row=` on. `entered`: key -> (turns, error) of rows just refused."""
    given = request.GET.get("row", "0")
    start = int(given) if given.isdecimal() and len(given) < 7 else 0
    count = repairs.broken_count(import_)
    start = min(start, max(0, count - 1))
    listed = repairs.broken(import_, start, PAGE)
    wrong = _wrong_at(import_, {(item.row.line, item.row.item) for item in listed})
    rows = [_shown(number, item, wrong, entered or {}) for number, item in enumerate(listed)]
    can_repair = import_.is_open or (
        import_.status == ImportStatus.ACCEPTED and import_.dataset is not None
    )
    return {
        "broken": rows if can_repair else [],
        "broken_count": count,
        "broken_first": start + 1,
        "broken_last": start + len(rows),
        "broken_previous": max(0, start - PAGE) if start else None,
        "broken_next": start + PAGE if start + PAGE < count else None,
        "broken_start": start,
        "repaired": len(repairs.repaired_rows(import_)),
    }


def _wrong_at(
    import_: Import, places: set[tuple[int, int]]
) -> dict[tuple[int, int], list[formats.Problem]]:
    """The errors of each row shown, by its place."""
    found: dict[tuple[int, int], list[formats.Problem]] = {place: [] for place in places}
    left = len(places) * 20
    for problem in problems.problems_of(import_, severity="error"):
        place = (problem.line, problem.item)
        if place in found and left > 0:
            found[place].append(problem)
            left -= 1
    return found


def _shown(
    number: int,
    item: repairs.BrokenShown,
    wrong: dict[tuple[int, int], list[formats.Problem]],
    entered: dict[str, Any],
) -> dict[str, Any]:
    turns, error = entered.get(item.key, (item.turns, ""))
    boxes = [
        {
            "role": role,
            "label": SPEAKERS.get(role, role),
            "text": text,
            "rows": 1 + min(8, len(text) // 60),
        }
        for role, text in turns
    ]
    return {
        "number": number,
        "item": item,
        "boxes": boxes,
        "error": error,
        "problems": wrong.get((item.row.line, item.row.item), [])[:3],
    }


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def import_repair(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    """Keep what a person made of the rows on the page; rows that still break a rule stay, with what was entered."""
    import_ = get_object_or_404(Import.objects.for_team(team), key=key)
    if request.method == "GET":
        return redirect("import_detail", team.pk, key)
    kept, refused = _repair(request, import_)
    _tell(request, import_, kept, len(refused))
    if refused:
        context = {"section": "datasets", "team": team, "import": import_} | repairing(
            request, import_, refused
        )
        return render(request, "datasets/import_repair.html", context, status=422)
    start = request.GET.get("row", "")
    suffix = f"?row={start}" if start.isdecimal() else ""
    return redirect(f"{reverse('import_detail', args=[team.pk, key])}{suffix}#repair")


def _repair(request: SignedInRequest, import_: Import) -> tuple[int, dict[str, Any]]:
    """How many rows were kept, and key -> (turns, error) of those that a person changed and that still break a rule."""
    kept, refused = 0, {}
    listed = {item.key: item for item in repairs.broken(import_)}
    for key, turns, skip in repaired_rows(request.POST, PAGE):
        shown = listed.get(key)
        if skip or shown is None:
            continue
        untouched = (
            turns == [(role, text.replace("\n", "\r\n")) for role, text in shown.turns]
            or turns == shown.turns
        )
        if untouched and shown.fix is not None:
            continue
        try:
            repairs.repair_row(import_=import_, shown=shown, turns=turns, person=request.user)
            kept += 1
        except repairs.FixRefused as refusal:
            if not untouched:
                refused[key] = (turns, str(refusal))
    return kept, refused


def _tell(request: HttpRequest, import_: Import, kept: int, refused: int) -> None:
    if kept:
        rows = "1 row is" if kept == 1 else f"{kept} rows are"
        where = (
            "among the dataset's edits"
            if import_.status == ImportStatus.ACCEPTED
            else "with the good ones"
        )
        messages.success(request, f"{rows} repaired and {where}.")
    elif not refused:
        messages.info(
            request, "No row was repaired: the boxes are as they were, or marked to be left out."
        )
