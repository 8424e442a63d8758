"""`python -m tests.e2e.populate NAME` in a platform's VAR_DIR: what a journey wants to find, straight in its database.

`cedar`: in the demo course a second professor, and a team with one of everything, graded and released.
`contest`: a course of its own with three teams, two assigned professors and a free one. Prints {"course", "teams"} as JSON.
`keyboard`: a course of its own with one team and its professor. Prints the same.
`runs`: a course of its own with two teams, Lark with 120 rows and Wren with nothing. Prints the same.
`bots`: the same again, for another journey.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.e2e.conftest import ROOT, Platform

SECOND_PROFESSOR, CEDAR = "second@demo.example", "cedar@demo.example"


def populate(platform: Platform, name: str) -> Any:
    """Do it in a process of its own, and what it printed."""
    command = [sys.executable, "-m", "tests.e2e.populate", name]
    done = subprocess.run(command, cwd=ROOT, env=platform.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def person(email: str, name: str) -> Any:
    from django.utils import timezone

    from courseplatform.management.commands.seed_demo import PASSWORD
    from teams.models import User

    return User.objects.create_user(email, PASSWORD, name=name, email_verified_at=timezone.now())


def cedar() -> dict[str, Any]:
    from evaluation.services import grades, releases
    from teams.models import Course, Role, User
    from tests import factories
    from tests.world import make_world

    course = Course.objects.get(name="EDEL 4620")
    professor = person(SECOND_PROFESSOR, "Paula Second")
    factories.enrol(course, professor, Role.PROFESSOR)
    world = make_world(factories.make_team(course, "Cedar", person(CEDAR, "Cyd Cedar")), professor, "marked")
    world.base_model.delete()  # nothing is behind its name, and forms would offer it first
    grade = world.grading.grade
    for number, score in enumerate(grade.scores.all()):
        score.level, score.comment = 1 + number % 4, "Seen in the second answer."
        score.save()
    grade.unapplied.all().delete()
    grades.commit(grade=grade, seen_version=grade.version, person=professor)
    instructor = User.objects.get(email="instructor@demo.example")
    releases.publish(submission=world.submission, person=instructor, reason="Both interviews were read again.")
    return {}


def contest() -> dict[str, Any]:
    from django.urls import reverse

    from teams.models import Role
    from teams.services import courses
    from tests import factories

    instructor = person("head@contest.example", "Hedda Head")
    course = courses.create_course(person=instructor, name="Contest", term="Fall 2026", compute_rate=1_200_000)
    professors = [person(f"{name.lower()}@contest.example", f"{name} Grader") for name in ("Anna", "Bert", "Carl")]
    for one in professors:
        factories.enrol(course, one, Role.PROFESSOR)
    teams = []
    for name in ("Zebra", "Yak", "Xerus"):
        student = person(f"{name.lower()}@contest.example", f"{name} Secretson")
        team = factories.make_team(course, name, student)
        factories.make_dataset_version(team, name="Sums", person=student)
        for one in professors[:2]:
            factories.assign(team, one)
        teams.append(reverse("team_home", args=[team.pk]))
    return {"course": reverse("course_home", args=[course.pk]), "teams": teams}


def keyboard() -> dict[str, Any]:
    from django.urls import reverse

    from teams.models import Role
    from teams.services import courses
    from tests import factories

    course = courses.create_course(person=person("head@keys.example", "Hanna Head"), name="Keys", term="Fall 2026")
    professor, student = person("pia@keys.example", "Pia Pianist"), person("sol@keys.example", "Sol Secretson")
    factories.enrol(course, professor, Role.PROFESSOR)
    team = factories.make_team(course, "Quagga", student)
    factories.make_dataset_version(team, name="Sums", person=student)
    factories.assign(team, professor)
    return {"course": reverse("course_home", args=[course.pk]), "teams": [reverse("team_home", args=[team.pk])]}


def runs(name: str = "runs") -> dict[str, Any]:
    from django.urls import reverse

    from teams.services import courses
    from tests import factories

    course = courses.create_course(
        person=person(f"head@{name}.example", "Rhea Head"), name=name.capitalize(), term="Fall 2026"
    )
    people = {one: person(f"{one.lower()}@{name}.example", f"{one} Student") for one in ("Lark", "Wren")}
    teams = [factories.make_team(course, one, student) for one, student in people.items()]
    factories.make_dataset_version(teams[0], factories.child_rows(120), name="Sums", person=people["Lark"])
    return {
        "course": reverse("course_home", args=[course.pk]),
        "teams": [reverse("team_home", args=[team.pk]) for team in teams],
    }


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "courseplatform.settings")
    django.setup()
    bots = partial(runs, "bots")
    made: dict[str, Callable[[], dict[str, Any]]]
    made = {"cedar": cedar, "contest": contest, "keyboard": keyboard, "runs": runs, "bots": bots}
    print(json.dumps(made[sys.argv[1]]()))


if __name__ == "__main__":
    main()
