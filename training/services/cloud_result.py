"""What a succeeded provider job left: a paid result, which is never lost.

The job and its model's name are enough for a run that can be talked to. Everything else (the curve's events, the result
file, checkpoints, the count of tokens, our own files) is read as far as it can be; what is missing is noted on the run,
and asked for again later.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from teams.models import Confidence, Hold, LedgerEntry
from teams.services import money
from teams.services.prices import PriceUnknown
from teams.services.storage.shelves import StorageAway
from training.methods.method import RESULT_FILE
from training.models import (
    Artifact,
    InvalidTransition,
    Missing,
    RunEvent,
    RunStatus,
    TrainingRun,
)
from training.providers.jobs import JobEvent, ProviderJob
from training.providers.openai_api import FineTuning, ProviderAway, ProviderRefused
from training.providers.values import finite, points, step_number
from training.services import charges, estimate, finish, json_files, live, provider_deploys
from training.services.cloud_samples import ask_samples
from training.services.run_storage import keep_artifacts

log = logging.getLogger(__name__)

RESULT_TABLE = "result.csv"
LOOKS_THAT_READ = (
    2  # a look that was cut off twice while it read is followed by one that reads nothing
)
ASKED_AGAIN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 1440))
READABLE = (Missing.EVENTS, Missing.TABLE, Missing.CHECKPOINTS, Missing.TOKENS)
NO_NAME = "The provider says that the job is done, and not yet what the model is called. It is asked again."


def keep(run: TrainingRun, lease: str, provider: FineTuning, job: ProviderJob) -> str:
    """End the run with its model. Raises LeaseLost or InvalidTransition where it is no longer ours."""
    hurried = provider.hurried()
    name = job.fine_tuned_model or _name_of_a_checkpoint(hurried, job)
    if not name:
        return _wait_for_name(run, lease, job)
    deploys = provider_deploys.deploys(run)
    if deploys and run.status == RunStatus.WAITING:
        trained = (
            job.trained_tokens if job.trained_tokens is not None else estimated_tokens(run, job)
        )
        return provider_deploys.begin(run, lease, model=name, tokens=trained)
    waits = _deployed(run, name) if deploys else ""
    if waits and run.status == RunStatus.DEPLOYING and not provider_deploys.out_of_patience(run):
        note_once(run, waits)
        return f"run {run.pk}: {waits}"
    looks = run.missing_tries + 1
    if not run.write(lease, provider_status=job.status, missing_tries=looks):
        raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
    missing = {*run.missing, *READABLE} - {
        Missing.TOKENS if job.trained_tokens is not None else ""
    }
    missing |= {Missing.DEPLOYMENT} if waits else set()
    trained = (
        job.trained_tokens if job.trained_tokens is not None else estimated_tokens(run, job)
    )
    if looks <= LOOKS_THAT_READ:
        undeployed = missing & {Missing.DEPLOYMENT}  # asked for a moment ago
        missing = _read(run, hurried, job, missing - undeployed) | undeployed
        if not waits:
            ask_samples(run, lease, model=run.deployment or name, trained_tokens=trained)
    result = run.result | {
        "schema": 1,
        "seed": run.seed,
        "hyperparameters": job.hyperparameters,
        "job": job.id,
        "fine_tuned_model": name,
        "checkpoints": run.result.get("checkpoints", []),
        "metrics": {"trained_tokens": job.trained_tokens, "steps": run.step},
    }
    artifacts = _write_files(run, result, missing)
    finish.succeed(
        run,
        lease,
        result=result,
        result_model=name,
        deployment=run.deployment,
        artifacts=artifacts,
        training_tokens=trained,
        provider_status=job.status,
        missing=[part for part in Missing if part in missing],
        missing_tries=0,
        missing_next=timezone.now() + ASKED_AGAIN[0] if missing else None,
    )
    if missing:
        _note(
            run,
            f"Not read at the provider yet: {', '.join(run.missing_parts)}. It is asked again.",
        )
    return f"run {run.pk}: {job.status}" + (
        f", without {', '.join(run.missing)}" if missing else ""
    )


def _deployed(run: TrainingRun, name: str) -> str:
    """Why the model cannot be asked yet; empty where it can. Nothing that stands in the way of it fails a paid run."""
    if run.status == RunStatus.CANCELLING:
        return "The run was cancelled before its model was deployed."
    try:
        provider_deploys.step(run, model=name)
    except (ProviderAway, ProviderRefused) as trouble:
        return str(trouble)
    return ""


def remembered(run: TrainingRun) -> ProviderJob:
    """The job of a run whose training is done and paid for, where it cannot be read again: what we wrote down of it."""
    return ProviderJob(
        id=run.provider_job,
        status="succeeded",
        created_at=0,
        fine_tuned_model=run.result_model,
        trained_tokens=run.training_tokens or None,
        result_files=(),
        error_code="",
        error_message="",
        hyperparameters={},
    )


def fill_in(run: TrainingRun, provider: FineTuning) -> str:
    """Ask once more for what is missing of a run that succeeded. Harmless to repeat, and to run twice at once."""
    if not _claim(run):
        return f"run {run.pk}: asked by somebody else"
    hurried = provider.hurried()
    try:
        job = hurried.job(run.provider_job)
    except (ProviderAway, ProviderRefused):
        if Missing.DEPLOYMENT not in run.missing:
            raise
        job = remembered(run)  # the deployment does not hang on it
    missing = _read(run, hurried, job, set(run.missing))
    if job.trained_tokens is not None and Missing.TOKENS in run.missing:
        _correct(run, job.trained_tokens)
    artifacts = _write_files(run, run.result, missing)
    found = [part.label for part in Missing if part in run.missing and part not in missing]
    left = [part for part in Missing if part in missing]
    with transaction.atomic():
        for artifact in artifacts:
            defaults = {"sha256": artifact.sha256, "size": artifact.size}
            # A file that was kept before may be frozen in a submission: it stays what it was.
            Artifact.objects.get_or_create(run=run, path=artifact.path, defaults=defaults)
        fields: dict[str, Any] = {
            "missing": left,
            "result": run.result,
            "training_tokens": run.training_tokens,
        }
        fields |= {"deployment": run.deployment}
        fields |= {} if left else {"missing_next": None}
        TrainingRun.objects.filter(pk=run.pk, status=RunStatus.SUCCEEDED).update(**fields)
        if found:
            _note(run, f"Read at the provider now: {', '.join(found)}.")
    live.changed(run)
    return f"run {run.pk}: {len(left)} parts missing"


def record_events(
    run: TrainingRun, provider: FineTuning, job: ProviderJob, lease: str | None
) -> set[str]:
    """Write what is new since the last look; under the lease while there is one. Gives the kinds that were written."""
    known = set(run.events.filter(data__has_key="event").values_list("data__event", flat=True))
    rows = [row for event in provider.new_events(job.id, known) for row in _rows(run, event)]
    fields: dict[str, Any] = {"provider_status": job.status}
    for row in rows:
        if row.kind == "step":
            fields |= {
                "step": row.step,
                "train_loss": row.data["loss"],
                "total_steps": row.data["total_steps"],
            }
        elif row.kind == "validation":
            fields["validation_loss"] = row.data["loss"]
    with transaction.atomic():
        if lease is None:
            TrainingRun.objects.filter(pk=run.pk).update(**fields)
        elif not run.write(lease, **fields):
            raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
        RunEvent.objects.bulk_create(rows)
    run.refresh_from_db(fields=[*fields])
    return {row.kind for row in rows}


def say_shutdown(run: TrainingRun, provider: FineTuning) -> None:
    """A note where the provider says when it will switch the base model off. Raises ProviderAway, ProviderRefused."""
    ends = provider.shutdown_date(run.base_model.name)
    if ends is not None:
        _note(
            run,
            f"The provider switches {run.base_model.name} off on {ends}: chats with this run will end then.",
        )


def estimated_tokens(run: TrainingRun, job: ProviderJob) -> int:
    """What a job that succeeded has trained on, where the provider does not say: counted here, for the epochs it names."""
    epochs = job.hyperparameters.get("n_epochs")
    if not isinstance(epochs, int) or epochs < 1:
        epochs = estimate.epochs_of(run)
    return estimate.one_epoch_tokens(run.dataset_version, run.settings) * epochs


def tokens_so_far(run: TrainingRun, job: ProviderJob) -> int:
    """What a job that did not succeed has trained on: the provider's word, or the share of its steps that we saw."""
    if job.trained_tokens is not None:
        return job.trained_tokens
    if not run.total_steps:
        return 0  # it ended before its first step
    return estimated_tokens(run, job) * run.step // run.total_steps


