"""After a crash of anything: each run goes on or fails with a reason, and no money stays behind."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import OperationalError, connections
from django.utils import timezone

from teams.models import Hold, HoldState, Method, Price, Team, User
from tests.training.money import entry_of, hold_state, no_money_is_held
from training import jobs
from training.models import InvalidTransition, RunStatus, TrainingRun, lease_owner
from training.services import cancel, finish, queue, reconcile

Launch = Callable[..., TrainingRun]


def silent_since_long(run: TrainingRun) -> None:
    """Its worker is gone: the lease has run out."""
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def waiting_calls(name: str = "training") -> list[str]:
    import django_rq

    found: list[str] = django_rq.get_queue(name).job_ids
    return found


def forget_all_calls() -> None:
    """As when Redis lost its memory."""
    redis.Redis.from_url(django_settings.REDIS_URL).flushall()


def test_a_run_whose_worker_is_gone_is_queued_again_with_a_new_call(
    start: Launch, django_capture_on_commit_callbacks: Any
) -> None:
    run = start()
    run.claim()
    silent_since_long(run)
    with django_capture_on_commit_callbacks(execute=True):
        found = reconcile.reconcile()
    run.refresh_from_db()

    assert found.handed_on == [run.pk]
    assert (run.status, run.lease, hold_state(run)) == (RunStatus.QUEUED, "", HoldState.OPEN)
    assert waiting_calls() == [f"run-{run.pk}-a2"]


def test_a_working_run_is_left_alone(start: Launch) -> None:
    run = start()
    run.claim()
    assert not reconcile.reconcile().handed_on
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING


def test_the_third_loss_fails_the_run_and_settles(start: Launch, team: Team) -> None:
    run = start(Method.DSPY)
    for _ in range(3):
        run.claim()
        silent_since_long(run)
        reconcile.reconcile()
        run.refresh_from_db()

    assert (run.status, run.error_code) == (RunStatus.FAILED, "worker_lost")
    assert no_money_is_held(team)
    assert entry_of(run) is not None


def test_a_cancelled_run_whose_worker_is_gone_is_ended(start: Launch, team: Team, member: User) -> None:
    run = start(Method.DSPY)
    run.claim()
    cancel.cancel(run=run, person=member)
    silent_since_long(run)
    found = reconcile.reconcile()
    run.refresh_from_db()

    assert found.ended == [run.pk]
    assert run.status == RunStatus.CANCELLED
    assert no_money_is_held(team)


def test_a_queued_run_without_a_call_gets_one_and_only_one(start: Launch) -> None:
    run = start()
    forget_all_calls()

    assert reconcile.reconcile().woken == [run.pk]
    assert reconcile.reconcile().woken == []
    assert waiting_calls() == [f"run-{run.pk}-a1"]


def test_a_call_that_rq_remembers_but_no_queue_holds_is_sent_again(start: Launch) -> None:
    run = start()
    queue.dispatch(run)
    redis.Redis.from_url(django_settings.REDIS_URL).delete("rq:queue:training")

    assert reconcile.reconcile().woken == [run.pk]
    assert waiting_calls() == [f"run-{run.pk}-a1"]


def test_a_call_that_died_with_its_worker_does_not_strand_the_run(start: Launch) -> None:
    """RQ has it as started, for many minutes; its worker is gone and the run that it woke was another."""
    from rq.job import Job, JobStatus

    run = start()
    queue.dispatch(run)
    connection = redis.Redis.from_url(django_settings.REDIS_URL)
    connection.delete("rq:queue:training")
    Job.fetch(f"run-{run.pk}-a1", connection=connection).set_status(JobStatus.STARTED)

    reconcile.reconcile()
    reconcile.reconcile()
    assert len(waiting_calls()) == 1
    assert jobs.execute_run.__name__ in str(connection.hget(f"rq:job:{waiting_calls()[0]}", "description"))


@pytest.mark.parametrize(("silent_for", "expected"), [(61, "queued"), (59, "already queued")])
def test_a_look_that_died_with_its_worker_is_taken_again(
    start: Launch, silent_for: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ would keep the name of the job for many minutes, and the provider's job would be looked at by nobody."""
    from rq.job import Job, JobStatus

    run = start()
    queue.dispatch_poll(run)
    connection = redis.Redis.from_url(django_settings.REDIS_URL)
    connection.delete("rq:queue:quick")
    job = Job.fetch(f"poll-{run.pk}", connection=connection)
    job.set_status(JobStatus.STARTED)
    now = timezone.now()
    job.last_heartbeat = now - timedelta(seconds=silent_for)
    job.save()
    monkeypatch.setattr(timezone, "now", lambda: now)  # a slow machine would take the second that is left

    assert queue.dispatch_poll(run) == expected
    assert waiting_calls("quick") == ([f"poll-{run.pk}"] if expected == "queued" else [])


