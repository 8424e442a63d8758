"""Deleting a run: what goes and what stays, then it goes."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from courseplatform import deleting_runs
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from training.models import TrainingRun


@team_view(Access.MEMBER_DELETES)
@require_http_methods(["GET", "POST"])
def run_delete(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = get_object_or_404(
        TrainingRun.objects.for_team(team).with_related().with_charge(), number=number
    )
    refusal, provider_silent = "", False
    if request.method == "POST":
        try:
            left = deleting_runs.delete_run(
                run=run,
                person=request.user,
                model_too="model_too" in request.POST,
                leave_there="leave_there" in request.POST,
            )
        except deleting_runs.AlreadyDeleted as gone:
            messages.warning(request, str(gone))
            return redirect("run_list", team.pk)
        except deleting_runs.DeletionRefused as refused:
            refusal, provider_silent = (
                str(refused),
                isinstance(refused, deleting_runs.ProviderSilent),
            )
        else:
            messages.success(request, f"{run} is deleted. What it cost stays on the costs page.")
            if left:
                messages.warning(
                    request,
                    f"Left at the provider: {', '.join(left)}. The record keeps these names.",
                )
            return redirect("run_list", team.pk)
    context = {
        "section": "runs",
        "team": team,
        "run": run,
        "held": deleting_runs.held_by(run),
        "why_not": "" if refusal else deleting_runs.why_not(run),
        "refusal": refusal,
        "provider_silent": provider_silent,
    }
    return render(request, "training/run_delete.html", context, status=422 if refusal else 200)
