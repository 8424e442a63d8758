"""Stopping a run that has not ended. The row says so; whoever works on the run sees it and stops."""

from django.db import transaction
from django.utils import timezone

from teams.models import User
from teams.services import audit
from training.models import InvalidTransition, RunStatus, TrainingRun
from training.services import finish, live, queue

KEEP_FILE = "stop_and_keep"  # the LoRA engine looks for it after each step; whoever works on the run lays it there


class CannotStop(Exception):
    """The run has ended already, or this method cannot be stopped in this way."""


def cancel(*, run: TrainingRun, person: User) -> None:
    """A waiting run ends now and gets its hold back; a working one is told to stop. Raises CannotStop for an ended one."""
    before = run.status
    try:
        if run.status == RunStatus.QUEUED:
            finish.end_cancelled(run, None)
        elif run.status != RunStatus.CANCELLING:
            run.move_to(RunStatus.CANCELLING)
            live.changed(run)
    except InvalidTransition as moved:
        run.refresh_from_db()
        if run.status == RunStatus.RUNNING and before == RunStatus.QUEUED:
            cancel(run=run, person=person)  # it began in this very moment
            return
        raise CannotStop(
            f"{run} has ended already: {run.get_status_display().lower()}."
        ) from moved
    audit.record(
        course=run.team.course,
        person=person,
        action="run cancelled",
        what=str(run),
        team=run.team,
    )
    if run.status == RunStatus.CANCELLING and run.provider_job:
        transaction.on_commit(lambda: queue.dispatch_poll(run))


def stop_and_keep(*, run: TrainingRun, person: User) -> None:
    """End a training on this platform after its present step and keep the best adapter so far. Raises CannotStop for any
    other run."""
    if not run.is_adapter or run.status != RunStatus.RUNNING:
        raise CannotStop("Only a run that is training on this platform can be stopped and kept.")
    asked = TrainingRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING)
    if not asked.update(stop_asked_at=timezone.now()):
        raise CannotStop("This run has ended a moment ago.")
    audit.record(
        course=run.team.course,
        person=person,
        action="run stopped and kept",
        what=str(run),
        team=run.team,
    )
