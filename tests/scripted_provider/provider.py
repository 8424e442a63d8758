"""The running provider: its store, faults, clock and settings, and what several endpoints ask of them."""

from __future__ import annotations

import base64
import csv
import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tests.scripted_provider import BASE_MODELS, OWNER, timeline
from tests.scripted_provider.replies import ApiError
from tests.scripted_provider.store import StoredFile

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.scripted_provider.faults import FaultBoard
    from tests.scripted_provider.store import Store, StoredJob

BASE_CREATED = 1_764_547_200
"""2025-12-01, the day the base models say they were made."""
RESULT_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that answers. `job`: which made it; None for a base."""

    id: str
    created: int
    job: StoredJob | None = None


class Provider:
    """All state of one server process. `job_seconds`: how long a job takes; `token_delay`: seconds between streamed
    tokens."""

    def __init__(self, store: Store, faults: FaultBoard, *, job_seconds: float, token_delay: float) -> None:
        self.store = store
        self.faults = faults
        self.job_seconds = job_seconds
        self._token_delay = token_delay
        self._finished: dict[str, KnownModel] = {}

    def now(self) -> float:
        """The provider's time in Unix seconds."""
        return time.time() + self.faults.now.clock_ahead

    @property
    def token_delay(self) -> float:
        """Seconds between streamed tokens."""
        wanted = self.faults.now.token_delay_ms
        return self._token_delay if wanted is None else wanted / 1000

    def job(self, job_id: str) -> StoredJob:
        """A job by id. Raises ApiError 404."""
        if found := self.store.job(job_id):
            return found
        message = f"Could not find fine tune: {job_id}"
        raise ApiError(404, message, param="fine_tune_id", code="fine_tune_not_found")

    def describe(self, job: StoredJob) -> dict[str, Any]:
        """A job in OpenAI's shape, with the status fault applied."""
        shape = timeline.describe(job, self.now())
        if self.faults.now.report_status and shape["status"] not in timeline.ENDED:
            shape["status"] = self.faults.now.report_status
        return shape

    def write_results(self) -> None:
        """Leaves the result file of every job that has succeeded and has none yet."""
        for job in self.store.jobs_without_result():
            moment = timeline.at(job, self.now())
            if moment.status != "succeeded" or moment.finished_at is None:
                continue
            content = base64.b64encode(result_table(job))
            name = timeline.result_file_id(job)
            file = StoredFile(
                name, "step_metrics.csv", "fine-tune-results", moment.finished_at, None, len(content), "processed", None
            )
            self.store.write_result(job.id, file, content)

    def models(self) -> list[KnownModel]:
        """Every model that answers: the bases, then what jobs have made, newest first."""
        gone = self.store.deleted_models()
        found = [KnownModel(name, BASE_CREATED) for name in BASE_MODELS]
        for job in self.store.jobs():
            for point in timeline.checkpoints(job, self.now()):
                name = point["fine_tuned_model_checkpoint"]
                if name not in gone:
                    found.append(KnownModel(name, point["created_at"], job))
        return found

    def model(self, name: str) -> KnownModel:
        """A model by name. Raises ApiError 404."""
        if name not in BASE_MODELS and name not in self._finished:
            self._finished = {model.id: model for model in self.models() if model.job}
        found = KnownModel(name, BASE_CREATED) if name in BASE_MODELS else self._finished.get(name)
        if found is None or name in self.store.deleted_models():
            raise ApiError(
                404,
                f"The model `{name}` does not exist or you do not have access to it. This is the scripted provider; "
                f"its base models are {', '.join(BASE_MODELS)}.",
                param="model",
                code="model_not_found",
            )
        return found

    def describe_model(self, model: KnownModel) -> dict[str, Any]:
        """A model in OpenAI's shape."""
        return {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": OWNER if model.job else "scripted",
            "shutdown_date": None if model.job else self.faults.now.shutdown_date,
        }


def provider_of(request: Request) -> Provider:
    """The provider that serves a request."""
    return cast("Provider", request.app.state.provider)


def result_table(job: StoredJob) -> bytes:
    """The CSV of a finished job's steps."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(RESULT_COLUMNS)
    for step in job.curve["steps"]:
        checked = [step["valid_loss"], step["valid_accuracy"]]
        writer.writerow([step["step"], step["train_loss"], step["train_accuracy"], *checked])
    return out.getvalue().encode()
