"""Pages that explain a version: what a model sees of it, how it is split, which method fits."""

from typing import Any, get_args

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets import checks
from datasets.checks.advising import Goal, Time
from datasets.forms import AdviceForm, SplitForm
from datasets.models import FrozenSplit
from datasets.services import model_view, split, splitting
from datasets.services.reading import row_at
from datasets.services.rework import QueueAway
from datasets.views.versions import find_version, frame, position
from teams.access import Access, SignedInRequest, team_view
from teams.methods import label_of
from teams.models import Team
from teams.services import providers

PAGE = 20


@team_view(Access.MEMBER)
@require_GET
def version_seen(request: HttpRequest, team: Team, dataset_id: int, number: int) -> HttpResponse:
    """One row as the three methods see it."""
    version = find_version(team, dataset_id, number)
    place = min(max(position(request, "row"), 1), version.row_count)
    bases = model_view.base_models()
    base = request.GET.get("base", "")
    base = base if base in bases else (bases[0] if bases else "")
    row = row_at(version, place - 1)
    assert row is not None
    seen = {
        "lora": _seen(model_view.lora, row, base) | {"base": base},
        "openai": _seen(model_view.openai, row),
        "dspy": _seen(model_view.dspy, row),
    }
    views = {name: {**view, "label": label_of(name)} for name, view in seen.items()}
    context = frame(team, version, "seen") | {
        "place": place,
        "bases": bases,
        "base": base,
        "views": views,
        "row": row,
    }
    return render(request, "datasets/version_seen.html", context)


def _seen(show: Any, *args: Any) -> dict[str, Any]:
    try:
        return {"seen": show(*args)}
    except model_view.CanNotShow as refusal:
        return {"refusal": str(refusal)}


@team_view(Access.MEMBER)
@require_GET
def version_split(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    splits = FrozenSplit.objects.filter(version=version).order_by("fraction", "seed")
    chosen = splits.filter(pk=position(request, "split")).first() or splits.first()
    context = frame(team, version, "split") | {
        "splits": splits,
        "chosen": chosen,
        "form": SplitForm(),
    }
    if chosen is not None:
        start = position(request)
        told = split.described(chosen)
        context |= {
            "told": told,
            "items": told.validation[start : start + PAGE],
            "previous": max(0, start - PAGE) if start else None,
            "next": start + PAGE if start + PAGE < len(told.validation) else None,
        }
    return render(request, "datasets/version_split.html", context)


@team_view(Access.MEMBER)
@require_POST
def split_decide(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    form = SplitForm(request.POST)
    if not form.is_valid():
        messages.error(
            request, "Choose a share from 1 to 50 percent and a whole number as seed."
        )
        return redirect("version_split", team.pk, dataset_id, number)
    fraction, seed = form.cleaned_data["percent"] / 100, form.cleaned_data["seed"]
    try:
        if not splitting.decide(
            version=version, fraction=fraction, seed=seed, person=request.user
        ):
            messages.info(request, splitting.UNDER_WAY)
            return redirect("version_split", team.pk, dataset_id, number)
    except QueueAway as away:
        messages.error(request, str(away))
        return redirect("version_split", team.pk, dataset_id, number)
    frozen = get_object_or_404(FrozenSplit, version=version, fraction=fraction, seed=seed)
    return redirect(
        f"/teams/{team.pk}/datasets/{dataset_id}/versions/{number}/split/?split={frozen.pk}"
    )


@team_view(Access.MEMBER)
@require_GET
def version_advice(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """Which method fits: the guide's three factors."""
    version = find_version(team, dataset_id, number)
    goal = request.GET.get("goal", "")
    time = request.GET.get("time", "")
    chosen_goal: Any = goal if goal in get_args(Goal) else "deep_personality"
    chosen_time: Any = time if time in get_args(Time) else "moderate"
    private = 0 if version.may_leave_this_machine else max(1, version.open_privacy_findings)
    stays_here = not providers.for_new_work(team.course, for_training=True)
    advice = checks.advice(
        rows=version.row_count,
        goal=chosen_goal,
        time=chosen_time,
        private=private,
        stays_here=stays_here,
    )
    form = AdviceForm(initial={"goal": chosen_goal, "time": chosen_time})
    context = frame(team, version, "advice") | {"advice": advice, "form": form}
    return render(request, "datasets/version_advice.html", context)
