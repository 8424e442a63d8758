"""How a run ends: its status, its money and what it left, in one transaction each, so that none is without the others."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse

from teams.models import Confidence, Hold, HoldState, NoticeKind
from teams.safe_files import file_in
from teams.services import money, notices
from teams.services.prices import PriceUnknown
from training.launcher import storable
from training.methods.method import RESULT_FILE
from training.models import MOST_ATTEMPTS, Artifact, RunEvent, RunStatus, RunVerdict, TrainingRun
from training.services import charges, idle_speed, live, queue, run_disk, run_storage, verdicts
from training.services.calls import program_prompt


@dataclass(frozen=True)
class Failure:
    """Why a run ended, in a person's words, and what to try."""

    code: str
    message: str
    fix: str


LOST = Failure(
    "worker_lost",
    "The machine that worked on this run stopped three times before it could finish.",
    "Start it again with smaller settings. If that fails too, tell your instructor: the queue page shows what broke.",
)

STORAGE_IS_AWAY = (
    "Training is done, and its files cannot be stored now. Nothing is lost: it is tried again until they are. Nothing more "
    "is charged for it."
)

STORAGE_IS_AWAY_BEFORE = "The storage cannot be reached, so the run does not begin yet. It is tried again until it can."

MAYBE_MADE = Failure(
    "provider_silent",
    "The provider was asked to make this run's job and then did not answer any more, so nobody knows whether it did.",
    "Ask your instructor to look for the job at the provider. What was held is kept as charged until the provider's bill "
    "shows what it cost.",
)


def succeed(
    run: TrainingRun,
    lease: str,
    *,
    result: dict[str, Any],
    result_model: str,
    artifacts: list[Artifact] | None = None,
    **fields: Any,
) -> None:
    """Keep what was made and settle. `artifacts`: where they were collected and stored before.

    Raises InvalidTransition when the run is no longer ours, and StorageAway where its files cannot be stored now.
    """
    artifacts = run_storage.keep_artifacts(run) if artifacts is None else artifacts
    judged = verdicts.measured(run, result)
    with transaction.atomic():
        run.move_to(
            RunStatus.SUCCEEDED, fence=lease, result=result, result_model=result_model, **fields
        )
        for artifact in artifacts:
            Artifact.objects.update_or_create(
                run=run,
                path=artifact.path,
                defaults={"sha256": artifact.sha256, "size": artifact.size},
            )
        RunVerdict.objects.bulk_create(judged)
        settle(run, Confidence.EXACT if not _unreported(result) else Confidence.ESTIMATED)
        _tell(run, f"{run} is done: talk to it.")
        transaction.on_commit(lambda: queue.wake_team(run.team))
        transaction.on_commit(lambda: queue.dispatch_load(run))
    run_storage.forget_checkpoint(run)
    run_disk.count(run)
    live.changed(run)


def fail(
    run: TrainingRun,
    lease: str | None,
    failure: Failure,
    *,
    confidence: Confidence = Confidence.ESTIMATED,
    **fields: Any,
) -> None:
    """Say why and charge what was used; where nobody knows what that was (`UNKNOWN`), all that is held.

    Raises InvalidTransition when the run is no longer ours.
    """
    with transaction.atomic():
        run.move_to(
            RunStatus.FAILED,
            fence=lease,
            error_code=failure.code[:60],
            error_message=failure.message,
            error_fix=failure.fix,
            **fields,
        )
        settle(run, confidence)
        _tell(run, f"{run} failed: {failure.message}")
        transaction.on_commit(lambda: queue.wake_team(run.team))
    run_disk.count(run)
    live.changed(run)


def end_cancelled(
    run: TrainingRun,
    lease: str | None,
    *,
    confidence: Confidence = Confidence.ESTIMATED,
    **fields: Any,
) -> None:
    """The work has stopped: charge what was used, give the rest back; where nobody knows what it was, all that is held."""
    with transaction.atomic():
        run.move_to(RunStatus.CANCELLED, fence=lease, **fields)
        settle(run, Confidence.UNKNOWN if run.job_unknown else confidence)
        transaction.on_commit(lambda: queue.wake_team(run.team))
    run_disk.count(run)
    live.changed(run)