def test_launching_while_redis_is_away_loses_nothing(
    start: Launch, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    working = settings.RQ_QUEUES
    settings.RQ_QUEUES = {name: {**queue, "URL": "redis://127.0.0.1:1/0"} for name, queue in working.items()}
    with django_capture_on_commit_callbacks(execute=True):
        run = start()
    assert run.status == RunStatus.QUEUED
    settings.RQ_QUEUES = working

    assert reconcile.reconcile().woken == [run.pk]


def test_a_hold_that_waited_for_a_price_is_settled_when_the_price_is_there(start: Launch, team: Team) -> None:
    run = start(Method.DSPY)
    prices = list(Price.objects.all())
    Price.objects.all().delete()
    lease = run.claim()
    assert lease is not None
    run.write(lease, input_tokens=50_000)
    finish.fail(run, lease, finish.Failure("x", "x", "x"))
    assert hold_state(run) == HoldState.OPEN, "an unknown price is not 0"
    assert [reconcile.reconcile().settled for _ in range(3)] == [[], [], []]
    assert run.events.filter(data__message__icontains="waits for a price").count() == 1, "it is said once"

    Price.objects.bulk_create(prices)
    assert reconcile.reconcile().settled == [run.pk]
    entry = entry_of(run)
    assert entry is not None
    assert entry.delta == 7_500
    assert no_money_is_held(team)


def test_the_hold_of_a_long_run_does_not_expire_under_it(start: Launch) -> None:
    run = start(Method.DSPY)
    run.claim()
    Hold.objects.filter(key=run.hold_key).update(expires_at=timezone.now() - timedelta(hours=1))
    reconcile.reconcile()
    hold = Hold.objects.get(key=run.hold_key)
    assert hold.state == HoldState.OPEN
    assert hold.expires_at > timezone.now()


def test_two_reconcilers_at_once_hand_a_run_on_once(start: Launch) -> None:
    run = start()
    run.claim()
    silent_since_long(run)
    seen_by_the_other = TrainingRun.objects.with_related().get(pk=run.pk)
    reconcile.reconcile()

    with pytest.raises(InvalidTransition):
        finish.requeue_or_fail(seen_by_the_other, seen_by_the_other.lease, "its worker stopped.")
    run.refresh_from_db()
    assert run.attempt == 1


def test_a_killed_job_process_hands_its_run_on_at_once(start: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "close_all", lambda: None)
    mine, other = start(), start()
    mine.claim()
    other.claim()
    TrainingRun.objects.filter(pk=other.pk).update(lease=f"{lease_owner(1)}x")
    reconcile.worker_child_died(pid=os.getpid())
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == (RunStatus.QUEUED, RunStatus.RUNNING)


def test_the_clock_goes_on_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "close_old_connections", lambda: None)

    rounds = {"broken": 0, "whole": 0}

    def broken() -> None:
        rounds["broken"] += 1
        raise OperationalError("the database is away")

    def whole() -> None:
        rounds["whole"] += 1

    turns = iter([False, False, True])
    reconcile.repeat([(0.0, broken), (0.0, whole)], lambda _: next(turns))
    assert rounds == {"broken": 3, "whole": 3}


def test_a_run_that_cannot_be_set_right_does_not_keep_the_others_waiting(
    start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = start(), start()
    for run in (bad, good):
        run.claim()
        silent_since_long(run)
    requeue_or_fail = finish.requeue_or_fail

    def trouble_with_one(run: TrainingRun, *rest: Any) -> None:
        if run == bad:
            raise LookupError("nobody thought of this")
        requeue_or_fail(run, *rest)

    monkeypatch.setattr(finish, "requeue_or_fail", trouble_with_one)
    assert reconcile.reconcile().handed_on == [good.pk]


def test_a_round_that_fails_does_not_stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "close_old_connections", lambda: None)
    looked: list[int] = []

    def broken() -> None:
        raise LookupError("nobody thought of this")

    turns = iter([False, True])
    reconcile.repeat([(0.0, broken), (0.0, lambda: looked.append(1))], lambda _: next(turns))
    assert looked == [1, 1]


def test_a_call_for_a_run_that_is_gone_does_nothing(db: None) -> None:
    assert jobs.execute_run(999) == "nothing waits"
    assert jobs.poll_run(999) == "nothing to look at"
