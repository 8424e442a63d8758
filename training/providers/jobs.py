"""A fine-tuning job, its events and its checkpoints as the rest of the platform reads them, out of what a service said."""

from dataclasses import dataclass
from typing import Any

from openai.types.fine_tuning import FineTuningJob
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from training.launcher import storable
from training.providers.values import finite, step_number, text, token_count

ENDED = frozenset({"succeeded", "failed", "cancelled"})
STATUS_LENGTH = 40  # of the column


@dataclass(frozen=True)
class ProviderJob:
    """A fine-tuning job as it stands. Statuses are an open set: one that is not in `ENDED` is still running."""

    id: str
    status: str
    created_at: int
    fine_tuned_model: str
    trained_tokens: int | None
    result_files: tuple[str, ...]
    error_code: str
    error_message: str
    hyperparameters: dict[str, Any]

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class JobEvent:
    id: str
    message: str
    metrics: dict[str, Any] | None


@dataclass(frozen=True)
class Checkpoint:
    """A model that the provider kept on the way. `model` can be asked like a finished one."""

    step: int
    model: str
    train_loss: float | None
    validation_loss: float | None


def checkpoint_of(one: FineTuningJobCheckpoint) -> Checkpoint:
    measured = one.metrics
    loss = (
        measured.full_valid_loss if measured.full_valid_loss is not None else measured.valid_loss
    )
    step = step_number(one.step_number)
    if step is None:
        raise ValueError("a checkpoint without a step")
    model = text(
        one.fine_tuned_model_checkpoint or one.id, 200
    )  # not every service gives a model's name to each
    return Checkpoint(step, model, finite(measured.train_loss), finite(loss))


def job_of(job: FineTuningJob) -> ProviderJob:
    """Raises one of GARBLED for an answer that is no job."""
    chosen = job.hyperparameters.to_dict() if job.hyperparameters else {}
    return ProviderJob(
        id=text(job.id),
        status=text(job.status)[:STATUS_LENGTH],
        created_at=int(job.created_at or 0),
        fine_tuned_model=text(job.fine_tuned_model, 200) if job.fine_tuned_model else "",
        trained_tokens=token_count(job.trained_tokens),
        result_files=tuple(file for file in job.result_files or () if isinstance(file, str)),
        error_code=storable(str(job.error.code or "") if job.error else ""),
        error_message=storable(str(job.error.message or "") if job.error else ""),
        hyperparameters=storable(dict(chosen)),
    )
