"""The life of a run's row: who may move it, and that the loser of a race learns so."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from teams.models import Hold
from teams.services import money
from training.models import ENDED, InvalidTransition, RunEvent, RunStatus, TrainingRun
from training.models.run import NEXT

Launch = Callable[..., TrainingRun]


def copy_of(run: TrainingRun) -> TrainingRun:
    """The row as another process has it."""
    return TrainingRun.objects.get(pk=run.pk)


def test_of_two_workers_only_one_claims_a_run(start: Launch) -> None:
    run = start()
    mine, theirs = copy_of(run), copy_of(run)

    lease = mine.claim()

    assert lease is not None
    assert theirs.claim() is None
    assert (mine.status, mine.attempt, mine.lease) == (RunStatus.RUNNING, 1, lease)
    assert mine.started_at is not None


def test_a_second_attempt_keeps_the_time_of_the_first_start(start: Launch) -> None:
    run = start()
    run.claim()
    first = run.started_at
    run.move_to(RunStatus.QUEUED, fence=run.lease)
    run.claim()

    assert run.attempt == 2
    assert run.started_at == first


def test_a_worker_that_lost_its_lease_can_write_nothing(start: Launch) -> None:
    run = start()
    stale = run.claim()
    assert stale is not None
    run.move_to(RunStatus.QUEUED, fence=stale)
    copy_of(run).claim()

    assert not run.write(stale, step=99)
    assert not run.renew(stale)
    with pytest.raises(InvalidTransition):
        run.move_to(RunStatus.SUCCEEDED, fence=stale)
    assert copy_of(run).status == RunStatus.RUNNING
    assert copy_of(run).step == 0


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_nothing_moves_a_run_that_has_ended(start: Launch, ended: str) -> None:
    run = start()
    TrainingRun.objects.filter(pk=run.pk).update(status=ended)
    for status in RunStatus:
        with pytest.raises(InvalidTransition):
            run.move_to(status)


def test_every_status_can_be_reached_and_every_active_one_left() -> None:
    reached = set().union(*NEXT.values())
    assert reached == set(RunStatus)
    assert all(NEXT[status] for status in RunStatus if status not in ENDED)
    assert set(NEXT) == set(RunStatus)


def test_moves_leave_a_trace_and_ends_a_time(start: Launch) -> None:
    run = start()
    run.claim()
    run.move_to(RunStatus.FAILED, fence=run.lease, error_code="x")

    moves = RunEvent.objects.filter(run=run, kind="status").values_list("data__status", flat=True)
    assert list(moves) == ["running", "failed"]
    assert run.finished_at is not None
    assert (run.lease, run.lease_until) == ("", None)


def test_a_cancelled_worker_keeps_its_lease_until_it_has_stopped(start: Launch) -> None:
    run = start()
    lease = run.claim()
    assert lease is not None
    copy_of(run).move_to(RunStatus.CANCELLING)

    assert run.write(lease, step=3)
    assert run.renew(lease)
    run.move_to(RunStatus.CANCELLED, fence=lease)


def test_only_one_may_look_at_a_waiting_job_at_a_time(start: Launch) -> None:
    run = start()
    run.claim()
    run.move_to(RunStatus.WAITING, fence=run.lease, provider_job="ftjob-1")
    mine, theirs = copy_of(run), copy_of(run)

    lease = mine.lease_for_poll()
    assert lease is not None
    assert theirs.lease_for_poll() is None
    mine.release_lease(lease)
    assert theirs.lease_for_poll() is not None


def test_a_look_that_never_ended_is_taken_over_when_its_lease_has_run_out(start: Launch) -> None:
    run = start()
    run.claim()
    run.move_to(RunStatus.WAITING, fence=run.lease, provider_job="ftjob-1")
    run.lease_for_poll()
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert copy_of(run).lease_for_poll() is not None


def test_the_charge_of_each_run_in_a_list_is_its_own(start: Launch, django_assert_num_queries: Any) -> None:
    from tests.training.money import charge

    cheap, dear, unsettled = start(), start(), start()
    for run in (cheap, dear):  # a charge stops at its hold, and local runs cost nothing in this course
        Hold.objects.filter(key=run.hold_key).delete()
        money.hold(team=run.team, key=run.hold_key, paid_for=run.paid_for, amount=10_000)
    charge(cheap, 3), charge(dear, 7_000)

    with django_assert_num_queries(1):
        found = {run.pk: vars(run)["charged"] for run in TrainingRun.objects.filter(~Q(pk=0)).with_charge()}

    assert found == {cheap.pk: 3, dear.pk: 7_000, unsettled.pk: None}
