"""The team's page about its endpoint: which bots answer, keys, use."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from training.forms.endpoint import EndpointKeyForm
from training.models import Deployment, EndpointCall, EndpointKey, FineTuningJob, TrainingRun
from training.services import deployments
from training.services.deployments import EndpointRefused
from training.services.openai_api import models

SHOWN_CALLS = 50
SHOWN_JOBS = 50


@team_view(Access.MEMBER)
@require_GET
def team_endpoint(request: SignedInRequest, team: Team) -> HttpResponse:
    return _page(request, team, EndpointKeyForm())


@team_view(Access.MEMBER)
@require_POST
def deployment_new(request: SignedInRequest, team: Team) -> HttpResponse:
    number = request.POST.get("run", "")
    run = get_object_or_404(
        TrainingRun.objects.for_team(team), number=number if number.isdecimal() else 0
    )
    try:
        made = deployments.deploy(team=team, run=run, person=request.user)
    except EndpointRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request, f"{run} answers now. Programs ask for the model {made.model_name}."
        )
    return redirect("team_endpoint", team_id=team.pk)


@team_view(Access.MEMBER)
@require_POST
def deployment_stop(request: SignedInRequest, team: Team, deployment_id: int) -> HttpResponse:
    deployment = get_object_or_404(
        Deployment.objects.select_related("run"), pk=deployment_id, team=team
    )
    deployments.stop(deployment=deployment, person=request.user)
    messages.success(
        request,
        f"{deployment.run} no longer answers programs. Answer with it again at any time.",
    )
    return redirect("team_endpoint", team_id=team.pk)


@team_view(Access.MEMBER)
@require_POST
def endpoint_key_new(request: SignedInRequest, team: Team) -> HttpResponse:
    """The page with the new key on it, this one time: it is not stored, so no other page can show it."""
    form = EndpointKeyForm(request.POST)
    if not form.is_valid():
        return _page(request, team, form, status=422)
    try:
        key, secret = deployments.make_key(team=team, person=request.user, **form.cleaned_data)
    except EndpointRefused as refused:
        form.add_error(None, forms.ValidationError(str(refused)))
        return _page(request, team, form, status=422)
    response = _page(request, team, EndpointKeyForm(), new_key=key, secret=secret)
    response["Cache-Control"] = "no-store"
    return response


@team_view(Access.MEMBER)
@require_POST
def endpoint_key_revoke(request: SignedInRequest, team: Team, key_id: int) -> HttpResponse:
    key = get_object_or_404(
        EndpointKey.objects.select_related("team__course"), pk=key_id, team=team
    )
    deployments.revoke(key=key, person=request.user)
    messages.success(request, f"The key “{key.name}” no longer works.")
    return redirect("team_endpoint", team_id=team.pk)


def _page(
    request: SignedInRequest,
    team: Team,
    form: EndpointKeyForm,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    use = deployments.use_of(team)
    answering = [row.deployment.run_id for row in use]
    calls = EndpointCall.objects.filter(api_key__team=team).select_related("run", "api_key")
    context = {
        "team": team,
        "form": form,
        "use": use,
        "ready": TrainingRun.objects.for_team(team).finished().shown().exclude(pk__in=answering),
        "keys": deployments.keys_of(team),
        "is_over": team.course.is_over(),
        "calls": calls[:SHOWN_CALLS],
        "trainable": models.bases(team),
        "jobs": FineTuningJob.objects.for_team(team).select_related("api_key")[:SHOWN_JOBS],
        "address": f"{settings.SITE_URL.rstrip('/')}/v1",
        "section": "runs",
        **more,
    }
    return render(request, "training/team_endpoint.html", context, status=status)
