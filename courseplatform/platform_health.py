"""How the platform is, for its operator: services, storage, what waits. Of a course its size, never its content."""

from dataclasses import dataclass

from django.db.models import Count, Q

from courseplatform import worker_status
from teams.models import Course, DiskAccount, MailState, OutgoingMail
from teams.services import disk
from training.models import ACTIVE, RunStatus, TrainingRun


@dataclass(frozen=True)
class CourseSize:
    """`used` and `limit` in bytes; `limit` None where the platform's default holds."""

    name: str
    people: int
    teams: int
    used: int
    limit: int


@dataclass(frozen=True)
class State:
    crashing: list[worker_status.Crashing]
    servers: list[worker_status.Server]
    disk: worker_status.Disk
    waiting: int
    running: int
    mail_waiting: int
    courses: list[CourseSize]


def state() -> State:
    runs = TrainingRun.objects.filter(status__in=ACTIVE)
    waiting = runs.filter(status=RunStatus.QUEUED).count()
    return State(
        crashing=worker_status.crashing(),
        servers=worker_status.servers(),
        disk=worker_status.disk(),
        waiting=waiting,
        running=runs.count() - waiting,
        mail_waiting=OutgoingMail.objects.filter(state=MailState.WAITING).count(),
        courses=_courses(),
    )


def _courses() -> list[CourseSize]:
    counted = Course.objects.annotate(
        people=Count("memberships", filter=Q(memberships__active=True), distinct=True),
        team_count=Count("teams", distinct=True),
    )
    accounts = {one.course_id: one for one in DiskAccount.objects.exclude(course=None)}
    found = []
    for course in counted:
        account = accounts.get(course.pk) or DiskAccount(course=course)
        found.append(
            CourseSize(
                name=str(course),
                people=course.people,
                teams=course.team_count,
                used=account.used,
                limit=disk.limit_of(account),
            )
        )
    return sorted(found, key=lambda one: -one.used)
