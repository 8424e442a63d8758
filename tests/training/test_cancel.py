"""Stopping a run wherever it is: the work ends, the rest of the hold comes back, and only once."""

from collections.abc import Callable

import pytest

from teams.models import AuditEntry, HoldState, Method, Team, User
from tests.training.money import account, entry_of, hold_state, no_money_is_held
from training import jobs
from training.models import RunStatus, TrainingRun
from training.services.cancel import CannotStop, cancel, stop_and_keep

Launch = Callable[..., TrainingRun]


def test_a_cancelled_queued_run_releases_its_hold_and_never_starts(start: Launch, team: Team, member: User) -> None:
    run = start(Method.DSPY)
    assert account(team).held == run.most_cost > 0

    cancel(run=run, person=member)

    assert (run.status, hold_state(run)) == (RunStatus.CANCELLED, HoldState.RELEASED)
    assert no_money_is_held(team)
    assert entry_of(run) is None
    assert jobs.execute_run(run.pk) == "nothing waits"
    assert AuditEntry.objects.filter(action="run cancelled", person=member).count() == 1


def test_a_run_that_began_in_the_moment_of_the_click_is_told_to_stop(start: Launch, member: User) -> None:
    run = start()
    TrainingRun.objects.get(pk=run.pk).claim()

    cancel(run=run, person=member)  # the page still had it as queued

    assert run.status == RunStatus.CANCELLING
    assert run.lease, "its worker has yet to stop"


def test_cancelling_twice_is_harmless(start: Launch, member: User) -> None:
    run = start()
    run.claim()
    cancel(run=run, person=member)
    cancel(run=run, person=member)
    assert run.status == RunStatus.CANCELLING


def test_a_finished_run_cannot_be_cancelled(start: Launch, member: User) -> None:
    run = start()
    run.claim()
    run.move_to(RunStatus.SUCCEEDED, fence=run.lease)
    with pytest.raises(CannotStop, match="ended already: done"):
        cancel(run=run, person=member)


def test_stop_and_keep_is_a_column_that_whoever_works_on_the_run_reads(start: Launch, member: User) -> None:
    """`test_stored_runs.py` has how the engine is told, on whichever host it is."""
    run = start()
    with pytest.raises(CannotStop):
        stop_and_keep(run=run, person=member)
    run.claim()
    stop_and_keep(run=run, person=member)
    run.refresh_from_db()
    assert run.stop_asked_at is not None and not run.folder.exists()
