"""OpenAI runs: rows go up, one job is made, short looks follow it to its end. No worker waits in between."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction

from datasets.models import Shape
from datasets.services import versions
from teams.models import Confidence
from training.models import InvalidTransition, RunEvent, RunStatus, TrainingRun
from training.providers.openai_api import (
    FineTuning,
    JobEvent,
    ProviderAway,
    ProviderJob,
    ProviderRefused,
    points,
)
from training.services import finish, live, queue, spec, tokens
from training.services.cloud_samples import ask_samples
from training.services.endpoints import provider_address
from training.services.finish import Failure
from training.services.launch import DPO, SUPERVISED
from training.services.recorder import LeaseLost

UPLOAD_FIELDS = ("role", "content", "weight")
RESULT_TABLE = "result.csv"
AWAY = Failure(
    "provider_away",
    "The provider did not answer three times over many minutes, so the run was not started there.",
    "Start it again later. Nothing was charged.",
)


def provider_for(run: TrainingRun) -> FineTuning:
    base_url, key = provider_address(rehearsal=run.rehearsal)
    return FineTuning(base_url=base_url, api_key=key)


def start(run: TrainingRun, lease: str) -> str:
    """Make the provider's job, once, and let the run wait for it."""
    try:
        provider = provider_for(run)
        job = provider.find_job(str(run.key)) or _create(run, lease, provider)
    except ProviderAway as away:
        finish.give_up(run, lease, str(away), last=AWAY)
        return f"run {run.pk}: {away}"
    except ProviderRefused as refused:
        finish.fail(run, lease, Failure(refused.code, refused.message, refused.mend))
        clean_up(run)
        return f"run {run.pk} failed: {refused.code}"
    if job is None:
        finish.end_cancelled(run, lease)
        clean_up(run)
        return f"run {run.pk} cancelled before it was sent"
    if not run.write(lease, provider_job=job.id, provider_status=job.status):
        raise LeaseLost(f"run {run.pk}")
    return _wait(run, lease, job)


def _wait(run: TrainingRun, lease: str, job: ProviderJob) -> str:
    try:
        run.move_to(RunStatus.WAITING, fence=lease)
    except InvalidTransition:
        run.give_back(lease)  # cancelled while the job was made: the next look ends it at the provider
    live.changed(run)
    queue.dispatch_poll(run)
    return f"run {run.pk}: job {job.id}"


def _create(run: TrainingRun, lease: str, provider: FineTuning) -> ProviderJob | None:
    """None when the run was cancelled before anything was made."""
    files = spec.write_rows(run)
    _say_shutdown(run, provider)
    parts = [("train", files.train_ids)] + ([("validation", files.validation_ids)] if files.validation_ids else [])
    ids: list[str] = []
    for part, row_ids in parts:
        ids.append(provider.upload(_as_provider_takes_it(run, part, row_ids), f"run-{run.key}-{part}.jsonl"))
        if not run.write(lease, provider_files=ids):
            raise LeaseLost(f"run {run.pk}")
    prompt = spec.commonest_system_prompt(files.train)
    if not run.write(lease, result={"system_prompt": prompt}):
        raise LeaseLost(f"run {run.pk}")
    if TrainingRun.objects.filter(pk=run.pk, status=RunStatus.CANCELLING).exists():
        return None
    return provider.create_job_once(str(run.key), _body(run, ids))


def _body(run: TrainingRun, file_ids: list[str]) -> dict[str, Any]:
    kind = str(run.settings.get("training", SUPERVISED))
    names = ("n_epochs", "batch_size", "learning_rate_multiplier", *(("beta",) if kind == DPO else ()))
    chosen = {name: run.settings.get(name, "auto") for name in names}
    body: dict[str, Any] = {
        "model": run.base_model.name,
        "training_file": file_ids[0],
        "method": {"type": kind, kind: {"hyperparameters": chosen}},
        "seed": run.seed,
        "suffix": str(run.settings.get("suffix") or f"run-{run.number}"),
    }
    return body | ({"validation_file": file_ids[1]} if len(file_ids) > 1 else {})


