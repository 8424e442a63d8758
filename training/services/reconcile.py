"""Finds what a crash left behind and sets it right: runs without a worker, rows without a wake-up call, forgotten money."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
)
from django.db.models import Q
from django.utils import timezone

from teams.models import Confidence, Hold, HoldState, Purpose, SubjectKind
from teams.services.money import HOLD_LIFETIME
from teams.services.sweeping import each_alone
from training.models import (
    AT_PROVIDER,
    CREATING,
    ENDED,
    InvalidTransition,
    RunStatus,
    TrainingRun,
    lease_owner,
)
from training.services import cloud, finish, queue

log = logging.getLogger(__name__)


@dataclass
class Findings:
    """Run ids by what was done to them, for the log and the tests."""

    handed_on: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    cleaned: list[int] = field(default_factory=list)
    asked_again: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(
            (
                self.handed_on,
                self.ended,
                self.woken,
                self.settled,
                self.cleaned,
                self.asked_again,
            )
        )


def reconcile() -> Findings:
    """One round. Each run is set right on its own, so that trouble with one does not leave the others."""
    found = Findings()
    _without_worker(found)
    _without_call(found)
    _unsettled(found)
    _uncleaned(found)
    _incomplete(found)
    return found


def poll_waiting() -> list[int]:
    """Have every job at a provider looked at."""
    waiting = TrainingRun.objects.filter(status__in=AT_PROVIDER).exclude(provider_job="")
    runs = list(waiting)
    for run in runs:
        queue.dispatch_poll(run)
    return [run.pk for run in runs]


def worker_child_died(*, pid: int) -> None:
    """Called by a worker whose job process was killed: hand its run on without waiting for the lease to run out."""
    connections.close_all()
    try:
        for run in TrainingRun.objects.with_related().filter(lease__startswith=lease_owner(pid)):
            _hand_on(run, Findings())
    except DatabaseError as error:
        log.warning(
            "the run of killed process %s was not handed on (%s); its lease will run out",
            pid,
            error,
        )
    finally:
        connections.close_all()  # nothing may be open when the worker forks again


def _without_worker(found: Findings) -> None:
    late = Q(lease_until__lt=timezone.now()) | Q(lease_until=None)
    abandoned = TrainingRun.objects.with_related().filter(
        late, status__in=[RunStatus.RUNNING, RunStatus.CANCELLING]
    )
    # A job at the provider needs no worker: the next look ends it.
    each_alone(
        abandoned.exclude(status=RunStatus.CANCELLING, provider_job__gt=""),
        lambda run: _hand_on(run, found),
    )


def _hand_on(run: TrainingRun, found: Findings) -> None:
    try:
        if run.status == RunStatus.CANCELLING:
            finish.end_cancelled(run, run.lease, **finish.kept_by_checkpoint(run))
            found.ended.append(run.pk)
        elif run.status == RunStatus.RUNNING:
            finish.requeue_or_fail(run, run.lease, "its worker stopped.")
            found.handed_on.append(run.pk)
    except InvalidTransition:
        log.info("run %s moved on by itself", run.pk)


def _without_call(found: Findings) -> None:
    for run in queue.startable(
        TrainingRun.objects.filter(status=RunStatus.QUEUED).order_by("id")
    ):
        if queue.dispatch(run) == "queued":
            found.woken.append(run.pk)
    queue.nudge()


def _unsettled(found: Findings) -> None:
    """Holds of ended runs: normally closed with the run; here after a price was missing. Of running ones: not yet expired."""
    each_alone(_with_open_holds(), lambda run: _settle(run, found))
    active = Purpose.objects.filter(
        kind=SubjectKind.RUN, key__in=TrainingRun.objects.active().values("key")
    )
    late = Hold.objects.filter(
        purpose__in=active, state=HoldState.OPEN, expires_at__lt=timezone.now()
    )
    late.update(expires_at=timezone.now() + HOLD_LIFETIME)


def _settle(run: TrainingRun, found: Findings) -> None:
    if finish.settle(
        run, Confidence.EXACT if run.status == RunStatus.SUCCEEDED else Confidence.ESTIMATED
    ):
        found.settled.append(run.pk)


def _with_open_holds() -> list[TrainingRun]:
    held = Purpose.objects.filter(kind=SubjectKind.RUN, holds__state=HoldState.OPEN)
    return list(
        TrainingRun.objects.with_related().filter(key__in=held.values("key"), status__in=ENDED)
    )


def _uncleaned(found: Findings) -> None:
    each_alone(
        TrainingRun.objects.with_related().filter(status__in=ENDED).exclude(provider_files=[]),
        lambda run: _clean_up(run, found),
    )


def _clean_up(run: TrainingRun, found: Findings) -> None:
    """By a worker: a provider that hangs must not keep this clock from everything else."""
    if queue.dispatch_poll(run) == "queued":
        found.cleaned.append(run.pk)


def _incomplete(found: Findings) -> None:
    """Paid results of which something could not be read, where it is time to ask again; jobs that may have been made."""
    now = timezone.now()
    due = TrainingRun.objects.filter(status=RunStatus.SUCCEEDED, missing_next__lte=now)
    unknown = TrainingRun.objects.filter(
        status__in=ENDED,
        provider_status=CREATING,
        provider_job="",
        finished_at__lte=now - cloud.LISTS_LAG,
    )
    each_alone([*due, *unknown], lambda run: _ask_again(run, found))


def _ask_again(run: TrainingRun, found: Findings) -> None:
    if queue.dispatch_poll(run) == "queued":
        found.asked_again.append(run.pk)


def repeat(
    rounds: list[tuple[float, Callable[[], object]]], stopped: Callable[[float], bool]
) -> None:
    """Do each of `rounds` every so many seconds until `stopped(seconds to wait)` says so.

    A database that is away is waited for; a round that fails otherwise is logged, and the others go on.
    """
    due = [0.0 for _ in rounds]
    while True:
        for place, (every, work) in enumerate(rounds):
            if time.monotonic() >= due[place]:
                due[place] = time.monotonic() + every
                try:
                    close_old_connections()
                    if done := work():
                        log.info("%s: %s", work.__name__, done)
                except (OperationalError, InterfaceError) as error:
                    log.warning("%s waits for the database: %s", work.__name__, error)
                    close_old_connections()
                except Exception:  # money and runs hang on the other rounds
                    log.exception("%s failed; it is tried again", work.__name__)
                    close_old_connections()
        if stopped(max(0.05, min(due) - time.monotonic())):
            return
