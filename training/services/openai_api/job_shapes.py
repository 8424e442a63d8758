"""A job in OpenAI's shapes: itself, its events, its checkpoints, and the list of a team's jobs."""

import uuid
from collections.abc import Mapping

from teams.models import Team
from training.models import FineTuningJob, RunEvent, RunStatus, TrainingRun
from training.services.openai_api import results
from training.services.openai_api.shapes import Shape, page, seconds, with_ends

STATUS = {
    RunStatus.QUEUED: "queued",
    RunStatus.RUNNING: "running",
    RunStatus.WAITING: "running",
    RunStatus.DEPLOYING: "running",
    RunStatus.CANCELLING: "cancelled",
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}


def describe(job: FineTuningJob) -> Shape:
    """A job in OpenAI's shape."""
    run = job.run
    status = STATUS[RunStatus(run.status)]
    done = run.status == RunStatus.SUCCEEDED
    return {
        "object": "fine_tuning.job",
        "id": job.public_id,
        "model": run.base_model.name,
        "created_at": seconds(job.created_at),
        "finished_at": seconds(run.finished_at),
        "fine_tuned_model": job.model if done else None,
        "organization_id": f"org-{run.team.course.pk}",
        "result_files": [results.public_id(job)] if done else [],
        "status": status,
        "validation_file": job.validation_file.public_id if job.validation_file else None,
        "training_file": job.rows_id,
        "hyperparameters": job.hyperparameters,
        "trained_tokens": run.training_tokens if done else None,
        "error": _error(run),
        "user_provided_suffix": run.name or None,
        "seed": run.seed,
        "estimated_finish": None,
        "integrations": [],
        "metadata": job.metadata,
        "method": {"type": job.method, job.method: {"hyperparameters": job.hyperparameters}},
    }


def _error(run: TrainingRun) -> Shape | None:
    if run.status != RunStatus.FAILED:
        return None
    said = f"{run.error_message} {run.error_fix}".strip()
    return {"code": run.error_code or "failed", "message": said, "param": None}


def listing(team: Team, query: Mapping[str, str]) -> Shape:
    """Jobs, newest first, filtered by `metadata[key]=value`; `metadata=null` means jobs without any."""
    start = "metadata["
    wanted = {
        name[len(start) : -1]: value for name, value in query.items() if name.startswith(start)
    }
    shapes = [describe(job) for job in FineTuningJob.objects.for_team(team)]
    if query.get("metadata") == "null":
        shapes = [shape for shape in shapes if not shape["metadata"]]
    for name, value in wanted.items():
        shapes = [shape for shape in shapes if (shape["metadata"] or {}).get(name) == value]
    return page(shapes, query, usual=20, most=100)


def events(job: FineTuningJob, query: Mapping[str, str]) -> Shape:
    """What happened, newest first."""
    told = [_created(job)]
    for event in job.run.events.filter(kind__in=("status", "step", "validation", "note")):
        shape = _event(job, event)
        if shape is not None:
            told.append(shape)
    told.reverse()
    return page(told, query, usual=20, most=1_000)


def _created(job: FineTuningJob) -> Shape:
    said = f"Created fine-tuning job: {job.public_id}"
    return _told(f"ftevent-{job.key.hex}", seconds(job.created_at), said)


def _told(
    name: str, at: int | None, said: str, *, level: str = "info", data: Shape | None = None
) -> Shape:
    kind = "metrics" if data else "message"
    return {
        "object": "fine_tuning.job.event",
        "id": name,
        "created_at": at,
        "level": level,
        "message": said,
        "type": kind,
        "data": data or {},
    }


STATUS_SAID = {
    RunStatus.RUNNING: "Fine-tuning job started",
    RunStatus.QUEUED: "The job waits in the queue again: its worker went away",
    RunStatus.CANCELLING: "The job is being cancelled",
    RunStatus.SUCCEEDED: "The job has successfully completed",
    RunStatus.CANCELLED: "The job was cancelled",
}


def _event(job: FineTuningJob, event: RunEvent) -> Shape | None:
    name = f"ftevent-{uuid.uuid5(job.key, str(event.pk)).hex}"
    at, run = seconds(event.at), job.run
    if event.kind == "status":
        status = event.data.get("status")
        if status == RunStatus.FAILED:
            return _told(name, at, f"{run.error_message} {run.error_fix}".strip(), level="error")
        said = STATUS_SAID.get(RunStatus(status)) if status in RunStatus.values else None
        return _told(name, at, said) if said else None
    if event.kind == "note":
        return _told(name, at, str(event.data.get("message", "")), level="warn")
    loss = event.data.get("loss")
    if not isinstance(loss, int | float):
        return None
    column, word = (
        ("train_loss", "training") if event.kind == "step" else ("valid_loss", "validation")
    )
    total = run.total_steps or event.step
    said = f"Step {event.step}/{total}: {word} loss={loss:.2f}"
    return _told(name, at, said, data={"step": event.step, column: loss, "total_steps": total})


def checkpoints(job: FineTuningJob, query: Mapping[str, str]) -> Shape:
    """The checkpoint that the run kept: the one with the lowest validation loss. Others are not kept, so none is named."""
    run = job.run
    kept = [_checkpoint(job)] if run.status == RunStatus.SUCCEEDED else []
    return with_ends(page(kept, query, usual=10, most=100), empty=None)


def _checkpoint(job: FineTuningJob) -> Shape:
    run = job.run
    metrics = {
        "step": run.step,
        "train_loss": run.train_loss,
        "full_valid_loss": run.validation_loss,
    }
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": f"ftckpt_{job.key.hex}",
        "created_at": seconds(run.finished_at),
        "fine_tuned_model_checkpoint": job.model,
        "fine_tuning_job_id": job.public_id,
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "step_number": run.step,
    }
