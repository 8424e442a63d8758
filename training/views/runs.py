"""A team's runs: the list, one run as it happens, its files, stopping it."""

from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseBase,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from teams.access import Access, SignedInRequest, team_view
from teams.live import stream
from teams.methods import choices
from teams.models import Team
from teams.services.storage import files
from teams.stored_downloads import stored_file
from training.archives.manifest import PROGRAM
from training.forms import RunLabelForm
from training.models import RunStatus, TrainingRun
from training.services import limits, live, provider_deploys, queue
from training.services.base_names import NAMES_ITS_BASE, without_paths
from training.services.cancel import CannotStop, cancel, stop_and_keep
from training.services.checkpoints import NoCheckpoint, keep_checkpoint
from training.services.compare import compare
from training.services.dspy_file import for_dspy
from training.services.progress import settings_shown

PAGE_RUNS = 50
MOST_COMPARED = 4


def run_of(team: Team, number: int) -> TrainingRun:
    return get_object_or_404(TrainingRun.objects.for_team(team).with_related(), number=number)


@team_view(Access.MEMBER)
def run_list(request: SignedInRequest, team: Team) -> HttpResponse:
    """`?archived=1` shows the archived ones too."""
    return render(request, "training/run_list.html", list_context(team, request.GET))


def list_context(team: Team, asked: QueryDict) -> dict[str, Any]:
    """The list as `asked`: which page, and whether with the archived runs. Starred runs stand first."""
    runs = (
        TrainingRun.objects.for_team(team)
        .with_related()
        .with_charge()
        .order_by("-starred", "-id")
    )
    everything = bool(asked.get("archived"))
    archived = TrainingRun.objects.for_team(team).exclude(archived_at=None).count()
    page = Paginator(runs if everything else runs.shown(), PAGE_RUNS).get_page(asked.get("page"))
    waiting = {run.pk: place + 1 for place, run in enumerate(queue.waiting_in_order())}
    for run in page:
        run.queue_place = waiting.get(run.pk)
    return {
        "section": "runs",
        "team": team,
        "page": page,
        "everything": everything,
        "archived": archived,
        "methods": choices(),
        "load": limits.loads([team.pk])[team.pk],
    }


def list_address(team: Team, asked: QueryDict) -> str:
    """Where the list stands that `asked` came from."""
    kept = {
        name: asked[name] for name in ("page", "archived") if asked.get(name, "").isdecimal()
    }
    return reverse("run_list", args=[team.pk]) + (f"?{urlencode(kept)}" if kept else "")


@team_view(Access.MEMBER)
def run_detail(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    context = {
        **live.context(run),
        "section": "runs",
        "settings_shown": settings_shown(run),
        "after": live.now_id(),
        "label_form": RunLabelForm.of(run),
    }
    return render(request, "training/run_detail.html", context)


@team_view(Access.MEMBER)
async def run_events(request: SignedInRequest, team: Team, number: int) -> StreamingHttpResponse:
    run = await sync_to_async(run_of)(team, number)

    async def snapshot() -> list[tuple[str, str]]:
        return await sync_to_async(lambda: live.snapshot(run_of(team, number)))()

    return stream(request, run.topic, snapshot)


@team_view(Access.MEMBER)
@require_POST
def run_cancel(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    try:
        cancel(run=run, person=request.user)
    except CannotStop as late:
        messages.warning(request, str(late))
    else:
        done = run.status == RunStatus.CANCELLED
        messages.success(request, f"{run} is cancelled." if done else f"{run} is being stopped.")
    return redirect("run_detail", team.pk, run.number)


@team_view(Access.MEMBER)
@require_POST
def run_deploy(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    """Have the trained model deployed at its provider: one that is not yet, or that was taken down there."""
    run = run_of(team, number)
    if provider_deploys.again(run, person=request.user):
        messages.success(request, "The provider is asked to deploy it. That takes some minutes.")
    else:
        messages.warning(request, "There is nothing to deploy: this bot answers without that.")
    return redirect("run_detail", team.pk, run.number)


@team_view(Access.MEMBER)
@require_POST
def run_keep(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    try:
        stop_and_keep(run=run, person=request.user)
    except CannotStop as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(
            request, f"{run} stops after its present step and keeps the best adapter so far."
        )
    return redirect("run_detail", team.pk, run.number)


@team_view(Access.MEMBER)
@require_POST
def run_checkpoint(
    request: SignedInRequest, team: Team, number: int, position: int
) -> HttpResponse:
    """`position`: the checkpoint's step."""
    run = run_of(team, number)
    try:
        made = keep_checkpoint(run=run, person=request.user, step=position)
    except NoCheckpoint as missing:
        raise Http404(str(missing)) from missing
    messages.success(
        request, f"{made} is the checkpoint at step {position}. Nothing was charged."
    )
    return redirect("run_detail", team.pk, made.number)


@team_view(Access.MEMBER)
def run_file(request: SignedInRequest, team: Team, number: int, path: str) -> HttpResponseBase:
    """One artefact. The path is looked up among the run's artefacts; storage proves that it lies in the run's place.

    `courseplatform.storage_away` says in words where storage cannot give it.
    """
    run = run_of(team, number)
    artifact = get_object_or_404(run.artifacts, path=path)
    name = PurePosixPath(artifact.path).name
    is_program = artifact.path == PROGRAM
    if artifact.path not in NAMES_ITS_BASE and not is_program:
        return stored_file(run.place, artifact.path, name)
    with files.opened(run.place, artifact.path) as file:
        content = (
            for_dspy(file.read())
            if is_program
            else without_paths(run, artifact.path, file.read())
        )
    return FileResponse(BytesIO(content), as_attachment=True, filename=name)


@team_view(Access.MEMBER)
def run_compare(request: SignedInRequest, team: Team) -> HttpResponse:
    """`?runs=3&runs=5` or `?runs=3,5`: side by side; `?all=1` shows equal settings too."""
    asked = [
        int(part)
        for text in request.GET.getlist("runs")
        for part in text.split(",")
        if part.isdecimal()
    ]
    runs = list(
        TrainingRun.objects.for_team(team).with_related().with_charge().filter(number__in=asked)
    )
    others = (
        TrainingRun.objects.for_team(team)
        .shown()
        .exclude(number__in=asked)
        .order_by("-starred", "-id")
    )
    context = {
        "section": "runs",
        "team": team,
        "comparison": compare(sorted(runs, key=lambda run: run.number)[:MOST_COMPARED]),
        "others": others.select_related("base_model")[:PAGE_RUNS],
        "most": MOST_COMPARED,
        "everything": bool(request.GET.get("all")),
    }
    return render(request, "training/run_compare.html", context)
