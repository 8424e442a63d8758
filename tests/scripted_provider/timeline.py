"""A job's life as a pure function of what is stored and of the time: a restart, or a clock that jumps, changes nothing
else.

Share of the job's seconds: 0-0.1 validating_files, 0.1-0.2 queued, 0.2-0.9 running (steps evenly spread), 0.9-1 the
provider's checks of the finished model (still running), then succeeded. A failing job fails where OpenAI's would: a bad
file after validation, a moderation refusal after the checks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.scripted_provider import OWNER

if TYPE_CHECKING:
    from tests.scripted_provider.store import StoredJob

QUEUED_FROM, RUNNING_FROM, STEPS_UNTIL, DONE_AT = 0.1, 0.2, 0.9, 1.0
ENDED = frozenset({"succeeded", "failed", "cancelled"})
KEPT_CHECKPOINTS = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A job at one time. `share` of its seconds has passed; `steps` are done; ends are Unix seconds."""

    status: str
    share: float
    steps: int
    finished_at: int | None
    estimated_finish: int | None


def digest(*parts: object) -> str:
    """A short id that is the same for the same parts."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def at(job: StoredJob, now: float) -> Moment:
    """Where the job stands at a time."""
    clock = min(t for t in (job.cancelled_at, job.paused_at, now) if t is not None)
    age = max(0.0, clock - job.created_at - job.paused_seconds)
    share = min(DONE_AT, age / job.seconds) if job.seconds > 0 else DONE_AT
    total = len(job.curve["steps"])
    steps = int(total * max(0.0, min(1.0, (share - RUNNING_FROM) / (STEPS_UNTIL - RUNNING_FROM))) + 1e-9)
    failing = failing_share(job)
    if job.cancelled_at is not None:
        return Moment("cancelled", share, steps, int(job.cancelled_at), None)
    if share >= failing:
        return Moment("failed", failing, steps if failing >= RUNNING_FROM else 0, int(moment_of(job, failing)), None)
    if share >= DONE_AT:
        return Moment("succeeded", share, total, int(moment_of(job, DONE_AT)), None)
    if job.paused_at is not None:
        return Moment("paused", share, steps, None, None)
    status = "validating_files" if share < QUEUED_FROM else "queued" if share < RUNNING_FROM else "running"
    return Moment(status, share, steps, None, int(moment_of(job, DONE_AT)) if status == "running" else None)


def failing_share(job: StoredJob) -> float:
    """The share of its life at which the job fails; infinite for one that does not."""
    failure = job.spec.get("failure")
    return float(failure["share"]) if failure else float("inf")


def moment_of(job: StoredJob, share: float) -> float:
    """When a share of the job's life was, or will be, reached."""
    return job.created_at + job.paused_seconds + share * job.seconds


def model_name(job: StoredJob) -> str:
    """The name of the model a job makes."""
    base = str(job.spec["model"]).split(":")[1] if str(job.spec["model"]).startswith("ft:") else job.spec["model"]
    return f"ft:{base}:{OWNER}:{job.spec['suffix'] or ''}:{digest(job.id)[:8]}"


def result_file_id(job: StoredJob) -> str:
    """The id of the result file a job leaves."""
    return f"file-{digest(job.id, 'result')[:22]}"


def describe(job: StoredJob, now: float) -> dict[str, Any]:
    """The job in OpenAI's shape."""
    moment, spec = at(job, now), job.spec
    done, failed = moment.status == "succeeded", moment.status == "failed"
    failure = spec.get("failure") or {}
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": spec["model"],
        "created_at": int(job.created_at),
        "finished_at": moment.finished_at,
        "estimated_finish": moment.estimated_finish,
        "fine_tuned_model": model_name(job) if done else None,
        "organization_id": "org-scripted",
        "result_files": [result_file_id(job)] if done else [],
        "status": moment.status,
        "training_file": spec["training_file"],
        "validation_file": spec["validation_file"],
        "hyperparameters": spec["hyperparameters"],
        "method": spec["method"],
        "trained_tokens": spec["trained_tokens"] if done else None,
        "error": {key: failure[key] for key in ("code", "message", "param")} if failed else None,
        "seed": spec["seed"],
        "integrations": [],
        "metadata": spec["metadata"],
    }


