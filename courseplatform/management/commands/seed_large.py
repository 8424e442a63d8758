"""`manage.py seed_large --teams 40`: a course as big as they come, to measure pages with."""

import random
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from datasets.models import Dataset, DatasetVersion
from evaluation.services import submissions
from teams.models import (
    BudgetAccount,
    Confidence,
    Course,
    CourseAccount,
    LedgerEntry,
    Membership,
    Method,
    ProfessorAssignment,
    Role,
    SubjectKind,
    Team,
    User,
)
from teams.services import courses, ledger_sums
from training.models import BaseModel, RunStatus, TrainingRun

# of one team
PEOPLE = 5
RUNS = 50
ENTRIES = 5_000
TEAMS_OF_A_PROFESSOR = 10
DAYS = 70
BATCH = 2_000
INSTRUCTOR = "large-instructor@demo.example"


class Command(BaseCommand):
    help = "A big course: for each team 5 students, 50 runs and 5,000 charges. 40 teams make 200,000 charges."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--teams", type=int, default=40)

    def handle(self, *args: Any, teams: int, **options: Any) -> None:
        with transaction.atomic():
            course = make_large_course(teams)
        self.stdout.write(f"{course.pk}")


def make_large_course(number: int) -> Course:
    """Its instructor is the person with the address INSTRUCTOR; the same seed gives the same money."""
    instructor = User.objects.filter(email=INSTRUCTOR).first()
    if instructor is None:
        instructor = User.objects.create_user(INSTRUCTOR, None, name="Lara Large")
    today = timezone.localdate()
    course = courses.create_course(
        person=instructor,
        name=f"Large course of {number}",
        term="",
        starts_on=today - timedelta(days=DAYS),
        ends_on=today + timedelta(days=DAYS),
        team_budget=1_000_000_000,
    )
    teams = Team.objects.bulk_create(
        [Team(course=course, name=f"Team {place:03}") for place in range(number)]
    )
    students = _students(course, teams)
    accounts = BudgetAccount.objects.bulk_create(
        [BudgetAccount(team=team, limit=course.team_budget) for team in teams]
    )
    draw = random.Random(number)  # noqa: S311  (the same money each time)
    for account, team, people in zip(accounts, teams, students, strict=True):
        _runs(team, people, draw)
        _ledger(account, people, draw)
    ledger_sums.rebuild(accounts)
    _hand_in(course, teams, students)
    return course


def _students(course: Course, teams: list[Team]) -> list[list[User]]:
    mark = f"{course.pk}"
    people = User.objects.bulk_create(
        [
            User(email=f"s{mark}-{place}@demo.example", name=f"Student {place:03}", password="!")  # noqa: S106
            for place in range(PEOPLE * len(teams))
        ]
    )
    parts = [people[start : start + PEOPLE] for start in range(0, len(people), PEOPLE)]
    Membership.objects.bulk_create(
        [
            Membership(course=course, person=person, role=Role.STUDENT, team=team)
            for team, part in zip(teams, parts, strict=True)
            for person in part
        ]
    )
    return parts


def _runs(team: Team, people: list[User], draw: random.Random) -> None:
    dataset = Dataset.objects.create(team=team, name="Rows", created_by=people[0])
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=1,
        shape="messages",
        content_hash="0" * 64,
        row_count=120,
        created_by=people[0],
    )
    bases = {method: BaseModel.objects.filter(method=method).earliest("id") for method in Method}
    made = []
    for number in range(1, RUNS + 1):
        method = draw.choice(list(Method))
        failed = draw.random() < 0.2
        made.append(
            TrainingRun(
                team=team,
                number=number,
                method=method,
                base_model=bases[method],
                dataset_version=version,
                settings={},
                status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED,
                result_model="" if failed else f"made-up-{team.pk}-{number}",
                error_message="The provider refused the file." if failed else "",
                created_by=draw.choice(people),
                started_at=timezone.now(),
                finished_at=timezone.now(),
                expected_cost=900,
                most_cost=2_000,
            )
        )
    TrainingRun.objects.bulk_create(made)


def _hand_in(course: Course, teams: list[Team], students: list[list[User]]) -> None:
    """Each team's first good run, with a professor who is to grade ten of them."""
    for start in range(0, len(teams), TEAMS_OF_A_PROFESSOR):
        person = User.objects.create_user(
            f"p{course.pk}-{start}@demo.example", None, name=f"Professor {start}"
        )
        grader = Membership.objects.create(course=course, person=person, role=Role.PROFESSOR)
        ProfessorAssignment.objects.bulk_create(
            [
                ProfessorAssignment(team=team, professor=grader)
                for team in teams[start : start + TEAMS_OF_A_PROFESSOR]
            ]
        )
    for team, people in zip(teams, students, strict=True):
        run = TrainingRun.objects.for_team(team).finished().with_related().earliest("id")
        submissions.submit(team=team, run=run, person=people[0])


def _ledger(account: BudgetAccount, people: list[User], draw: random.Random) -> None:
    spent, made = 0, []
    begun = timezone.now() - timedelta(days=DAYS)
    for number in range(ENTRIES):
        cost = draw.randint(1, 2_000)
        made.append(_entry(account, number, spent, cost, draw, people))
        spent += cost
    LedgerEntry.objects.bulk_create(made, batch_size=BATCH)
    _spread_over_days(account, made, begun)
    BudgetAccount.objects.filter(pk=account.pk).update(spent=spent)
    CourseAccount.objects.filter(course=account.team.course).update(spent=F("spent") + spent)


def _spread_over_days(account: BudgetAccount, made: list[LedgerEntry], begun: datetime) -> None:
    """The rows were stamped now; a day's share of them belongs to each day of the course."""
    share = -(-len(made) // DAYS)
    for day in range(DAYS):
        keys = [entry.pk for entry in made[day * share : (day + 1) * share]]
        LedgerEntry.objects.filter(account=account, pk__in=keys).update(
            at=begun + timedelta(days=day)
        )


def _entry(
    account: BudgetAccount,
    number: int,
    before: int,
    cost: int,
    draw: random.Random,
    people: list[User],
) -> LedgerEntry:
    method = draw.choice(list(Method))
    return LedgerEntry(
        account=account,
        key=f"large-{account.pk}-{number}",
        person=draw.choice(people),
        delta=cost,
        before=before,
        after=before + cost,
        subject_kind=SubjectKind.RUN if draw.random() < 0.1 else SubjectKind.TURN,
        subject_id=str(number),
        method=method,
        provider="openai",
        model=f"model-{draw.randint(1, 4)}",
        input_tokens=draw.randint(10, 900),
        output_tokens=draw.randint(5, 90),
        confidence=Confidence.EXACT,
    )
