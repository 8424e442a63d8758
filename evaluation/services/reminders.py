"""Two days before grades are due, or a bot is: who still has something to do is told, once for each date."""

from datetime import date, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from evaluation.models import GradeStatus, Grading, GradingDue, Submission
from evaluation.services.deadlines import deadline_of
from evaluation.services.telling import tell_professor
from teams.models import Course, Milestone, NoticeKind, Role
from teams.services import notices
from teams.services.sweeping import each_alone

AHEAD = timedelta(days=2)


def tell_due() -> int:
    """For the scheduler. How many courses have something that is due within two days."""
    today = timezone.localdate()
    soon = (today, today + AHEAD)
    graded = Course.objects.filter(grading_due__due_on__range=soon)
    handed_in = Course.objects.filter(
        milestones__goal=Milestone.Goal.SUBMISSION, milestones__due_on__range=soon
    )
    return each_alone(graded, _tell_professors) + each_alone(handed_in.distinct(), _tell_teams)


def _tell_professors(course: Course) -> bool:
    due_on = GradingDue.objects.get(course=course).due_on
    for professor in course.memberships.filter(role=Role.PROFESSOR, active=True).select_related(
        "person", "course"
    ):
        mine = (
            Grading.objects.for_grader(professor)
            .current()
            .filter(grade__status=GradeStatus.DRAFT)
        )
        left = mine.count()
        if left:
            text = f"{left} bot{'s' if left > 1 else ''} to grade by {_day(due_on)}."
            path = reverse("grading_queue", args=[course.pk])
            tell_professor(
                professor, NoticeKind.DUE, text, path, event=f"grading-due-{due_on.isoformat()}"
            )
    return True


def _tell_teams(course: Course) -> bool:
    """Those that have handed in nothing."""
    deadline = deadline_of(course)
    due_on = timezone.localtime(deadline, course.zone).date() if deadline else None
    if due_on is None or due_on > timezone.localdate(timezone=course.zone) + AHEAD:
        return False  # a later date counts
    handed_in = Submission.objects.current().filter(team__course=course).values("team")
    for team in course.teams.filter(practice=False).exclude(pk__in=handed_in):
        members = team.memberships.filter(active=True).select_related("person")
        notices.tell(
            people=[member.person for member in members],
            course=course,
            kind=NoticeKind.DUE,
            text=f"Your team’s bot is due by the end of {_day(due_on)}, and none is handed in yet.",
            path=reverse("submission_detail", args=[team.pk]),
            event=f"bot-due-{due_on.isoformat()}",
        )
    return True


def _day(due_on: date) -> str:
    return date_format(due_on, "l, M j")