def _read(
    run: TrainingRun, provider: FineTuning, job: ProviderJob, missing: set[str]
) -> set[str]:
    """Read what is missing, each part on its own. Gives what still is."""
    left = set(missing)
    ways: dict[Missing, Callable[[], object]] = {
        Missing.EVENTS: lambda: record_events(run, provider, job, run.lease or None),
        Missing.TABLE: lambda: _table(run, provider, job),
        Missing.CHECKPOINTS: lambda: _checkpoints(run, provider, job),
        Missing.PAGE: lambda: say_shutdown(run, provider),
        Missing.DEPLOYMENT: lambda: provider_deploys.step(run, model=run.result_model),
    }
    for part, way in ways.items():
        if part in left:
            _try(run, part, way, left)
    if job.trained_tokens is not None:
        left.discard(Missing.TOKENS)
    return left


def _try(run: TrainingRun, part: Missing, way: Callable[[], object], left: set[str]) -> None:
    try:
        way()
    except (ProviderAway, ProviderRefused, OSError) as trouble:
        log.warning("run %s: %s not read: %s", run.pk, part, trouble)
        left.add(part)
    else:
        left.discard(part)


def _table(run: TrainingRun, provider: FineTuning, job: ProviderJob) -> None:
    if not job.result_files:
        return
    table = provider.result_table(job.result_files[0])
    _fill_gaps(run, table)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.file(RESULT_TABLE).write_bytes(table)


