"""A team hands in its bot and, after release, reads what the professors said."""

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from evaluation.forms import RegradeForm
from evaluation.models import Submission
from evaluation.services import deadlines, frozen, interview_report, regrades, submissions
from evaluation.services.next_steps import next_steps
from teams.access import Access, SignedInRequest, team_view
from teams.days import start_of_today
from teams.models import Team
from training.models import TrainingRun


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def submission_detail(request: SignedInRequest, team: Team) -> HttpResponse:
    if request.method == "POST":
        return _submit(request, team)
    finished = TrainingRun.objects.for_team(team).finished().shown()
    runs = finished.select_related("dataset_version__dataset", "base_model")
    submission = submissions.current_submission(team)
    deadline = deadlines.deadline_of(team.course)
    context: dict[str, object] = {
        "runs": runs,
        "submission": submission,
        "section": "submission",
    }
    context |= {"deadline": deadline, "deadline_passed": deadlines.has_passed(deadline)}
    if submission is not None:
        context |= _details(submission) | {"late": deadlines.is_late(submission, deadline)}
    return render(request, "evaluation/submission_detail.html", context)


def _submit(request: SignedInRequest, team: Team) -> HttpResponse:
    number = request.POST.get("run", "")
    run = get_object_or_404(
        TrainingRun.objects.for_team(team), number=int(number) if number.isdecimal() else 0
    )
    try:
        submissions.submit(team=team, run=run, person=request.user)
    except submissions.CannotSubmit as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, f"{run} is handed in. Your professor finds it without your names on it."
        )
    return redirect("submission_detail", team_id=team.pk)


def _details(submission: Submission) -> dict[str, object]:
    """Levels and comments only once they are released; who has graded, only up to yesterday, so that no minute is told."""
    details: dict[str, object] = {
        "may_replace": submissions.may_replace(submission),
        "bundle_hash": submissions.bundle_hash(submission),
        "graders": submission.gradings.count(),
        "graded": submission.gradings.filter(
            grade__committed_at__lt=start_of_today(submission.team.course)
        ).count(),
    }
    result = frozen.current_of(submission)
    if result is not None:
        details |= {
            "result": result,
            "marked": result.marked,
            "next_steps": next_steps(result.criteria),
        }
        details["versions"] = submission.releases.filter(number__lte=result.release.number)
        details |= interview_report.of_run(submission.run)
        details["regrades"] = submission.regrade_requests.select_related("criterion")
        details["regrade_form"] = _regrade_form(result, None)
    return details


def _regrade_form(result: frozen.ReleasedResult, data: QueryDict | None) -> RegradeForm:
    turns = [one.turn for one in result.marked]
    return RegradeForm(data, criteria=[row.criterion for row in result.criteria], turns=turns)


@team_view(Access.MEMBER)
@require_POST
def regrade_request(request: SignedInRequest, team: Team) -> HttpResponse:
    """Ask for a second look at one criterion of the released result."""
    submission = submissions.current_submission(team)
    result = frozen.current_of(submission) if submission else None
    if submission is None or result is None:
        raise Http404("There is no released result.")
    form = _regrade_form(result, request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a criterion and say what may have been missed.")
        return redirect("submission_detail", team_id=team.pk)
    asked = {"turns": [], **form.cleaned_data}
    try:
        regrades.request_regrade(submission=submission, person=request.user, **asked)
    except regrades.RegradeRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, "Your instructor has the request and decides what happens next."
        )
    return redirect("submission_detail", team_id=team.pk)
