"""Fine-tuning at OpenAI, at anything that speaks its API, or at our rehearsal of it: the same client, another address.

A job is created exactly once: its metadata carries the run's key, creation is never retried blindly, and before and after
it the provider's own list is asked what is there already.
"""

import base64
import binascii
import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import openai
from openai.types.fine_tuning import FineTuningJob

from training.launcher import storable

METADATA_KEY = "run"
TIMEOUT_SECONDS = 60.0
SAFE_RETRIES = 4  # of calls that may be repeated without harm
LISTED = 100
ASK_SECONDS = 20.0
NO_FILE, CLOSED = "file-none", "training_not_available"
ASK_AGAIN_SECONDS = (0.5, 2.0, 5.0)  # after a creation whose answer was lost
ENDED = frozenset({"succeeded", "failed", "cancelled"})

T = TypeVar("T")


class ProviderAway(Exception):
    """No answer, or "later": nothing is wrong with the run, try again."""


class ProviderRefused(Exception):
    """The provider said no, and will say it again. `mend` says what to do."""

    def __init__(self, code: str, message: str, mend: str) -> None:
        super().__init__(message)
        self.code, self.message, self.mend = code, message, mend


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


@dataclass(frozen=True)
class Reply:
    """An answer and the tokens that the provider counted for it; `input_tokens` with the cached ones."""

    text: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class ResultPoint:
    """One step of the result file."""

    step: int
    train_loss: float | None
    validation_loss: float | None


