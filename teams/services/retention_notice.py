"""Nobody's data goes without a word: who is in the course is told two weeks ahead, and a week before at the latest."""

from datetime import date, timedelta

from django.urls import reverse
from django.utils import timezone

from teams.models import Course, NoticeKind, Role
from teams.services import audit, notices

AHEAD = timedelta(days=14)
AT_LEAST = timedelta(days=7)


def due_on(course: Course) -> date | None:
    """The last day on which names and addresses of students are kept; None where they are kept for good."""
    if course.keep_days is None or course.ends_on is None:
        return None
    return course.ends_on + timedelta(days=course.keep_days)


def may_act(course: Course) -> bool:
    """The day is past, and this very day was announced long enough ago: a rule that was just changed erases nobody."""
    due, told = due_on(course), course.erasure_told_at
    if due is None or told is None or course.erasure_told_for != due:
        return False
    today = timezone.localdate()
    return due < today and told + AT_LEAST <= today


def announce() -> int:
    """For the scheduler: tell the courses whose day is near and that do not know yet. How many."""
    today, count = timezone.localdate(), 0
    for course in Course.objects.filter(keep_days__isnull=False, ends_on__isnull=False):
        due = due_on(course)
        if due is None or due - AHEAD > today or course.erasure_told_for == due:
            continue
        if not course.memberships.filter(role=Role.STUDENT, person__is_active=True).exists():
            continue
        rows = Course.objects.filter(pk=course.pk).exclude(erasure_told_for=due)
        if rows.update(erasure_told_for=due, erasure_told_at=today):
            _tell(course, due, today)
            count += 1
    return count


def _tell(course: Course, due: date, today: date) -> None:
    acts_on = max(due + timedelta(days=1), today + AT_LEAST)
    people = course.memberships.filter(active=True, person__is_active=True)
    notices.tell(
        people=[one.person for one in people.select_related("person")],
        course=course,
        kind=NoticeKind.ANNOUNCEMENT,
        text=(
            f"On {acts_on:%B} {acts_on.day}, {acts_on.year} the names and addresses of the students of {course} are removed, "
            "as the course decided. Take along before then what you want to keep."
        ),
        path=reverse("course_privacy", args=[course.pk]),
        event=f"erasure-{due.isoformat()}",
    )
    audit.record(
        course=course,
        person=None,
        action="erasure announced",
        what=f"students' names and addresses, for {acts_on.isoformat()}",
    )
