"""Where everyone's work begins: the course for its instructor, the team for its members."""

import logging
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import urlencode

from courseplatform import next_step, progress, service_state, set_up, team_facts
from courseplatform.demo import state as demo_state
from evaluation.models import Submission
from teams.access import Access, SignedInRequest, course_view, public_view, team_view
from teams.methods import choices
from teams.models import Course, Membership, Milestone, ProfessorAssignment, Role, Team
from teams.services import costs, team_requests
from teams.services.courses import CODES
from training.services import shutdowns

log = logging.getLogger(__name__)

RUNS_SHOWN = 8


@public_view
def healthz(request: HttpRequest) -> JsonResponse:
    """For load balancers and monitoring, which need no account.

    200 `ok`; 200 `degraded`: pages work, and a service of this machine keeps crashing; 503 `down`: no database. Which
    service it is, is said only to who sends the SERVICE_TOKEN (`Authorization: Bearer …`).
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        log.exception("the health check finds no database")
        return JsonResponse({"status": "down"}, status=503)
    failing = service_state.read(settings.SERVICE_STATE)
    said: dict[str, Any] = {"status": "degraded" if failing else "ok"}
    if _sends_the_token(request):
        said["failing"] = [asdict(one) for one in failing]
    return JsonResponse(said)


def _sends_the_token(request: HttpRequest) -> bool:
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return constant_time_compare(sent, settings.SERVICE_TOKEN)


@course_view(Access.READER)
def course_home(request: SignedInRequest, course: Course) -> HttpResponse:
    """The instructor's overview; for a student the way into a team; for a professor the queue."""
    if request.membership.role == Role.PROFESSOR:
        return redirect("grading_queue", course_id=course.pk)
    if request.membership.role == Role.STUDENT:
        if request.membership.team_id:
            return redirect("team_home", team_id=request.membership.team_id)
        return _find_a_team(request, course)
    if request.membership.role == Role.OBSERVER:
        return redirect("course_observed", course_id=course.pk)
    rows, join = team_rows(course), request.build_absolute_uri("/join/")
    context = {
        "rows": rows,
        "stuck": [row for row in rows if row["stuck"]],
        "practice": _practice(course),
        "demo": demo_state.of_course(course.pk),
        "section": "course",
        "join_url": join,
        "codes": _codes(course, join) if request.membership.is_instructor else [],
        "set_up": set_up.open_steps(course) if request.membership.is_instructor else [],
        "requests": team_requests.waiting(course),
        "endings": shutdowns.of_course(course),
    }
    return render(request, "teams/course_home.html", context)


def _find_a_team(request: SignedInRequest, course: Course) -> HttpResponse:
    """For a student who is in none yet."""
    context = {
        "teams": course.teams.filter(practice=False).prefetch_related(_people()),
        "practice": _practice(course),
        "asked": team_requests.of_student(request.membership),
        "declined": team_requests.declined_by(request.membership),
        "section": "course",
    }
    return render(request, "teams/course_join_team.html", context)


def _codes(course: Course, join: str) -> list[dict[str, Any]]:
    """What the page shows of each join code."""
    return [
        {
            "role": role,
            "label": f"{role.label}s",
            "code": getattr(course, field),
            "open": getattr(course, f"{field}_open"),
            "link": f"{join}?{urlencode({'code': getattr(course, field)})}",
        }
        for role, field in CODES.items()
    ]


def _practice(course: Course) -> Team | None:
    """The practice team, while it is open."""
    return course.teams.filter(practice=True).first() if course.practice_open else None


def _people() -> Prefetch[str]:
    return Prefetch(
        "memberships", queryset=Membership.objects.filter(active=True).select_related("person")
    )


def _assigned() -> Prefetch[str]:
    people = ProfessorAssignment.objects.select_related("professor__person")
    return Prefetch("professor_assignments", queryset=people)


def team_rows(course: Course) -> list[dict[str, Any]]:
    """One row per team: people, professors, what it did, what it spent, why it may be stuck. A fixed number of queries."""
    teams = list(course.teams.filter(practice=False).prefetch_related(_people(), _assigned()))
    plan, done = progress.course_plan(course), progress.achieved(teams)
    spent = {row.team.pk: row for row in costs.by_team(course)}
    return [_team_row(team, done[team.pk], plan, spent[team.pk]) for team in teams]


def _team_row(
    team: Team, done: progress.Done, plan: list[Milestone], spent: costs.TeamCosts
) -> dict[str, Any]:
    people, steps = (
        [membership.person for membership in team.memberships.all()],
        progress.steps(plan, done),
    )
    return {
        "team": team,
        "people": people,
        "professors": [
            one.professor.person
            for one in team.professor_assignments.all()
            if one.professor.active
        ],
        "has_data": Milestone.Goal.DATASET in done.goals,
        "methods": [(name, label, name in done.goals) for name, label in choices()],
        "failed": done.failed,
        "submitted": Milestone.Goal.SUBMISSION in done.goals,
        "costs": spent,
        "stuck": progress.stuck(
            team=team, done=done, plan=steps, costs=spent, people=len(people)
        ),
    }


@team_view(Access.MEMBER)
def team_home(request: SignedInRequest, team: Team) -> HttpResponse:
    """Where the team stands and what to do next."""
    runs = team_facts.runs_of(team)
    submission = Submission.objects.for_team(team).current().select_related("run").first()
    plan = progress.course_plan(team.course)
    facts, steps = team_facts.facts_of(team, plan, runs, submission)
    _, step = next_step.next_step(facts)
    own_costs = costs.of_team(team)
    context = {
        "section": "team",
        "step": step,
        "step_link": _link(team, step.page),
        "step_more": step.more and (step.more[0], _link(team, step.more[1])),
        "due": facts.due_words,
        "voices": team_facts.voices_of(runs),
        "demo": demo_state.of_course(team.course_id),
        "requests": team_requests.waiting(team.course).filter(team=team),
        "practice": _practice(team.course),
        "own_team": request.membership.team if team.practice else None,
        "runs": sorted(
            (run for run in runs if run.archived_at is None), key=lambda run: not run.starred
        )[:RUNS_SHOWN],
        "steps": steps,
        "now": next((one for one in steps if not one.done), None),
        "newest": facts.data,
        "submission": submission,
        "costs": own_costs,
        "bar": list(costs.segments(own_costs)),
        "people": [
            membership.person
            for membership in team.memberships.filter(active=True).select_related("person")
        ],
    }
    return render(request, "teams/team_home.html", context)


def _link(team: Team, page: tuple[str, tuple[object, ...], str]) -> str:
    """The address of a step's page; `page` as `next_step.Step` has it."""
    name, numbers, query = page
    own = name != "guide"
    address = reverse(name, args=[*([team.pk] if own else []), *numbers])
    return address + (query if query.startswith("#") else f"?{query}" if query else "")
