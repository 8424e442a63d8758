"""The cast and the objects of the tests, made through the same services as the real ones."""

from itertools import count
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from datasets.models import DatasetVersion
from datasets.services import versions
from teams.models import Course, Membership, ProfessorAssignment, Role, Team, User
from teams.services import money

PASSWORD = "correct horse battery"
_serial = count(1)


def make_person(name: str = "Ana Student", email: str = "") -> User:
    """Somebody who showed that the address is theirs."""
    now = timezone.now()
    return User.objects.create_user(
        email or f"person{next(_serial)}@example.edu", PASSWORD, name=name, email_verified_at=now
    )


def make_course(name: str = "EDEL 4620", **fields: Any) -> Course:
    return Course.objects.create(name=name, term="Fall 2026", **fields)


def make_team(course: Course, name: str = "", *members: User, budget: int | None = None) -> Team:
    team = Team.objects.create(course=course, name=name or f"Team {next(_serial)}")
    money.open_account(team=team, limit=course.team_budget if budget is None else budget)
    for person in members:
        enrol(course, person, Role.STUDENT, team)
    return team


def enrol(course: Course, person: User, role: Role, team: Team | None = None) -> Membership:
    return Membership.objects.update_or_create(course=course, person=person, defaults={"role": role, "team": team})[0]


def assign(team: Team, professor: User) -> ProfessorAssignment:
    return ProfessorAssignment.objects.create(
        team=team, professor=Membership.objects.get(course=team.course, person=professor)
    )


def child_rows(number: int = 12) -> list[dict[str, Any]]:
    """Canonical rows as `datasets` stores them: a teacher's sum and a child's answer, each different."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} + {n + 1}?"},
                {"role": "assistant", "content": f"Um, I count on my fingers. I think it is {n + n + 1}!"},
            ],
            "labels": {"subject": "math"},
        }
        for n in range(1, number + 1)
    ]


def make_dataset_version(
    team: Team, rows: list[dict[str, Any]] | None = None, *, name: str = "Sums", person: User | None = None
) -> DatasetVersion:
    """The first version of a new dataset, stored and measured as an upload would be."""
    return versions.create_version(
        dataset=versions.create_dataset(team=team, name=name, person=person),
        rows=child_rows() if rows is None else rows,
        shape="messages",
        person=person,
        note="Made for a test.",
        source_name="rows.jsonl",
    )


def allow_courses(person: User) -> User:
    """As somebody who runs the platform does on the accounts page."""
    person.user_permissions.add(Permission.objects.get(codename="add_course", content_type__app_label="teams"))
    return person
