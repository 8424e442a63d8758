"""Whether more rows would help: the learning curve of a finished run."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services.money import BudgetRefused
from training.models import RunStatus
from training.services.launch import LaunchRefused
from training.services.learning_curve import SHARES, learning_curve, start_part
from training.views.runs import run_of


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def run_rows(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    run = run_of(team, number)
    if run.status != RunStatus.SUCCEEDED:
        raise Http404("Only a finished run can be compared with itself on fewer rows.")
    if request.method == "POST":
        share = next(
            (share for share in SHARES if f"{share:g}" == request.POST.get("share")), 0.0
        )
        try:
            part = start_part(run=run, person=request.user, share=share)
        except (LaunchRefused, BudgetRefused) as refused:
            messages.warning(request, str(refused))
        else:
            messages.success(
                request, f"{part} is queued: the same run on {SHARES[share]} of the rows."
            )
        return redirect("run_rows", team.pk, run.number)
    context = {"section": "runs", "team": team, "run": run, "curve": learning_curve(run)}
    return render(request, "training/run_rows.html", context)
