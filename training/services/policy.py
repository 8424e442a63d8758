"""The course's own limits on training: read, changed, written down."""

from django.db import transaction

from teams.models import Course, User
from teams.services import audit
from training.models import RunStatus, TrainingPolicy, TrainingRun
from training.services import queue


def policy_of(course: Course) -> TrainingPolicy:
    """The course's policy; an unsaved one with the usual limits where nobody has changed any."""
    return TrainingPolicy.objects.filter(course=course).first() or TrainingPolicy(course=course)


def change_policy(
    *, course: Course, person: User, team_runs_at_once: int, host_label: str = ""
) -> TrainingPolicy:
    """Keep the new limits, note the change, and wake what may start now."""
    with transaction.atomic():
        was = policy_of(course)
        before = {"runs of one team": was.team_runs_at_once, "host label": was.host_label}
        label = host_label.strip()
        policy, _ = TrainingPolicy.objects.update_or_create(
            course=course, defaults={"team_runs_at_once": team_runs_at_once, "host_label": label}
        )
        audit.record(
            course=course,
            person=person,
            action="training limit changed",
            what="Limits on training",
            before=before,
            after={"runs of one team": team_runs_at_once, "host label": label},
        )
        waiting = TrainingRun.objects.filter(
            team__course=course, status=RunStatus.QUEUED
        ).order_by("id")
        transaction.on_commit(lambda: [queue.dispatch(run) for run in queue.startable(waiting)])
    return policy
