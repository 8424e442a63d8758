"""What an observer sees of a course: figures without a name of a student, a grader or a team."""

from dataclasses import dataclass
from statistics import mean

from django.utils.crypto import salted_hmac

from courseplatform import progress
from evaluation.models import Submission
from evaluation.services import agreement_report, results
from teams.models import Course, Role, Team
from teams.services import costs


@dataclass(frozen=True)
class ObservedTeam:
    """`number` is drawn, so that neither its place nor its order tells which team it is."""

    number: int
    people: int
    done: list[bool]
    spent: int
    graders: int
    points: float | None


@dataclass(frozen=True)
class Observed:
    steps: list[str]
    teams: list[ObservedTeam]
    roles: list[tuple[str, int]]
    spent: int
    points: float | None
    criteria: list[agreement_report.CriterionAgreement]


def observed(course: Course) -> Observed:
    """Points and agreement appear once results are released; until then grading goes on undisturbed."""
    teams = sorted(course.teams.filter(practice=False), key=_drawn)
    plan, done = progress.course_plan(course), progress.achieved(teams)
    spent = {row.team.pk: row.spent for row in costs.by_team(course)}
    graded = _released(course)
    people = list(course.memberships.filter(active=True).values_list("role", "team_id"))
    rows = []
    for number, team in enumerate(teams, start=1):
        result = graded.get(team.pk)
        rows.append(
            ObservedTeam(
                number=number,
                people=sum(team_id == team.pk for _, team_id in people),
                done=[step.done for step in progress.steps(plan, done[team.pk])],
                spent=spent.get(team.pk, 0),
                graders=result.graders if result else 0,
                points=result.points if result else None,
            )
        )
    points = [row.points for row in rows if row.points is not None]
    report = agreement_report.agreement_of(course) if points else None
    return Observed(
        steps=[one.title for one in plan],
        teams=rows,
        roles=[(role.label, sum(one == role for one, _ in people)) for role in Role],
        spent=sum(row.spent for row in rows),
        points=mean(points) if points else None,
        criteria=report.criteria if report else [],
    )


def _drawn(team: Team) -> str:
    return salted_hmac("courseplatform.observed", str(team.pk), algorithm="sha256").hexdigest()


def _released(course: Course) -> dict[int, results.SubmissionResult]:
    wanted = Submission.objects.filter(team__course=course).current().exclude(released_at=None)
    found = results.results_of(list(wanted.select_related("team")))
    return {one.submission.team_id: one for one in found}
