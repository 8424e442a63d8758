"""Until when a course's bots are handed in: the end of the day of the plan's step "A bot is submitted"."""

from datetime import datetime, time

from django.db.models import Max
from django.utils import timezone

from evaluation.models import Submission
from teams.models import Course, Milestone


def deadline_of(course: Course) -> datetime | None:
    """The last moment of the last such day, in the platform's time zone; None without a date."""
    steps = course.milestones.filter(goal=Milestone.Goal.SUBMISSION)
    due_on = steps.aggregate(last=Max("due_on"))["last"]
    return timezone.make_aware(datetime.combine(due_on, time.max)) if due_on else None


def has_passed(deadline: datetime | None) -> bool:
    return deadline is not None and timezone.now() > deadline


def is_late(submission: Submission, deadline: datetime | None) -> bool:
    """By the deadline as it is now: who gets more time is no longer late."""
    return deadline is not None and submission.submitted_at > deadline