def _fill_gaps(run: TrainingRun, table: bytes) -> None:
    """Steps that no event told (events are sampled, and old ones are dropped) come from the result file."""
    told = set(run.events.filter(kind__in=("step", "validation")).values_list("kind", "step"))
    missing = []
    for point in points(table):
        for kind, loss in (("step", point.train_loss), ("validation", point.validation_loss)):
            if loss is not None and (kind, point.step) not in told:
                told.add((kind, point.step))
                missing.append(
                    RunEvent(run=run, kind=kind, step=point.step, data={"loss": loss})
                )
    RunEvent.objects.bulk_create(missing)


def _checkpoints(run: TrainingRun, provider: FineTuning, job: ProviderJob) -> None:
    run.result = run.result | {
        "checkpoints": [asdict(one) for one in provider.checkpoints(job.id)]
    }


def _name_of_a_checkpoint(provider: FineTuning, job: ProviderJob) -> str:
    """The last checkpoint is the model that the job ended with."""
    try:
        kept = provider.checkpoints(job.id)
    except (ProviderAway, ProviderRefused):
        return ""
    return kept[-1].model if kept else ""


def _wait_for_name(run: TrainingRun, lease: str, job: ProviderJob) -> str:
    """Nobody can talk to a model without a name, so the run isn't done: the next look asks again. A person may end it."""
    if run.status == RunStatus.CANCELLING:
        trained = (
            job.trained_tokens if job.trained_tokens is not None else estimated_tokens(run, job)
        )
        confidence = Confidence.ESTIMATED if job.trained_tokens is None else Confidence.EXACT
        finish.end_cancelled(
            run,
            lease,
            confidence=confidence,
            provider_status=job.status,
            training_tokens=trained,
        )
        return f"run {run.pk} cancelled, done at the provider"
    if not run.write(lease, provider_status=job.status):
        raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
    note_once(run, NO_NAME)
    return f"run {run.pk}: {job.status}, without a name"


def _write_files(run: TrainingRun, result: dict[str, Any], missing: set[str]) -> list[Artifact]:
    """The result beside what else the run left. Where this machine can't write or read, that is missing too."""
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        if not run.file(RESULT_FILE).exists():
            json_files.write_json(run.file(RESULT_FILE), result)
        found = keep_artifacts(run)
    except (OSError, StorageAway) as trouble:
        log.warning("run %s: its files were not kept: %s", run.pk, trouble)
        missing.add(Missing.FILES)
        return []
    missing.discard(Missing.FILES)
    return found


def _correct(run: TrainingRun, trained: int) -> None:
    """The provider says at last what it trained on: set the charge right, once, and never above what was held."""
    counted, run.training_tokens = run.training_tokens, trained
    entry = LedgerEntry.objects.filter(key=run.hold_key).first()
    hold = Hold.objects.filter(key=run.hold_key).first()
    if entry is None or hold is None:
        return  # not settled yet: it will be, by this count
    try:
        cost = min(charges.run_charge(run).cost, hold.amount)
    except PriceUnknown:
        return
    if cost != entry.delta:
        why = f"The provider says {trained:,} training tokens; {counted:,} were charged, counted here."
        money.correct(entry=entry, delta=cost - entry.delta, why=why)


def _claim(run: TrainingRun) -> bool:
    """This try is ours, and the next one is later: conditional, so that of two at once one asks."""
    tries = run.missing_tries
    after = timezone.now() + ASKED_AGAIN[tries + 1] if tries + 1 < len(ASKED_AGAIN) else None
    rows = TrainingRun.objects.filter(pk=run.pk, status=RunStatus.SUCCEEDED, missing_tries=tries)
    return bool(
        rows.exclude(missing=[]).update(missing_tries=F("missing_tries") + 1, missing_next=after)
    )


def note_once(run: TrainingRun, message: str) -> RunEvent:
    """A note that is not repeated, however often the same is seen. Its `at` says since when."""
    data = {"message": message}
    return run.events.filter(kind="note", data=data).first() or RunEvent.objects.create(
        run=run, kind="note", data=data
    )


def _note(run: TrainingRun, message: str) -> None:
    RunEvent.objects.create(run=run, kind="note", data={"message": message})


def _rows(run: TrainingRun, event: JobEvent) -> list[RunEvent]:
    data = event.metrics
    step = step_number(data.get("step")) if data is not None else None
    if data is None or step is None:
        return [
            RunEvent(run=run, kind="note", data={"event": event.id, "message": event.message})
        ]
    loss, total = (
        finite(data.get("train_loss")),
        step_number(data.get("total_steps")) or run.total_steps,
    )
    found = [
        RunEvent(
            run=run,
            kind="step",
            step=step,
            data={"event": event.id, "loss": loss, "total_steps": total},
        )
    ]
    measured = finite(data.get("full_valid_loss") or data.get("valid_loss"))
    if measured is not None:
        found.append(
            RunEvent(
                run=run, kind="validation", step=step, data={"event": event.id, "loss": measured}
            )
        )
    return found
