"""A course for the next term: how it is set up is copied, nobody and nothing that was made or spent is."""

from datetime import date, timedelta

from django.db import transaction

from teams.models import Course, CourseAccount, Membership, Milestone, Price, Role, Section, User
from teams.services import audit

KEPT = (
    "team_budget",
    "compute_rate",
    "daily_chat_cap",
    "team_size",
    "keep_days",
    "second_factor",
    "time_zone",
)


def copy_course(
    *,
    course: Course,
    person: User,
    name: str,
    term: str,
    starts_on: date | None,
    ends_on: date | None,
) -> Course:
    """A new course of `person`'s with the settings, plan, section names and prices of `course`.

    The plan's dates move as far as the first day does; where either first day is unknown they are left empty.
    """
    with transaction.atomic():
        settings = {field: getattr(course, field) for field in KEPT}
        made = Course.objects.create(
            name=name, term=term, starts_on=starts_on, ends_on=ends_on, **settings
        )
        before = CourseAccount.objects.filter(course=course).first()
        CourseAccount.objects.create(course=made, limit=before.limit if before else None)
        Membership.objects.create(course=made, person=person, role=Role.INSTRUCTOR)
        moved = starts_on - course.starts_on if starts_on and course.starts_on else None
        Milestone.objects.bulk_create(
            [_milestone(made, one, moved) for one in course.milestones.all()]
        )
        Section.objects.bulk_create(
            [Section(course=made, name=one.name) for one in course.sections.all()]
        )
        Price.objects.bulk_create([_price(made, one) for one in course.prices.all()])
        audit.record(course=made, person=person, action="course copied", what=f"from {course}")
    return made


def _milestone(course: Course, source: Milestone, moved: timedelta | None) -> Milestone:
    due = source.due_on + moved if source.due_on and moved is not None else None
    return Milestone(
        course=course, position=source.position, title=source.title, goal=source.goal, due_on=due
    )


def _price(course: Course, source: Price) -> Price:
    return Price(
        course=course,
        provider=source.provider,
        model=source.model,
        kind=source.kind,
        per_million=source.per_million,
        effective_from=source.effective_from,
        revision=source.revision,
        source=source.source,
    )