def events(job: StoredJob, now: float) -> list[dict[str, Any]]:
    """All that has happened so far, newest first."""
    moment = at(job, now)
    told = [told_event(job, 0.0, f"Created fine-tuning job: {job.id}")]
    told.append(told_event(job, 0.0, f"Validating training file: {job.spec['training_file']}"))
    if job.spec["validation_file"]:
        told.append(told_event(job, 0.0, f"Validating validation file: {job.spec['validation_file']}"))
    if moment.share >= QUEUED_FROM and failing_share(job) > QUEUED_FROM:
        told.append(told_event(job, QUEUED_FROM, "Files validated, moving job to queued state"))
    if moment.share >= RUNNING_FROM:
        told.append(told_event(job, RUNNING_FROM, "Fine-tuning job started"))
        told += step_events(job, moment.steps)
    told += last_events(job, moment)
    shaped = [{**event, "id": f"ftevent-{digest(job.id, number)[:24]}"} for number, event in enumerate(told)]
    return shaped[::-1]


def told_event(job: StoredJob, share: float, message: str, level: str = "info") -> dict[str, Any]:
    """A plain message, without its id."""
    return {
        "object": "fine_tuning.job.event",
        "created_at": int(moment_of(job, share)),
        "level": level,
        "message": message,
        "type": "message",
        "data": {},
    }


def step_events(job: StoredJob, done: int) -> list[dict[str, Any]]:
    """One metrics event for each step that is done."""
    total = len(job.curve["steps"])
    found = []
    for step in job.curve["steps"][:done]:
        share = RUNNING_FROM + (STEPS_UNTIL - RUNNING_FROM) * step["step"] / total
        message = f"Step {step['step']}/{total}: training loss={step['train_loss']:.2f}"
        if step["valid_loss"] is not None:
            message += f", validation loss={step['valid_loss']:.2f}"
        data = {"total_steps": total, **metrics(step, full=step["step"] in job.curve["epoch_ends"])}
        found.append({**told_event(job, share, message), "type": "metrics", "data": data})
    return found


def metrics(step: dict[str, Any], *, full: bool) -> dict[str, Any]:
    """A step's figures under OpenAI's names; `full` marks an epoch's end."""
    named = {
        "step": step["step"],
        "train_loss": step["train_loss"],
        "train_mean_token_accuracy": step["train_accuracy"],
    }
    if step["valid_loss"] is not None:
        prefixes = ("valid", "full_valid") if full else ("valid",)
        for prefix in prefixes:
            named[f"{prefix}_loss"] = step["valid_loss"]
            named[f"{prefix}_mean_token_accuracy"] = step["valid_accuracy"]
    return named


def last_events(job: StoredJob, moment: Moment) -> list[dict[str, Any]]:
    """How the job ended, where it has."""
    if moment.status == "failed":
        failure = job.spec["failure"]
        return [told_event(job, failure["share"], f"The job failed: {failure['message']}", level="error")]
    if moment.status == "cancelled":
        return [{**told_event(job, moment.share, "Fine-tuning job cancelled"), "created_at": moment.finished_at}]
    if moment.status != "succeeded":
        return []
    made = [f"Checkpoint created at step {point['step_number']}" for point in checkpoints(job, float("inf"))[::-1][:-1]]
    made += [
        f"New fine-tuned model created: {model_name(job)}",
        "Evaluating model against our usage policies before enabling",
        "The job has successfully completed",
    ]
    return [told_event(job, DONE_AT, message) for message in made]


def checkpoints(job: StoredJob, now: float) -> list[dict[str, Any]]:
    """The models after the last epochs, newest first; the last one is the fine-tuned model itself. Empty until the job
    has succeeded."""
    if at(job, now).status != "succeeded":
        return []
    ends = job.curve["epoch_ends"][-KEPT_CHECKPOINTS:]
    found = []
    for end in ends[::-1]:
        name = model_name(job) if end == ends[-1] else f"{model_name(job)}:ckpt-step-{end}"
        found.append(
            {
                "object": "fine_tuning.job.checkpoint",
                "id": f"ftckpt_{digest(job.id, end)[:24]}",
                "created_at": int(moment_of(job, DONE_AT)),
                "fine_tuned_model_checkpoint": name,
                "fine_tuning_job_id": job.id,
                "metrics": metrics(job.curve["steps"][end - 1], full=True),
                "step_number": end,
            }
        )
    return found