def _say_shutdown(run: TrainingRun, provider: FineTuning) -> None:
    """Whether the model exists and the account may train it is asked before any row leaves this machine."""
    provider.refuse_if_closed(run.base_model.name)
    ends = provider.shutdown_date(run.base_model.name)
    if ends is not None:
        message = f"The provider switches {run.base_model.name} off on {ends}: chats with this run will end then."
        RunEvent.objects.create(run=run, kind="note", data={"message": message})


def _as_provider_takes_it(run: TrainingRun, part: str, row_ids: list[str]) -> Path:
    """The same rows as the provider wants them: without our ids, pairs of answers for DPO."""
    upload = run.file(f"upload-{part}.jsonl")
    if run.settings.get("training") == DPO:
        versions.write_jsonl(run.dataset_version, upload, shape=Shape.PREFERENCE, rows=row_ids)
        return upload
    with run.file(f"{part}.jsonl").open(encoding="utf-8") as lines, upload.open("w", encoding="utf-8") as out:
        for line in lines:
            messages = [{k: m[k] for k in UPLOAD_FIELDS if k in m} for m in json.loads(line)["messages"]]
            out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return upload


def poll(run_id: int) -> str:
    """One short look at the provider's job; harmless to repeat and to run twice at once."""
    run = TrainingRun.objects.with_related().filter(pk=run_id).first()
    lease = run.borrow() if run is not None else None
    if run is None or lease is None:
        return "nothing to look at"
    try:
        return _look(run, lease, provider_for(run))
    except ProviderAway as away:
        return f"run {run.pk}: {away}"
    except ProviderRefused as refused:
        # The job was made and may have trained, or go on: its cost stays unknown until the provider's bill is in.
        failure = Failure(refused.code, refused.message, refused.mend)
        finish.fail(run, lease, failure, confidence=Confidence.UNKNOWN)
        return f"run {run.pk} failed: {refused.code}"
    finally:
        run.give_back(lease)


def _look(run: TrainingRun, lease: str, provider: FineTuning) -> str:
    job = provider.job(run.provider_job)
    if run.status == RunStatus.CANCELLING and not job.ended:
        job = provider.cancel(run.provider_job)
    kinds = _record_events(run, lease, provider, job)
    if job.ended:
        clean_up(run)
    if job.status == "succeeded":
        _succeed(run, lease, provider, job)
    elif job.status == "failed":
        finish.fail(run, lease, _why(job), provider_status=job.status, training_tokens=_tokens_so_far(run, job))
    elif job.status == "cancelled":
        finish.end_cancelled(run, lease, provider_status=job.status, training_tokens=_tokens_so_far(run, job))
    else:
        live.progressed(run, kinds | {"started"})
    return f"run {run.pk}: {job.status}"


def _record_events(run: TrainingRun, lease: str, provider: FineTuning, job: ProviderJob) -> set[str]:
    """Write what is new since the last look. Gives the kinds that were written."""
    known = set(run.events.filter(data__has_key="event").values_list("data__event", flat=True))
    rows = [row for event in provider.new_events(job.id, known) for row in _rows(run, event)]
    fields: dict[str, Any] = {"provider_status": job.status}
    for row in rows:
        if row.kind == "step":
            fields |= {"step": row.step, "train_loss": row.data["loss"], "total_steps": row.data["total_steps"]}
        elif row.kind == "validation":
            fields["validation_loss"] = row.data["loss"]
    with transaction.atomic():
        if not run.write(lease, **fields):
            raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
        RunEvent.objects.bulk_create(rows)
    run.refresh_from_db(fields=[*fields])
    return {row.kind for row in rows}