def requeue_or_fail(
    run: TrainingRun, lease: str, reason: str, *, last: Failure = LOST, planned: bool = False
) -> None:
    """An attempt ended without a result: another one goes on from the checkpoint, or, after the third, the run fails.

    Local work that no checkpoint kept is charged to nobody; what a provider was paid stays paid. `last` says why it
    failed then. `planned`: a host was taken out of service, or the database was away, which is no failure of the run's and
    is not counted.
    """
    if not planned and run.attempt - _handed_on(run) >= MOST_ATTEMPTS:
        if run.job_unknown:
            fail(run, lease, MAYBE_MADE, confidence=Confidence.UNKNOWN)
        else:
            fail(run, lease, last, **nothing_kept(run))
        return
    kept = {"planned": True} if planned else {}
    with transaction.atomic():
        run.move_to(RunStatus.QUEUED, fence=lease, **kept_by_checkpoint(run))
        RunEvent.objects.create(
            run=run,
            kind="note",
            data={"message": f"Attempt {run.attempt} ended early: {reason}", **kept},
        )
        transaction.on_commit(lambda: queue.dispatch(run))
    live.changed(run)


def _handed_on(run: TrainingRun) -> int:
    """How many attempts ended by nothing that the run did."""
    return run.events.filter(kind="note", data__planned=True).count()


def wait_for_storage(run: TrainingRun, lease: str, said: str) -> None:
    """Its files cannot be stored or fetched now: it goes back to the queue with all its work, which this host has.

    That is no failed attempt of the run's. Raises InvalidTransition.
    """
    with transaction.atomic():
        run.move_to(RunStatus.QUEUED, fence=lease, attempt=max(0, run.attempt - 1))
        if not run.events.filter(kind="note", data={"message": said}).exists():
            RunEvent.objects.create(run=run, kind="note", data={"message": said})
        transaction.on_commit(lambda: queue.dispatch(run))
    live.changed(run)


def kept_by_checkpoint(run: TrainingRun) -> dict[str, Any]:
    """The fields of a local run whose attempt was lost: back to what the checkpoint held that this attempt began from.

    The next attempt says, as its first word, what the newest checkpoint holds; until then nobody knows.
    """
    if not run.is_adapter:
        return {}
    started = run.events.filter(kind="started").order_by("-id").first()
    work = idle_speed.work_of_engine(started.data.get("work")) if started is not None else {}
    if not work.get("steps"):
        work = {}  # it began from nothing
    return {"work": work, "training_tokens": work.get("tokens", 0)}


def nothing_kept(run: TrainingRun) -> dict[str, Any]:
    """The fields of a local run that ended without its team's doing and left nothing."""
    if run.is_adapter:
        return {"work": {}}
    return {"idle_speed": {**run.idle_speed, "compute_rate": 0}} if run.base_model.local else {}


def settle(run: TrainingRun, confidence: Confidence) -> bool:
    """Charge what was measured against the hold; a run that never began gives all of it back. True when this call did it."""
    if run.started_at is None:
        return money.release(key=run.hold_key)
    hold = Hold.objects.filter(key=run.hold_key).first()
    if hold is None or hold.state != HoldState.OPEN:
        return False
    try:
        charge = charges.run_charge(run, confidence=confidence)
    except PriceUnknown as unknown:
        # The price was there at launch and is gone: keep the hold, an instructor adds the price, the reconciler settles.
        data = {"message": f"The final cost waits for a price. {unknown}"}
        if not run.events.filter(
            kind="note", data=data
        ).exists():  # once, however often the reconciler looks
            RunEvent.objects.create(run=run, kind="note", data=data)
        return False
    if confidence == Confidence.UNKNOWN:
        charge = charges.at_most(charge, hold.amount)
    money.settle(key=run.hold_key, charge=charge)
    return True


def _tell(run: TrainingRun, text: str) -> None:
    """The one who started it need not watch it."""
    if run.created_by is not None:
        path = reverse("run_detail", args=[run.team_id, run.number])
        notices.tell(
            people=[run.created_by],
            course=run.team.course,
            kind=NoticeKind.RUN,
            text=text,
            path=path,
        )


def read_result(folder: Path) -> dict[str, Any]:
    """The engine's result. Raises FileNotFoundError or ValueError where there is none to read."""
    result = storable(json.loads(file_in(folder, RESULT_FILE).read_text(encoding="utf-8")))
    if not isinstance(result, dict):
        raise ValueError(f"{RESULT_FILE} is not an object")
    return result


def program_prompt_tokens(folder: Path) -> int:
    """How many tokens a DSPy program puts before each question, counted from above: the program server sends no more."""
    return program_prompt.most_tokens(
        file_in(folder, "program.json").read_text(encoding="utf-8")
    )


def _unreported(result: dict[str, Any]) -> bool:
    usage = result.get("usage")
    return isinstance(usage, dict) and bool(usage.get("unreported_calls"))