class FineTuning:
    """The calls that a run needs. All raise ProviderAway or ProviderRefused, never the client's own errors.

    So does making one: without a key nothing can be asked.
    """

    def __init__(self, *, base_url: str, api_key: str, timeout: float = TIMEOUT_SECONDS) -> None:
        if not api_key:
            raise ProviderAway("No key for the provider is set (OPENAI_API_KEY).")
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=SAFE_RETRIES)

    def shutdown_date(self, model: str) -> date | None:
        """When the provider will switch the model off, where it says so. The client's types do not know the field."""
        answer = self._call(lambda: self._client.models.with_raw_response.retrieve(model))
        said = answer.http_response.json().get("shutdown_date")
        return date.fromisoformat(said[:10]) if isinstance(said, str) else None

    def upload(self, path: Path, name: str) -> str:
        """The id of the file; one that an earlier attempt uploaded under this name is used again."""
        for file in self._call(lambda: list(self._client.files.list(purpose="fine-tune", limit=LISTED))):
            if file.filename == name and file.status != "error":
                return file.id
        with path.open("rb") as content:
            uploaded = self._call(lambda: self._client.files.create(file=(name, content), purpose="fine-tune"))
        return uploaded.id

    def delete_file(self, file_id: str) -> None:
        """A file that is gone already counts as deleted."""
        try:
            self._call(lambda: self._client.files.delete(file_id))
        except ProviderRefused as refused:
            if refused.code != "not_found":
                raise

    def find_job(self, run_key: str) -> ProviderJob | None:
        """The job of this run: the oldest that was not cancelled, else the oldest."""
        found = self._jobs(run_key)
        return next((job for job in found if job.status != "cancelled"), found[0] if found else None)

    def create_job_once(self, run_key: str, body: Mapping[str, Any]) -> ProviderJob:
        """The one job of this run, made now unless it is there. `body`: model, files, method, seed, suffix.

        Raises ProviderAway when even the list cannot tell whether a job was made; asking again later is safe.
        """
        if existing := self.find_job(run_key):
            return existing
        once = self._client.with_options(max_retries=0)
        try:
            self._call(lambda: once.fine_tuning.jobs.create(**body, metadata={METADATA_KEY: run_key}))
        except ProviderAway:
            return self._find_after_silence(run_key)
        return self._keep_one(run_key)

    def job(self, job_id: str) -> ProviderJob:
        return _job(self._call(lambda: self._client.fine_tuning.jobs.retrieve(job_id)))

    def cancel(self, job_id: str) -> ProviderJob:
        """Ask the job to stop; one that has ended meanwhile comes back as it is."""
        try:
            return _job(self._call(lambda: self._client.fine_tuning.jobs.cancel(job_id)))
        except ProviderRefused:
            return self.job(job_id)

    def new_events(self, job_id: str, known: set[str]) -> list[JobEvent]:
        """Events that are not `known` yet, oldest first."""
        fresh: list[JobEvent] = []

        def read() -> None:
            fresh.clear()
            for event in self._client.fine_tuning.jobs.list_events(job_id, limit=LISTED):
                if event.id in known:
                    return
                data = storable(event.data) if event.type == "metrics" and isinstance(event.data, dict) else None
                fresh.append(JobEvent(event.id, storable(event.message), data))

        self._call(read)
        return fresh[::-1]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """What the provider kept of the last epochs, by step."""
        listed = self._call(lambda: list(self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=LISTED)))
        found = [
            Checkpoint(
                one.step_number,
                one.fine_tuned_model_checkpoint,
                one.metrics.train_loss,
                one.metrics.full_valid_loss if one.metrics.full_valid_loss is not None else one.metrics.valid_loss,
            )
            for one in listed
        ]
        return sorted(found, key=lambda one: one.step)

    def refuse_if_closed(self, model: str) -> None:
        """Raises ProviderRefused where the account may not train, before any row is sent: a job on a file that is not
        there is refused for the account first, and makes nothing."""
        once = self._client.with_options(max_retries=0)
        try:
            made = self._call(lambda: once.fine_tuning.jobs.create(model=model, training_file=NO_FILE))
        except ProviderRefused as refused:
            if refused.code == CLOSED:
                raise
            return
        self.cancel(made.id)  # a server that looks at the file later: nothing of ours is in it

    def ask(self, *, model: str, system_prompt: str, question: str, max_tokens: int) -> Reply:
        """One answer at temperature 0; asked once, because every answer costs."""
        once = self._client.with_options(max_retries=0, timeout=ASK_SECONDS)
        system: list[Any] = [{"role": "system", "content": system_prompt}] if system_prompt else []
        answer = self._call(
            lambda: once.chat.completions.create(
                model=model,
                messages=[*system, {"role": "user", "content": question}],
                temperature=0,
                max_tokens=max_tokens,
            )
        )
        used, details = answer.usage, answer.usage.prompt_tokens_details if answer.usage else None
        return Reply(
            text=storable(answer.choices[0].message.content or "") if answer.choices else "",
            input_tokens=used.prompt_tokens if used else 0,
            cached_input_tokens=(details.cached_tokens or 0) if details else 0,
            output_tokens=used.completion_tokens if used else 0,
        )

    def result_table(self, file_id: str) -> bytes:
        """The result file as CSV; providers send it plain or as base64."""
        content = self._call(lambda: self._client.files.content(file_id).read())
        if b"step" in content[:200]:
            return content
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error:
            return content

    def _jobs(self, run_key: str) -> list[ProviderJob]:
        wanted = {METADATA_KEY: run_key}
        listed = self._call(lambda: list(self._client.fine_tuning.jobs.list(limit=LISTED, metadata=wanted)))
        # Not every compatible server filters: believe only what the job itself says.
        ours = [_job(job) for job in listed if (job.metadata or {}).get(METADATA_KEY) == run_key]
        return sorted(ours, key=lambda job: (job.created_at, job.id))

    def _find_after_silence(self, run_key: str) -> ProviderJob:
        for seconds in ASK_AGAIN_SECONDS:
            time.sleep(seconds)
            if self._jobs(run_key):
                return self._keep_one(run_key)
        raise ProviderAway(
            "The provider did not say whether it made the job; the run will ask again before it makes one."
        )

    def _keep_one(self, run_key: str) -> ProviderJob:
        """Should there be two after all (another worker, a provider's own retry), the older one stays."""
        kept, *others = [job for job in self._jobs(run_key) if job.status != "cancelled"] or self._jobs(run_key)
        for other in others:
            if not other.ended:
                self.cancel(other.id)
        return kept

    def _call(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except openai.APIConnectionError as error:  # time-outs are among them
            raise ProviderAway(f"The provider cannot be reached ({type(error).__name__}).") from error
        except openai.APIStatusError as error:
            raise _problem(error) from error


def points(table: bytes) -> Iterator[ResultPoint]:
    """The steps of a result file; a row without a step number is left out."""
    for row in csv.DictReader(io.StringIO(table.decode("utf-8", "replace"))):
        step = row.get("step", "")
        if step and step.isdigit():
            yield ResultPoint(int(step), _number(row.get("train_loss")), _number(row.get("valid_loss")))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _job(job: FineTuningJob) -> ProviderJob:
    chosen = job.hyperparameters.to_dict() if job.hyperparameters else {}
    return ProviderJob(
        id=job.id,
        status=str(job.status),
        created_at=job.created_at,
        fine_tuned_model=job.fine_tuned_model or "",
        trained_tokens=job.trained_tokens,
        result_files=tuple(job.result_files or ()),
        error_code=(job.error.code or "") if job.error else "",
        error_message=(job.error.message or "") if job.error else "",
        hyperparameters=dict(chosen),
    )


def _problem(error: openai.APIStatusError) -> ProviderAway | ProviderRefused:
    """What the provider's refusal means for a person."""
    code, status = str(error.code or ""), error.status_code
    if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
        return ProviderAway(f"The provider says: later ({status}).")
    for known, (message, mend) in REFUSALS.items():
        if known in (code, str(status)):
            return ProviderRefused(NAMES.get(known, known), message, mend)
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return ProviderRefused(
        "provider_rejected",
        f"The provider rejected the request: {said or error.message}",
        "Change what it names, then start the run again with changes.",
    )


NAMES = {"401": "provider_key", "403": "provider_forbidden", "404": "not_found"}
REFUSALS = {
    "training_not_available": (
        "The provider no longer takes new fine-tuning jobs for this account (training_not_available).",
        "OpenAI is closing self-serve fine-tuning. Use LoRA or DSPy for this team, or ask your instructor to set another "
        "provider (OPENAI_BASE_URL) or to rehearse. Nothing was charged and the uploaded rows were deleted.",
    ),
    "insufficient_quota": (
        "The provider says that the account has no credit left.",
        "Ask your instructor to top up the provider's account, then start the run again.",
    ),
    "401": ("The provider refused the key.", "Ask your instructor to check OPENAI_API_KEY."),
    "403": (
        "The provider's account may not do this.",
        "Ask your instructor whether the key has the right to fine-tune this model, or choose another model.",
    ),
    "404": (
        "The provider does not know this model, file or job.",
        "Choose another base model: this one may have been switched off.",
    ),
}
