"""One attempt of a run on this machine: claim it, start its engine, write down what it says, end it."""

import logging
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

from teams import log_context
from teams.services.prices import PriceUnknown
from teams.services.storage.shelves import StorageAway
from training.launcher import INTERRUPTED, Engine
from training.models import Artifact, InvalidTransition, RunStatus, TrainingRun
from training.services import (
    cloud,
    finish,
    idle_speed,
    live,
    queue,
    run_storage,
    spec,
    training_time,
)
from training.services.cancel import KEEP_FILE
from training.services.endpoints import NotReady
from training.services.finish import Failure
from training.services.heartbeat import Heartbeat
from training.services.leaving import AskedToLeave
from training.services.recorder import LeaseLost, Recorder
from training.services.run_storage import CheckpointKeeper

log = logging.getLogger(__name__)

ASK_WHO_SET_IT_UP = "Ask whoever set up this provider to look at it on the page “Providers”. Nothing was charged."
LOOK_SECONDS = 1.0  # how soon a cancel is seen
STORAGE_PAUSE_SECONDS = 5.0  # between two tries to store what a run made
ENGINES_SAY_NOTHING = Failure(
    "engine_silent",
    "The training program ended without a result and without saying why.",
    "Start the run again. If it fails again, send the run's log (engine.log) to your instructor.",
)


MOST_IN_OUTAGES = 20
"""Attempts that a database that is away may end before they count: it is no failure of the run's, and it comes back."""


def execute(run_id: int) -> str:
    """Do the run that is next in the queue, woken by the call for `run_id`. Gives a word on how it went, for RQ's log."""
    claimed = queue.claim_next(run_id)
    if claimed is None:
        return "nothing waits"
    run, lease = claimed
    log_context.work_on_run(run.pk)
    live.changed(run)
    try:
        run_storage.say_who(run, lease)
        with Heartbeat(run, lease) as heart:
            if not run.works_here:
                return cloud.start(run, lease)
            return _run_engine(run, lease, heart)
    except (LeaseLost, InvalidTransition):
        return f"run {run.pk}: the lease is no longer ours"
    except NotReady as not_ready:
        finish.fail(
            run,
            lease,
            Failure("provider_key", str(not_ready), ASK_WHO_SET_IT_UP),
            **finish.nothing_kept(run),
        )
        return f"run {run.pk} failed: its provider cannot be asked"
    except PriceUnknown as unknown:
        finish.fail(
            run,
            lease,
            Failure("price_unknown", str(unknown), "Add the price, then start the run again."),
        )
        return f"run {run.pk} failed: price_unknown"
    except StorageAway:
        finish.wait_for_storage(run, lease, finish.STORAGE_IS_AWAY_BEFORE)
        return f"run {run.pk} waits for the storage"
    except BaseException as error:
        _abandon(run, lease, error)
        raise


def _run_engine(run: TrainingRun, lease: str, heart: Heartbeat) -> str:
    if run_storage.is_finished_here(run):
        return _succeed(run, lease, heart)
    run_storage.fetch_checkpoint(run)
    order = spec.write_order(run)
    keeper = CheckpointKeeper(run, lease)
    try:
        return _watched(run, lease, heart, order, keeper)
    except AskedToLeave:
        keeper.look(
            now=True
        )  # what the engine saved when it left: another host goes on from there
        raise


def _watched(
    run: TrainingRun, lease: str, heart: Heartbeat, order: spec.Order, keeper: CheckpointKeeper
) -> str:
    recorder = Recorder(run, lease, bill_seconds=run.is_adapter or run.base_model.local)
    looked = time.monotonic()
    engines = order.engines or settings.ENGINES_ROOT
    with Engine(order.module, order.folder, engines=engines, extra=order.environment) as engine:
        for event in engine.events():
            if heart.lost:
                raise LeaseLost(f"run {run.pk}")
            if event is not None:
                recorder.take(event)
            recorder.flush()
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                if _is_cancelled(run, lease):
                    engine.ask_to_leave()
            keeper.look()
        recorder.flush(force=True)
        return _conclude(run, lease, heart, recorder, keeper, engine.exit_code)


def _status(run: TrainingRun, lease: str) -> str:
    """Raises LeaseLost when the run is no longer ours."""
    return _asked(run, lease)[0]


def _asked(run: TrainingRun, lease: str) -> tuple[str, datetime | None]:
    """(status, when somebody asked to stop and keep). Raises LeaseLost when the run is no longer ours."""
    mine = TrainingRun.objects.filter(pk=run.pk, lease=lease)
    found = mine.values_list("status", "stop_asked_at").first()
    if found is None:
        raise LeaseLost(f"run {run.pk}")
    return found


