"""Pages that show what all the apps know; no rules of their own."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from datasets.models import Dataset, DatasetVersion
from evaluation.models import Submission
from teams.access import Access, SignedInRequest, course_view, public_view, team_view
from teams.models import Course, Method, Role, Team
from teams.services import costs
from training.models import RunStatus, TrainingRun


@public_view
def healthz(request: HttpRequest) -> JsonResponse:
    """For the supervisor and load balancers: the process answers and its database does too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


@course_view(Access.STUDENT)
def course_home(request: SignedInRequest, course: Course) -> HttpResponse:
    """The instructor's overview; for a student the way into a team; for a professor the queue."""
    if request.membership.role == Role.PROFESSOR:
        return redirect("grading_queue", course_id=course.pk)
    if request.membership.role == Role.STUDENT:
        if request.membership.team_id:
            return redirect("team_home", team_id=request.membership.team_id)
        teams = course.teams.prefetch_related("memberships__person")
        return render(request, "teams/course_join_team.html", {"teams": teams, "section": "course"})
    context = {"rows": _team_rows(course), "section": "course", "join_url": request.build_absolute_uri("/join/")}
    return render(request, "teams/course_home.html", context)


def _team_rows(course: Course) -> list[dict[str, object]]:
    """One row per team: people, professors, what it did, what it spent. A fixed number of queries."""
    done: dict[int, set[str]] = {}
    failed: dict[int, int] = {}
    for team_id, method, status in TrainingRun.objects.filter(team__course=course).values_list(
        "team_id", "method", "status"
    ):
        if status == RunStatus.SUCCEEDED:
            done.setdefault(team_id, set()).add(method)
        elif status == RunStatus.FAILED:
            failed[team_id] = failed.get(team_id, 0) + 1
    with_data = set(
        DatasetVersion.objects.filter(dataset__team__course=course).values_list("dataset__team_id", flat=True)
    )
    submitted = set(Submission.objects.filter(team__course=course).current().values_list("team_id", flat=True))
    spent = {row.team.pk: row for row in costs.by_team(course)}
    teams = course.teams.prefetch_related("memberships__person", "professor_assignments__professor__person")
    return [
        {
            "team": team,
            "people": [membership.person for membership in team.memberships.all()],
            "professors": [assignment.professor.person for assignment in team.professor_assignments.all()],
            "has_data": team.pk in with_data,
            "methods": [(method.value, method.label, method.value in done.get(team.pk, set())) for method in Method],
            "failed": failed.get(team.pk, 0),
            "submitted": team.pk in submitted,
            "costs": spent[team.pk],
        }
        for team in teams
    ]


@team_view(Access.MEMBER)
def team_home(request: SignedInRequest, team: Team) -> HttpResponse:
    """Where the team stands and what to do next."""
    runs = list(TrainingRun.objects.for_team(team).select_related("dataset_version__dataset", "base_model")[:8])
    finished = set(TrainingRun.objects.for_team(team).finished().order_by().values_list("method", flat=True).distinct())
    active = set(TrainingRun.objects.for_team(team).active().order_by().values_list("method", flat=True).distinct())
    newest = DatasetVersion.objects.for_team(team).select_related("dataset").order_by("-created_at").first()
    own_costs = costs.of_team(team)
    context = {
        "section": "team",
        "runs": runs,
        "steps": [(method.value, method.label, method.value in finished, method.value in active) for method in Method],
        "newest": newest,
        "datasets": Dataset.objects.for_team(team).count(),
        "submission": Submission.objects.for_team(team).current().select_related("run").first(),
        "costs": own_costs,
        "bar": list(costs.segments(own_costs)),
        "people": [membership.person for membership in team.memberships.select_related("person")],
    }
    return render(request, "teams/team_home.html", context)
