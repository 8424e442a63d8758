"""A course for the next term, with what every app keeps per course."""

from datetime import date
from typing import TypeVar

from django.db import models, transaction

from evaluation.models import InterviewScript, RubricVersion
from teams.models import Course, User
from teams.services import copying
from training.models import BaseModel, TrainingPolicy

Row = TypeVar("Row", bound=models.Model)


def copy_course(
    *,
    course: Course,
    person: User,
    name: str,
    term: str,
    starts_on: date | None,
    ends_on: date | None,
) -> Course:
    """Settings, plan, section names, prices, the rubric and interview script it grades with, its own base models,
    and how much of each team may train at once.

    No people but `person`, no data, no money spent.
    """
    with transaction.atomic():
        made = copying.copy_course(
            course=course,
            person=person,
            name=name,
            term=term,
            starts_on=starts_on,
            ends_on=ends_on,
        )
        for model in BaseModel.objects.filter(course=course):
            clone(model, course=made)
        if policy := TrainingPolicy.objects.filter(course=course).first():
            clone(policy, course=made)
        if rubric := course.rubrics.first():
            _copy_rubric(rubric, made)
        if script := course.interview_scripts.first():
            _copy_script(script, made)
    return made


def _copy_rubric(source: RubricVersion, course: Course) -> None:
    """The newest is the one that is graded with; the copy begins its own history."""
    rubric = clone(source, course=course, number=1)
    for criterion in source.criteria.prefetch_related("levels"):
        copied = clone(criterion, rubric=rubric)
        for level in criterion.levels.all():
            clone(level, criterion=copied)


def _copy_script(source: InterviewScript, course: Course) -> None:
    script = clone(source, course=course, number=1)
    for question in source.questions.all():
        clone(question, script=script)


def clone(source: Row, **changed: object) -> Row:
    """A saved copy of one row under a key of its own, with `changed` fields."""
    kept = {
        field.attname: getattr(source, field.attname)
        for field in source._meta.concrete_fields
        if not field.primary_key and field.name not in changed
    }
    made = type(source)(**kept, **changed)
    made.save(force_insert=True)
    return made
