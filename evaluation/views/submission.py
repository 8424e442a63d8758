"""A team hands in its bot and, after release, reads what the professors said."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from evaluation.models import Submission
from evaluation.services import results, submissions
from evaluation.services.next_steps import next_steps
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from training.models import TrainingRun


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def submission_detail(request: SignedInRequest, team: Team) -> HttpResponse:
    if request.method == "POST":
        return _submit(request, team)
    runs = TrainingRun.objects.for_team(team).finished().select_related("dataset_version__dataset", "base_model")
    submission = submissions.current_submission(team)
    context: dict[str, object] = {"runs": runs, "submission": submission, "section": "submission"}
    if submission is not None:
        context |= _details(submission)
    return render(request, "evaluation/submission_detail.html", context)


def _submit(request: SignedInRequest, team: Team) -> HttpResponse:
    number = request.POST.get("run", "")
    run = get_object_or_404(TrainingRun.objects.for_team(team), number=int(number) if number.isdigit() else 0)
    try:
        submissions.submit(team=team, run=run, person=request.user)
    except submissions.CannotSubmit as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{run} is handed in. Your professor finds it without your names on it.")
    return redirect("submission_detail", team_id=team.pk)


def _details(submission: Submission) -> dict[str, object]:
    """Levels and comments only once they are released."""
    details: dict[str, object] = {
        "may_replace": submissions.may_replace(submission),
        "bundle_hash": submissions.bundle_hash(submission),
        "graders": submission.gradings.count(),
        "graded": submission.gradings.filter(grade__status="committed").count(),
    }
    if submission.released_at:
        result = results.results_of([submission])[0]
        details |= {"result": result, "tags": results.tagged_turns(submission), "next_steps": next_steps(result)}
    return details
