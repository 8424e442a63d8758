"""A team has its runs interviewed by the standard script and compares what the answers show."""

from datetime import date, datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from evaluation.models import Interview
from evaluation.services import interview_report, interviews, judging
from evaluation.services.interviews import InterviewRefused
from evaluation.views.talk import REFUSALS
from teams.access import Access, SignedInRequest, team_view
from teams.models import Role, Team
from training.models import TrainingRun


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def standard_list(request: SignedInRequest, team: Team) -> HttpResponse:
    if request.method == "POST":
        return _start(request, team)
    script, is_instructor = (
        interviews.script_for(team.course),
        request.membership.role == Role.INSTRUCTOR,
    )
    done = Interview.objects.with_bases(team).select_related("run__base_model", "script")[:100]
    context = {
        "interviews": sorted(done, key=_by_day, reverse=True),
        "points": interview_report.quality_points(team),
        "progress": interview_report.progress(team),
        "runs": TrainingRun.objects.for_team(team)
        .finished()
        .shown()
        .select_related("dataset_version__dataset"),
        "script": script,
        "judge": judging.offer(team.course, script, is_instructor=is_instructor),
        "section": "chat",
    }
    return render(request, "evaluation/standard_list.html", context)


def _by_day(interview: Interview) -> tuple[date, bool, datetime]:
    """Newest first; a grader's stands at the end of its day, so that its place tells no minute."""
    return (
        timezone.localdate(interview.created_at),
        not interview.for_grading,
        interview.created_at,
    )


def _start(request: SignedInRequest, team: Team) -> HttpResponse:
    number, repeats = request.POST.get("run", ""), request.POST.get("repeats", "1")
    run = get_object_or_404(
        TrainingRun.objects.for_team(team).finished(),
        number=int(number) if number.isdecimal() else 0,
    )
    try:
        interview = interviews.start(
            run=run,
            person=request.user,
            repeats=int(repeats) if repeats.isdecimal() else 1,
            judge=request.membership.role == Role.INSTRUCTOR and "judge" in request.POST,
            untrained="untrained" in request.POST,
        )
    except (InterviewRefused, *REFUSALS) as error:
        messages.error(request, str(error))
        return redirect("standard_list", team_id=team.pk)
    return redirect("standard_detail", team_id=team.pk, key=interview.key)


@team_view(Access.MEMBER)
@require_GET
def standard_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    rows = Interview.objects.with_bases(team).select_related("run__base_model", "script")
    interview = get_object_or_404(rows, key=key)
    part = "#progress" if request.htmx and interview.is_active else ""
    context = {**interview_report.report(interview), "section": "chat"}
    response = render(request, f"evaluation/standard_detail.html{part}", context)
    if request.htmx and not interview.is_active:
        response["HX-Refresh"] = "true"
    return response


@team_view(Access.MEMBER)
@require_GET
def run_learning(request: SignedInRequest, team: Team, number: int) -> HttpResponse:
    """A run's selective flip score, loaded into the run's page; opened by itself, it leads to the interview."""
    run = get_object_or_404(TrainingRun.objects.for_team(team).finished(), number=number)
    found = interview_report.of_run(run)
    if not request.htmx:
        interview = found.get("interview")
        if interview is None:
            return redirect("standard_list", team_id=team.pk)
        return redirect("standard_detail", team_id=team.pk, key=interview.key)
    return render(request, "evaluation/run_learning.html", {"run": run, **found})