def _is_cancelled(run: TrainingRun, lease: str) -> bool:
    """Asked while the engine works: a database that is away for a moment is no reason to end it.

    Whoever asked to stop and keep may have done so at any host: here the engine is told.
    """
    try:
        status, stop_asked_at = _asked(run, lease)
        if stop_asked_at is not None:
            run.file(KEEP_FILE).touch()
        return status == RunStatus.CANCELLING
    except DatabaseError as error:
        log.warning("run %s: nobody can say whether it is cancelled: %s", run.pk, error)
        close_old_connections()
        return False


def _conclude(
    run: TrainingRun,
    lease: str,
    heart: Heartbeat,
    recorder: Recorder,
    keeper: CheckpointKeeper,
    exit_code: int | None,
) -> str:
    cancelling = _status(run, lease) == RunStatus.CANCELLING
    if recorder.finished and exit_code == 0 and not cancelling:
        run_storage.mark_finished(run)
        return _succeed(run, lease, heart)
    if cancelling:
        finish.end_cancelled(run, lease)
        return f"run {run.pk} cancelled"
    if recorder.failure is not None:
        said = recorder.failure
        failure = Failure(str(said.get("code")), str(said.get("message")), str(said.get("fix")))
        finish.fail(run, lease, failure)
        return f"run {run.pk} failed: {failure.code}"
    if exit_code == INTERRUPTED or exit_code is None or exit_code < 0:
        how = (
            "it was asked to leave"
            if exit_code == INTERRUPTED
            else f"the engine was killed (signal {-(exit_code or 0)})"
        )
        keeper.look(now=True)
        finish.requeue_or_fail(run, lease, f"{how}.")
        return f"run {run.pk}: {how}"
    finish.fail(run, lease, ENGINES_SAY_NOTHING, **finish.nothing_kept(run))
    return f"run {run.pk} failed: exit {exit_code}"


def _succeed(run: TrainingRun, lease: str, heart: Heartbeat) -> str:
    try:
        result = finish.read_result(run.folder)
        if run.trained_with.is_program:
            result["prompt_tokens"] = finish.program_prompt_tokens(run.folder)
    except (FileNotFoundError, ValueError) as error:
        log.warning("run %s left no result: %s", run.pk, error)
        finish.fail(run, lease, ENGINES_SAY_NOTHING, **finish.nothing_kept(run))
        return f"run {run.pk} failed: no result"
    fields: dict[str, Any] = {}
    if run.base_model.local:
        result["machine"] = training_time.machine()
    if run.is_adapter and (work := idle_speed.work_of_engine(result.get("work"))):
        fields["work"] = work
    try:
        artifacts = _keep(run, lease, heart)
    except StorageAway:
        finish.wait_for_storage(run, lease, finish.STORAGE_IS_AWAY)
        return f"run {run.pk} waits for the storage"
    finish.succeed(
        run,
        lease,
        result=result,
        result_model=f"run-{run.key}",
        artifacts=artifacts,
        **fields,
    )
    return f"run {run.pk} succeeded"


def _keep(run: TrainingRun, lease: str, heart: Heartbeat) -> list[Artifact]:
    """Store what it made, however long the storage is away: up to STORAGE_PATIENCE_SECONDS. Then raises StorageAway."""
    began = time.monotonic()
    while True:
        try:
            return run_storage.keep_artifacts(run, lease)
        except StorageAway:
            log.warning("run %s is done and waits for the storage", run.pk)
            if time.monotonic() - began >= settings.STORAGE_PATIENCE_SECONDS:
                raise
        if _is_cancelled(run, lease):
            finish.end_cancelled(run, lease)
        if heart.lost or run.status != RunStatus.RUNNING:
            raise LeaseLost(f"run {run.pk}")
        time.sleep(STORAGE_PAUSE_SECONDS)


def _abandon(run: TrainingRun, lease: str, error: BaseException) -> None:
    """This worker cannot go on: hand the run back now. Where even that fails, the lease runs out and the reconciler does it."""
    try:
        if _status(run, lease) == RunStatus.CANCELLING:
            finish.end_cancelled(run, lease, **finish.kept_by_checkpoint(run))
        elif isinstance(error, AskedToLeave):
            finish.requeue_or_fail(run, lease, "its worker was asked to end.", planned=True)
        elif isinstance(error, (OperationalError, InterfaceError)):
            few = run.attempt < MOST_IN_OUTAGES
            finish.requeue_or_fail(run, lease, "the database was away.", planned=few)
        else:
            finish.requeue_or_fail(run, lease, f"{type(error).__name__} in the worker.")
    except (DatabaseError, LeaseLost, InvalidTransition) as trouble:
        log.warning("run %s was not handed back (%s); its lease will run out", run.pk, trouble)
