"""Choosing a method and starting a run."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from teams.access import Access, SignedInRequest, team_view
from teams.models import Method, Team
from teams.services.money import BudgetRefused
from training.forms import FORMS, RunForm
from training.models import TrainingRun
from training.services.advice import Advice, advise
from training.services.launch import LaunchRefused, launch

TEMPLATE = "training/run_new.html"


@team_view(Access.MEMBER)
def run_new(request: SignedInRequest, team: Team, method: str) -> HttpResponse:
    form_class = _form_class(method)
    if request.method == "POST":
        form = form_class(team, request.POST)
        advice = _advice(team, form)  # before the launch: what refuses it must not hide the price
        if form.is_valid() and (run := _launch(request, team, form)):
            messages.success(request, f"{run} is queued.")
            return redirect("run_detail", team.pk, run.number)
        return render(request, TEMPLATE, _context(team, form, advice), status=422)
    # The quality page asks by htmx too, for the price of the usual settings: it sends no form and takes it from the whole page.
    if request.htmx and "dataset_version" in request.GET:
        form = form_class(team, request.GET)
        return render(request, f"{TEMPLATE}#advice", _context(team, form, _advice(team, form)))
    form = form_class(team, initial=_initial(request, team, form_class))
    filled = form_class(team, {**_defaults(form)})
    return render(request, TEMPLATE, _context(team, form, _advice(team, filled)))


def _form_class(method: str) -> type[RunForm]:
    if method not in Method.values:
        raise Http404("No such method.")
    return FORMS[Method(method)]


def _initial(request: SignedInRequest, team: Team, form_class: type[RunForm]) -> dict[str, Any]:
    """From an earlier run (`?from=3`), a preset (`?preset=quick`), a chosen version (`?version=12`), or the defaults."""
    initial: dict[str, Any] = {}
    number, preset, version = (request.GET.get(name, "") for name in ("from", "preset", "version"))
    if number.isdecimal():
        run = TrainingRun.objects.for_team(team).filter(number=number, method=form_class.method).first()
        initial = form_class.initial_from(run) if run else {}
    if preset in form_class.presets:
        initial |= form_class.presets[preset][1]
    if version.isdecimal():
        initial["dataset_version"] = int(version)
    return initial


def _defaults(form: RunForm) -> dict[str, Any]:
    """The data that an untouched form would send."""
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: getattr(value, "pk", value) for name, value in values.items() if value is not None}


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
        )
    except (LaunchRefused, BudgetRefused) as refused:
        form.add_error(None, ValidationError(str(refused)))
        return None


def _context(team: Team, form: RunForm, advice: Advice | None) -> dict[str, Any]:
    return {
        "section": "runs",
        "team": team,
        "form": form,
        "method": form.method,
        "methods": Method.choices,
        "advice": advice,
        "presets": [(name, label) for name, (label, _) in form.presets.items()],
    }
