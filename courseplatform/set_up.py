"""What an instructor does before a course begins: a table of rules, so that a new course says itself what it still needs."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from evaluation.models import GradingDue, InterviewScript, RubricVersion
from teams.models import Course, ProfessorAssignment, Role


@dataclass(frozen=True)
class Facts:
    """What the rules look at; counted in a fixed number of queries."""

    has_days: bool
    plan_dated: bool
    students: int
    professors: int
    teams: int
    teams_unassigned: int
    students_without_team: int
    own_rubric: bool
    own_script: bool
    grading_day: bool
    protected: bool


@dataclass(frozen=True)
class Step:
    """`do` is a link to `page`, a URL of the course; `why` says what it is for; `open` whether it is still to be done."""

    do: str
    why: str
    page: str
    open: Callable[[Facts], bool]


RULES = (
    Step(
        "Set the first and the last day",
        "The plan, reminders and how long data is kept count from them.",
        "course_edit",
        lambda facts: not facts.has_days,
    ),
    Step(
        "Give the plan its dates",
        "Teams see what is due, and the submission step is the deadline.",
        "course_plan",
        lambda facts: not facts.plan_dated,
    ),
    Step(
        "Bring in the students",
        "With a class list, an invitation or the join code.",
        "course_roster",
        lambda facts: facts.students == 0,
    ),
    Step(
        "Form the teams",
        "Students without a team can do nothing yet.",
        "teams_form",
        lambda facts: facts.students_without_team > 0,
    ),
    Step(
        "Invite the professors",
        "They interview and grade the bots.",
        "course_invite",
        lambda facts: facts.professors == 0,
    ),
    Step(
        "Assign a professor to each team",
        "A bot that nobody is assigned to is not graded.",
        "course_bulk",
        lambda facts: facts.professors > 0 and facts.teams_unassigned > 0,
    ),
    Step(
        "Read the rubric, and make it yours",
        "Without one of its own the course grades with the built-in one.",
        "rubric_detail",
        lambda facts: not facts.own_rubric,
    ),
    Step(
        "Read the interview script",
        "Every bot is asked the same questions; these are the built-in ones.",
        "script_detail",
        lambda facts: not facts.own_script,
    ),
    Step(
        "Set the last day of grading",
        "Professors see it, and are reminded.",
        "course_grades",
        lambda facts: facts.professors > 0 and not facts.grading_day,
    ),
    Step(
        "Ask for a second factor",
        "Whoever spends money or releases grades then shows more than a password.",
        "course_edit",
        lambda facts: not facts.protected,
    ),
)


def facts_of(course: Course) -> Facts:
    people = list(course.memberships.filter(active=True).values_list("role", "team_id"))
    teams = set(course.teams.filter(practice=False).values_list("pk", flat=True))
    assigned = ProfessorAssignment.objects.filter(team__in=teams, professor__active=True)
    dates = list(course.milestones.values_list("due_on", flat=True))
    return Facts(
        has_days=bool(course.starts_on and course.ends_on),
        plan_dated=bool(dates) and all(dates),
        students=sum(role == Role.STUDENT for role, _ in people),
        professors=sum(role == Role.PROFESSOR for role, _ in people),
        teams=len(teams),
        teams_unassigned=len(teams - set(assigned.values_list("team_id", flat=True))),
        students_without_team=sum(
            role == Role.STUDENT and team_id is None for role, team_id in people
        ),
        own_rubric=RubricVersion.objects.filter(course=course).exists(),
        own_script=InterviewScript.objects.filter(course=course).exists(),
        grading_day=GradingDue.objects.filter(course=course)
        .exclude(due_on__isnull=True)
        .exists(),
        protected=course.second_factor != "",
    )


def open_steps(course: Course) -> list[Step]:
    """What is still to be done, in its order. Nothing once the course is under way: the day after its first."""
    if course.starts_on and course.starts_on < timezone.localdate():
        return []
    facts = facts_of(course)
    return [step for step in RULES if step.open(facts)]