def _rows(run: TrainingRun, event: JobEvent) -> list[RunEvent]:
    data = event.metrics
    if data is None or not isinstance(data.get("step"), int | float):
        return [RunEvent(run=run, kind="note", data={"event": event.id, "message": event.message})]
    step, loss = int(data["step"]), data.get("train_loss")
    total = int(data.get("total_steps") or run.total_steps)
    found = [RunEvent(run=run, kind="step", step=step, data={"event": event.id, "loss": loss, "total_steps": total})]
    measured = data.get("full_valid_loss") or data.get("valid_loss")
    if measured is not None:
        found.append(RunEvent(run=run, kind="validation", step=step, data={"event": event.id, "loss": measured}))
    return found


def _succeed(run: TrainingRun, lease: str, provider: FineTuning, job: ProviderJob) -> None:
    if job.result_files:
        table = provider.result_table(job.result_files[0])
        run.file(RESULT_TABLE).write_bytes(table)
        _fill_gaps(run, table)
    if job.fine_tuned_model:
        ask_samples(run, lease, provider, model=job.fine_tuned_model)
    result = run.result | {
        "schema": 1,
        "seed": run.seed,
        "hyperparameters": job.hyperparameters,
        "job": job.id,
        "fine_tuned_model": job.fine_tuned_model,
        "checkpoints": _checkpoints(provider, job),
        "metrics": {"trained_tokens": job.trained_tokens, "steps": run.step},
    }
    spec.write_json(run.file(finish.RESULT_FILE), result)
    finish.succeed(
        run,
        lease,
        result=result,
        result_model=job.fine_tuned_model,
        training_tokens=_tokens_so_far(run, job),
        provider_status=job.status,
    )


def _checkpoints(provider: FineTuning, job: ProviderJob) -> list[dict[str, Any]]:
    """Not every compatible server keeps any, or knows the question."""
    try:
        return [asdict(one) for one in provider.checkpoints(job.id)]
    except (ProviderAway, ProviderRefused):
        return []


def _tokens_so_far(run: TrainingRun, job: ProviderJob) -> int:
    """What an unfinished job has trained on: the provider's word, or the share of its steps that we saw."""
    if job.trained_tokens is not None:
        return job.trained_tokens
    epochs = job.hyperparameters.get("n_epochs")
    if not run.total_steps or not isinstance(epochs, int):
        return 0  # it ended before its first step
    return tokens.count_training_file(run.file(spec.TRAIN_FILE)) * epochs * run.step // run.total_steps


def _fill_gaps(run: TrainingRun, table: bytes) -> None:
    """Steps that no event told (events are sampled, and old ones are dropped) come from the result file."""
    told = set(run.events.filter(kind__in=("step", "validation")).values_list("kind", "step"))
    missing = []
    for point in points(table):
        for kind, loss in (("step", point.train_loss), ("validation", point.validation_loss)):
            if loss is not None and (kind, point.step) not in told:
                missing.append(RunEvent(run=run, kind=kind, step=point.step, data={"loss": loss}))
    RunEvent.objects.bulk_create(missing)


def _why(job: ProviderJob) -> Failure:
    if "policy" in job.error_code or "moderation" in job.error_code:
        mend = (
            "Look for rows that could be read as unkind or unsafe, take them out, and start again with the new version."
        )
    elif "file" in job.error_code or "example" in job.error_code:
        mend = "Open the dataset's quality page, mend the rows that it names, and start again with the new version."
    else:
        mend = "Start the run again with changes; if it fails in the same way, show this page to your instructor."
    return Failure(
        job.error_code or "provider_failed", job.error_message or "The provider's job failed without a reason.", mend
    )


def clean_up(run: TrainingRun) -> bool:
    """Delete the run's rows at the provider, which would keep them for good. True when none are left there."""
    run.refresh_from_db(fields=["provider_files"])
    if not run.provider_files:
        return True
    try:
        provider = provider_for(run)
        for file_id in run.provider_files:
            provider.delete_file(file_id)
    except (ProviderAway, ProviderRefused):
        return False  # the reconciler comes again
    TrainingRun.objects.filter(pk=run.pk).update(provider_files=[])
    RunEvent.objects.create(run=run, kind="note", data={"message": "The uploaded rows were deleted at the provider."})
    live.progressed(run, {"note"})
    return True
