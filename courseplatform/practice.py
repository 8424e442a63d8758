"""A sandbox in a course: a team that every student may enter, with sample data, no money and no grade."""

from django.db import transaction

from datasets.models import Dataset
from datasets.services import imports, samples
from teams.models import Course, Team, User
from teams.services import audit, money

NAME = "Practice"


def switch_on(*, course: Course, person: User) -> Team:
    """Open the practice team; the first time it is made, with each sample dataset in it.

    Its budget is nothing: what is free (local training) works, what costs money is refused.
    """
    with transaction.atomic():
        team = course.teams.filter(practice=True).first() or _make(course)
        _set(course, True, person)
    for sample in samples.available():  # after it: no file is read inside a transaction
        if not Dataset.objects.for_team(team).filter(name=sample.title).exists():
            made = imports.import_file(
                team=team,
                dataset=None,
                name=sample.title,
                file=sample.as_upload(),
                person=person,
                wait=True,
            )
            if made.is_open:
                imports.accept(import_=made, person=person)
    return team


def switch_off(*, course: Course, person: User) -> None:
    """Close it to students. What is in it stays, for when it is opened again."""
    with transaction.atomic():
        _set(course, False, person)


def _make(course: Course) -> Team:
    taken = set(course.teams.values_list("name", flat=True))
    name = next(
        name
        for name in [NAME, *(f"{NAME} {n}" for n in range(2, len(taken) + 3))]
        if name not in taken
    )
    team = Team.objects.create(course=course, name=name, practice=True)
    money.open_account(team=team, limit=0)
    return team


def _set(course: Course, wanted: bool, person: User) -> None:
    if Course.objects.filter(pk=course.pk, practice_open=not wanted).update(
        practice_open=wanted
    ):
        action = "practice team opened" if wanted else "practice team closed"
        audit.record(course=course, person=person, action=action, what=str(course))
    course.practice_open = wanted
