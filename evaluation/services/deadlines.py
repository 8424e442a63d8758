"""Until when a course's bots are handed in: the end of the day of the plan's step "A bot is submitted". And until when they
are graded: a day of its own, which the instructor sets beside the grades."""

from collections.abc import Iterable
from datetime import date, datetime, time
from operator import itemgetter

from django.db.models import Max
from django.utils import timezone

from evaluation.models import GradingDue, Submission
from teams.models import Course, Milestone, User
from teams.services import audit


def deadline_of(course: Course) -> datetime | None:
    """The last moment of the last such day, in the course's time zone; None without a date."""
    steps = course.milestones.filter(goal=Milestone.Goal.SUBMISSION)
    return _end_of(steps.aggregate(last=Max("due_on"))["last"], course)


def deadline_in(milestones: Iterable[Milestone]) -> datetime | None:
    """The same, where the course's plan is at hand."""
    dated = [
        (one.due_on, one.course)
        for one in milestones
        if one.goal == Milestone.Goal.SUBMISSION and one.due_on is not None
    ]
    if not dated:
        return None
    day, course = max(dated, key=itemgetter(0))
    return _end_of(day, course)


def _end_of(day: date | None, course: Course) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.max), course.zone) if day else None


def has_passed(deadline: datetime | None) -> bool:
    return deadline is not None and timezone.now() > deadline


def is_late(submission: Submission, deadline: datetime | None) -> bool:
    """By the deadline as it is now: who gets more time is no longer late."""
    return deadline is not None and submission.submitted_at > deadline


def grading_due_of(course: Course) -> date | None:
    """The last day on which professors are asked to submit their grades; None where the instructor set none."""
    return GradingDue.objects.filter(course=course).values_list("due_on", flat=True).first()


def set_grading_due(*, course: Course, due_on: date | None, person: User) -> None:
    """Ask professors to be done by the end of `due_on`, or by no day."""
    before = grading_due_of(course)
    if due_on == before:
        return
    if due_on is None:
        GradingDue.objects.filter(course=course).delete()
    else:
        GradingDue.objects.update_or_create(course=course, defaults={"due_on": due_on})
    days = [day.isoformat() if day else None for day in (before, due_on)]
    audit.record(
        course=course,
        person=person,
        action="grading due",
        what=str(course),
        before=days[0],
        after=days[1],
    )
