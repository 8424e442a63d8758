"""What an instructor does before a course begins: a table of rules, so that a new course says itself what it still needs."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.utils import timezone

from evaluation.models import GradingDue, InterviewScript, RubricVersion
from teams.models import Course, Membership, Milestone, ProfessorAssignment, Role, Team


@dataclass(frozen=True)
class Facts:
    """What the rules look at; found in one query."""

    has_days: bool
    plan_dated: bool
    students: bool
    professors: bool
    teams_unassigned: bool
    students_without_team: bool
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
        lambda facts: not facts.students,
    ),
    Step(
        "Form the teams",
        "Students without a team can do nothing yet.",
        "teams_form",
        lambda facts: facts.students_without_team,
    ),
    Step(
        "Invite the professors",
        "They interview and grade the bots.",
        "course_invite",
        lambda facts: not facts.professors,
    ),
    Step(
        "Assign a professor to each team",
        "A bot that nobody is assigned to is not graded.",
        "course_bulk",
        lambda facts: facts.professors and facts.teams_unassigned,
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
        lambda facts: facts.professors and not facts.grading_day,
    ),
    Step(
        "Ask for a second factor",
        "Whoever spends money or releases grades then shows more than a password.",
        "course_edit",
        lambda facts: not facts.protected,
    ),
)


def facts_of(course: Course) -> Facts:
    asked = _asked()
    found = Course.objects.filter(pk=course.pk).values_list(*asked.values()).get()
    told = dict(zip(asked, found, strict=True))
    planned, undated = told.pop("planned"), told.pop("undated")
    return Facts(
        has_days=bool(course.starts_on and course.ends_on),
        plan_dated=planned and not undated,
        protected=course.second_factor != "",
        **told,
    )


def _asked() -> dict[str, Exists]:
    """What a course is asked, all of it in one query."""
    its = {"course": OuterRef("pk")}
    people = Membership.objects.filter(**its, active=True)
    students = people.filter(role=Role.STUDENT)
    assigned = ProfessorAssignment.objects.filter(team=OuterRef("pk"), professor__active=True)
    teams, plan = Team.objects.filter(**its, practice=False), Milestone.objects.filter(**its)
    return {
        "planned": Exists(plan),
        "undated": Exists(plan.filter(due_on__isnull=True)),
        "students": Exists(students),
        "professors": Exists(people.filter(role=Role.PROFESSOR)),
        "teams_unassigned": Exists(teams.exclude(Exists(assigned))),
        "students_without_team": Exists(students.filter(team=None)),
        "own_rubric": Exists(RubricVersion.objects.filter(**its)),
        "own_script": Exists(InterviewScript.objects.filter(**its)),
        "grading_day": Exists(GradingDue.objects.filter(**its).exclude(due_on__isnull=True)),
    }


def open_steps(course: Course) -> list[Step]:
    """What is still to be done, in its order. Nothing once the course is under way: the day after its first."""
    if course.starts_on and course.starts_on < timezone.localdate():
        return []
    facts = facts_of(course)
    return [step for step in RULES if step.open(facts)]
