"""Choosing a method and starting a run."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services import providers
from teams.services.money import BudgetRefused
from training import methods
from training.forms import FORMS, RunForm, form_names
from training.models import TrainingRun
from training.services import bundled_bases
from training.services.advice import Advice, advise
from training.services.launch import LaunchRefused, launch
from training.services.verdict_words import changes_of

TEMPLATE = "training/run_new.html"


@team_view(Access.MEMBER)
def run_new(request: SignedInRequest, team: Team, method: str) -> HttpResponse:
    form_class = _form_class(method)
    if request.method == "POST":
        form = form_class(team, request.POST)
        context = _context(
            team, form, form
        )  # before the launch: what refuses it must not hide the price
        if form.is_valid() and (run := _launch(request, team, form)):
            messages.success(request, f"{run} is queued.")
            return redirect("run_detail", team.pk, run.number)
        return render(request, TEMPLATE, context, status=422)
    # The quality page asks by htmx too, for the price of the usual settings: it sends no form and takes it from the whole page.
    if (
        request.htmx
        and "dataset_version" in request.GET
        and not _asks_for_preset(request, form_class)
    ):
        form = form_class(team, request.GET)
        return render(request, f"{TEMPLATE}#advice", _context(team, form, form))
    form = form_class(team, initial=_initial(request, team, form_class))
    filled = form_class(team, form.untouched(), beside=form)
    return render(request, TEMPLATE, _context(team, form, filled))


def _asks_for_preset(request: SignedInRequest, form_class: type[RunForm]) -> bool:
    """A click on a preset sends what stands in the form, to keep it, and gets the whole page."""
    return request.GET.get("preset", "") in form_class.presets


def _form_class(method: str) -> type[RunForm]:
    if method not in FORMS:
        raise Http404("No such method.")
    return FORMS[method]


def _initial(request: SignedInRequest, team: Team, form_class: type[RunForm]) -> dict[str, Any]:
    """From an earlier run (`?from=3`, with what its verdict advises: `&change=gentler`), a preset (`?preset=quick`) beside
    what stands in the form already (its name, dataset and base model), a chosen version (`?version=12`), or the defaults."""
    initial: dict[str, Any] = {}
    number, preset, version = (
        request.GET.get(name, "") for name in ("from", "preset", "version")
    )
    if number.isdecimal():
        runs = TrainingRun.objects.for_team(team).select_related("starts_from")
        run = runs.filter(number=number, method=form_class.method).first()
        initial = form_class.initial_from(run) if run else {}
        change = changes_of(run).get(request.GET.get("change", "")) if run else None
        if run is not None and change is not None:
            initial |= {"name": run.name, **change.settings}
    if preset in form_class.presets:
        initial |= form_class.presets[preset][1]
    for name in ("dataset_version", "base_model"):
        if request.GET.get(name, "").isdecimal():
            initial[name] = int(request.GET[name])
    if request.GET.get("start", "").isdecimal():
        initial["start"] = f"run-{request.GET['start']}"
    if request.GET.get("name"):
        initial["name"] = request.GET["name"]
    if version.isdecimal():
        initial["dataset_version"] = int(version)
    return initial


def _advice(team: Team, form: RunForm) -> Advice | None:
    if not form.is_valid():
        return None
    chosen = form.cleaned_data
    return advise(
        team=team,
        method=form.method,
        base_model=chosen["base_model"],
        dataset_version=chosen["dataset_version"],
        settings=form.settings(),
        seed=chosen["seed"],
        starts_from=chosen.get("starts_from"),
    )


def _launch(request: SignedInRequest, team: Team, form: RunForm) -> TrainingRun | None:
    chosen = form.cleaned_data
    try:
        return launch(
            team=team,
            person=request.user,
            method=form.method,
            base_model=chosen["base_model"],
            dataset_version=chosen["dataset_version"],
            settings=form.settings(),
            seed=chosen["seed"],
            name=chosen["name"],
            key=chosen["key"],
            starts_from=chosen.get("starts_from"),
        )
    except (LaunchRefused, BudgetRefused) as refused:
        form.add_error(None, ValidationError(str(refused)))
        return None


def _context(team: Team, form: RunForm, asked: RunForm) -> dict[str, Any]:
    """`asked`: what the price is for: the form as it was sent, or as it would be if nobody changed it."""
    advice = _advice(team, asked)
    return {
        "section": "runs",
        "team": team,
        "form": form,
        "method": methods.get(form.method),
        "form_name": form.kind or form.method,
        "methods": form_names(),
        "advice": advice,
        "settings_sentence": asked.settings_sentence() if asked.is_valid() else "",
        "missing_bases": [] if form.has_base else bundled_bases.missing(),
        "own_service": not providers.for_new_work(team.course, for_training=True),
        "presets": [(name, label) for name, (label, _) in form.presets.items()],
    }
