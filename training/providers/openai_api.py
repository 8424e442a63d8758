"""Fine-tuning at OpenAI, or at anything that speaks its API: the same client, another address.

A job is created exactly once: its metadata carries the run's key, creation is never retried blindly, and before and after
it the provider's own list is asked what is there already.
"""

import base64
import copy
import logging
import time
from collections.abc import Callable, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai
from openai.types.fine_tuning import FineTuningJob

from training.launcher import storable
from training.providers.jobs import Checkpoint, JobEvent, ProviderJob, checkpoint_of, job_of
from training.providers.values import text
from training.services.calls.outcome import NEVER_REACHED

METADATA_KEY = "run"
TIMEOUT_SECONDS = 60.0
SAFE_RETRIES = 4  # of calls that may be repeated without harm
LISTED = 100
HIDDEN, MOST_REASON = "(the key)", 500
NO_FILE, CLOSED = "file-none", "training_not_available"
ASK_AGAIN_SECONDS = (0.5, 2.0, 5.0)  # after a creation whose answer was lost
FILE_LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds after each look at a file that is not ready
FILE_LATER = frozenset({"uploaded", "pending", "running", "notRunning"})
FILE_BAD = frozenset({"error", "failed"})

MOST_EVENTS, MOST_CHECKPOINTS = 20_000, 1_000  # a list without an end is no reason to read without an end
MOST_TABLE_BYTES = 64 * 2**20
EXTRA_SECONDS, EXTRA_RETRIES = 15.0, 1  # for what a run can do without
REFUSED_FOR_NOW = frozenset({"provider_key", "provider_forbidden", "insufficient_quota"})
"""Codes of refusals that end when somebody sets the account right: nothing is known of the run."""
GARBLED = (openai.APIResponseValidationError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What the client, or our reading of its answer, raises where the answer is no answer: a page of HTML, half a document,
another shape. All that is done inside `_call` is asking and reading, so these mean nothing else there."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class ProviderAway(Exception):
    """No answer, or "later": nothing is wrong with the run, try again.

    `maybe_done`: the request was sent, and may have been carried out and billed.
    """

    def __init__(self, message: str, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class ProviderRefused(Exception):
    """The provider said no, and will say it again. `fix` says what to do."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code, self.message, self.fix = code, message, fix


class FineTuning:
    """The calls that a run needs. All raise ProviderAway or ProviderRefused, never the client's own errors.

    So does making one: without a key nothing can be asked.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout: float = TIMEOUT_SECONDS,
        http_client: httpx.Client | None = None,
        keeps_metadata: bool = True,
    ) -> None:
        """`keeps_metadata`: whether a job may carry the run's key; else it is known by its training file alone."""
        self._keeps_metadata = keeps_metadata
        if not api_key:
            raise ProviderAway("No key for the provider is set.")
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key, timeout=timeout, max_retries=SAFE_RETRIES, http_client=http_client
        )

    def hurried(self, seconds: float = EXTRA_SECONDS) -> "FineTuning":
        """The same provider, asked with less patience: for what a run can do without."""
        other = copy.copy(self)
        other._client = self._client.with_options(timeout=seconds, max_retries=EXTRA_RETRIES)
        return other

    def count_models(self) -> int:
        """How many models it lists, at most LISTED."""
        return self._call(lambda: sum(1 for _ in islice(self._client.models.list(), LISTED)))

    def can_list_jobs(self) -> bool:
        """Whether it knows fine-tuning jobs at all."""
        try:
            self._call(lambda: next(iter(self._client.fine_tuning.jobs.list(limit=1)), None))
        except ProviderRefused as refused:
            if refused.code == "not_found":
                return False
            raise
        return True

    def shutdown_date(self, model: str) -> date | None:
        """When the provider will switch the model off, where it says so. The client's types do not know the field."""

        def read() -> date | None:
            said = self._client.models.with_raw_response.retrieve(model).http_response.json().get("shutdown_date")
            return date.fromisoformat(said[:10]) if isinstance(said, str) else None

        return self._call(read)

    def upload(self, path: Path, name: str) -> str:
        """The id of the file; one that an earlier attempt uploaded under this name is used again."""

        def there() -> str | None:
            listed = islice(self._client.files.list(purpose="fine-tune", limit=LISTED), MOST_EVENTS)
            ours = (file.id for file in listed if file.filename == name and file.status != "error")
            return next(ours, None)

        try:
            found = self._call(there)
        except ProviderRefused as refused:
            if refused.code in REFUSED_FOR_NOW:
                raise
            found = None  # a service without such a list: sent once more, the rows are the same
        if found:
            return found
        with path.open("rb") as content:
            return self._call(lambda: self._client.files.create(file=(name, content), purpose="fine-tune").id)

    def wait_for_file(self, file_id: str) -> None:
        """Until the provider has looked the file through; one that does not say how it stands is taken as it is.

        Raises ProviderAway where that takes longer than FILE_LOOKS, ProviderRefused where the file is no good.
        """
        for seconds in FILE_LOOKS:
            try:
                file = self._call(lambda: self._client.files.retrieve(file_id))
            except ProviderRefused as refused:
                if refused.code in REFUSED_FOR_NOW:
                    raise
                return
            status = str(getattr(file, "status", "") or "")
            if status in FILE_BAD:
                said = str(storable(str(getattr(file, "status_details", "") or "")))[:MOST_REASON]
                raise ProviderRefused(
                    "file_refused",
                    f"The provider could not use the uploaded rows. {said}".strip(),
                    "Nothing was trained and nothing is charged. Look at the rows that it names, then start the run again.",
                )
            if status not in FILE_LATER:
                return
            time.sleep(seconds)
        raise ProviderAway("The provider still looks the uploaded rows through.")

    def delete_file(self, file_id: str) -> None:
        self._delete(lambda: self._client.files.delete(file_id))

    def delete_model(self, model: str) -> None:
        """A fine-tuned model out of the account."""
        self._delete(lambda: self._client.models.delete(model))

    def find_job(self, run_key: str, *, file_id: str = "") -> ProviderJob | None:
        """The job of this run, by its key or by its training file: the oldest that was not cancelled, else the oldest."""
        found = self._jobs(run_key, file_id)
        return next((job for job in found if job.status != "cancelled"), found[0] if found else None)

    def create_job_once(self, run_key: str, body: Mapping[str, Any]) -> ProviderJob:
        """The one job of this run, made now unless it is there. `body`: model, files, method, seed, suffix.

        Raises ProviderAway when even the list cannot tell whether a job was made; asking again later is safe.
        """
        file_id = str(body.get("training_file", ""))
        if existing := self.find_job(run_key, file_id=file_id):
            return existing
        once = self._client.with_options(max_retries=0)
        named: dict[str, Any] = {"metadata": {METADATA_KEY: run_key}} if self._keeps_metadata else {}
        try:
            made = self._call(lambda: job_of(once.fine_tuning.jobs.create(**body, **named)))
        except ProviderAway:
            return self._find_after_silence(run_key, file_id)
        try:
            return self._keep_one(run_key, file_id) or made
        except ProviderAway:
            return made  # it is there and known: a list that cannot be read now takes nothing from that

    def job(self, job_id: str) -> ProviderJob:
        return self._call(lambda: job_of(self._client.fine_tuning.jobs.retrieve(job_id)))

    def cancel(self, job_id: str) -> ProviderJob:
        """Ask the job to stop; one that has ended meanwhile comes back as it is."""
        try:
            return self._call(lambda: job_of(self._client.fine_tuning.jobs.cancel(job_id)))
        except ProviderRefused:
            return self.job(job_id)

    def new_events(self, job_id: str, known: set[str]) -> list[JobEvent]:
        """Events that are not `known` yet, oldest first."""
        fresh: list[JobEvent] = []

        def read() -> None:
            fresh.clear()
            for event in islice(self._client.fine_tuning.jobs.list_events(job_id, limit=LISTED), MOST_EVENTS):
                if event.id in known:
                    return
                data = storable(event.data) if event.type == "metrics" and isinstance(event.data, dict) else None
                fresh.append(JobEvent(text(event.id), storable(str(event.message or "")), data))

        self._call(read)
        return fresh[::-1]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """What the provider kept of the last epochs, by step."""

        def read() -> list[Checkpoint]:
            listed = self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=LISTED)
            return [checkpoint_of(one) for one in islice(listed, MOST_CHECKPOINTS)]

        return sorted(self._call(read), key=lambda one: one.step)

    def refuse_if_closed(self, model: str) -> None:
        """Raises ProviderRefused where the account may not train, before any row is sent: a job on a file that is not
        there is refused for the account first, and makes nothing."""
        once = self._client.with_options(max_retries=0)
        try:
            made = self._call(lambda: job_of(once.fine_tuning.jobs.create(model=model, training_file=NO_FILE)))
        except ProviderRefused as refused:
            if refused.code == CLOSED:
                raise
            return
        self.cancel(made.id)  # a server that looks at the file later: nothing of ours is in it

    def result_table(self, file_id: str) -> bytes:
        """The result file as CSV; providers send it plain or as base64. What is neither counts as not answered."""

        def read() -> bytes:
            with self._client.files.with_streaming_response.content(file_id) as answer:
                content, until = b"", time.monotonic() + TIMEOUT_SECONDS
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > MOST_TABLE_BYTES or time.monotonic() > until:
                        raise ValueError("a result file of more than 64 MiB, or a minute")
            if b"step" not in content[:200]:
                content = base64.b64decode(content, validate=True)
            if b"step" not in content[:200]:
                raise ValueError("no result file: it has no column named step")
            return content

        return self._call(read)

    def _jobs(self, run_key: str, file_id: str = "") -> list[ProviderJob]:
        """`file_id`: of the training file, by which a job is known where metadata is not kept."""

        def is_ours(job: FineTuningJob) -> bool:
            by_key = (job.metadata or {}).get(METADATA_KEY) == run_key
            return by_key or bool(file_id and job.training_file == file_id)

        def read() -> list[ProviderJob]:
            asked: dict[str, Any] = {"metadata": {METADATA_KEY: run_key}} if self._keeps_metadata else {}
            listed = self._client.fine_tuning.jobs.list(limit=LISTED, **asked)
            # Not every compatible server filters: believe only what the job itself says.
            ours = [job_of(job) for job in islice(listed, MOST_EVENTS) if is_ours(job)]
            return sorted(ours, key=lambda job: (job.created_at, job.id))

        try:
            return self._call(read)
        except ProviderRefused as refused:
            if refused.code == "not_found":
                return []  # a service that lists no jobs: what it answers to a creation has to do
            raise

    def _find_after_silence(self, run_key: str, file_id: str) -> ProviderJob:
        for seconds in ASK_AGAIN_SECONDS:
            time.sleep(seconds)
            if found := self._keep_one(run_key, file_id):
                return found
        raise ProviderAway(
            "The provider did not say whether it made the job; the run will ask again before it makes one."
        )

    def _keep_one(self, run_key: str, file_id: str) -> ProviderJob | None:
        """Should there be two after all (another worker, a provider's own retry), the older one stays. None: none is listed."""
        listed = self._jobs(run_key, file_id)
        if not listed:
            return None
        kept, *others = [job for job in listed if job.status != "cancelled"] or listed
        for other in others:
            if not other.ended:
                self.cancel(other.id)
        return kept

    def _delete(self, what: Callable[[], object]) -> None:
        """What is gone already counts as deleted."""
        try:
            self._call(what)
        except ProviderRefused as refused:
            if refused.code != "not_found":
                raise

    def _call(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except openai.APIConnectionError as error:  # time-outs are among them
            said = f"The provider cannot be reached ({type(error).__name__})."
            raise ProviderAway(said, maybe_done=not isinstance(error.__cause__, NEVER_REACHED)) from error
        except openai.APIStatusError as error:
            raise _problem(error, self._client.api_key) from None  # its text may quote the key
        except httpx.HTTPError as error:  # the client hands through what happens while a body comes
            raise ProviderAway(f"The provider's answer broke off ({type(error).__name__}).", maybe_done=True) from error
        except GARBLED as error:
            log.warning("an answer of the provider cannot be read", exc_info=True)
            said = f"The provider's answer cannot be read ({type(error).__name__})."
            raise ProviderAway(said, maybe_done=True) from error


def _problem(error: openai.APIStatusError, key: str) -> ProviderAway | ProviderRefused:
    """What the provider's refusal means for a person."""
    code, status = str(error.code or ""), error.status_code
    if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
        return ProviderAway(f"The provider says: later ({status}).")
    for known, (message, fix) in REFUSALS.items():
        if known in (code, str(status)):
            return ProviderRefused(NAMES.get(known, known), message, fix)
    said = error.body.get("message") if isinstance(error.body, dict) else None
    reason = str(storable(str(said or error.message))).replace(key, HIDDEN)[:MOST_REASON]
    return ProviderRefused(
        "provider_rejected",
        f"The provider rejected the request: {reason}",
        "Change what it names, then start the run again with changes.",
    )


NAMES = {"401": "provider_key", "403": "provider_forbidden", "404": "not_found"}
REFUSALS = {
    "training_not_available": (
        "The provider no longer takes new fine-tuning jobs for this account (training_not_available).",
        "OpenAI is closing self-serve fine-tuning. Run this on another provider, or on this platform: both are in the list of base "
        "models. Nothing was charged and the uploaded rows were deleted.",
    ),
    "insufficient_quota": (
        "The provider says that the account has no credit left.",
        "Ask your instructor to top up the provider's account, then start the run again.",
    ),
    "401": ("The provider refused the key.", "Ask whoever set up the provider to enter its key again."),
    "403": (
        "The provider's account may not do this.",
        "Ask your instructor whether the key has the right to fine-tune this model, or choose another model.",
    ),
    "404": (
        "The provider does not know this model, file or job.",
        "Choose another base model: this one may have been switched off.",
    ),
}
