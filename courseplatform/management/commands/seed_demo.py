from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from datasets.services import imports
from teams.models import Course, Membership, Role, Team, User
from teams.services import courses

PASSWORD = "second-grade-2026"  # noqa: S105  (printed at start: this is a demo on one machine)
SIGN_INS = [
    ("instructor", "instructor@demo.example"),
    ("professor", "professor@demo.example"),
    ("student", "maple@demo.example"),
    ("student", "birch@demo.example"),
]
DEMO_DATA = settings.BASE_DIR / "courseplatform" / "demo_data"
DATASETS = [
    ("Second-grade dialogues", "dspy_dialogues.jsonl"),
    ("Second-grade chats", "openai_messages.jsonl"),
    ("Second-grade answers", "lora_instructions.jsonl"),
]


class Command(BaseCommand):
    help = "Make the demo course: an instructor, a professor, two teams, a dataset for each method. Runs once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--fifth-week",
            action="store_true",
            help="date the course so that its fifth week is now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(email=SIGN_INS[0][1]).exists():
            return
        with transaction.atomic():
            people = [_person(email) for _, email in SIGN_INS]
            dates = _fifth_week() if options["fifth_week"] else {}
            course, teams = _course(people, dates)
            for team, person in zip(teams, people[2:], strict=True):
                for name, file_name in DATASETS if team is teams[0] or dates else []:
                    _dataset(team, person, name, DEMO_DATA / file_name)
        self.stdout.write(f"Seeded the demo course {course}.")


def _person(email: str) -> User:
    name = {
        "instructor": "Iris Instructor",
        "professor": "Pat Professor",
        "maple": "Mia Maple",
        "birch": "Ben Birch",
    }
    return User.objects.create_user(
        email, PASSWORD, name=name[email.split("@")[0]], email_verified_at=timezone.now()
    )


def _fifth_week() -> dict[str, Any]:
    """The first day lies four weeks back; the plan takes its dates from it."""
    today = timezone.localdate()
    return {"starts_on": today - timedelta(weeks=4), "ends_on": today + timedelta(weeks=8)}


def _course(people: list[User], dates: dict[str, Any]) -> tuple[Course, list[Team]]:
    """`people` in the order of SIGN_INS: instructor, professor, and a student for each team."""
    instructor, professor, first, second = people
    instructor.user_permissions.add(
        Permission.objects.get(codename="add_course", content_type__app_label="teams")
    )
    course = courses.create_course(
        person=instructor, name="EDEL 4620", term="Fall 2026", compute_rate=1_200_000, **dates
    )
    grader = Membership.objects.create(course=course, person=professor, role=Role.PROFESSOR)
    teams = []
    for person, name in ((first, "Maple"), (second, "Birch")):
        membership = courses.join_course(person=person, code=course.student_code)
        team = courses.start_own_team(membership=membership, name=name)
        courses.assign_professors(team=team, professors=[grader], person=instructor)
        teams.append(team)
    return course, teams


def _dataset(team: Team, person: User, name: str, path: Path) -> None:
    """Through the same import as a person's upload, so that the demo shows what an upload gives."""
    made = imports.import_file(
        team=team,
        dataset=None,
        name=name,
        file=SimpleUploadedFile(path.name, path.read_bytes()),
        person=person,
        wait=True,
    )
    if made.is_open:
        imports.accept(import_=made, person=person)
