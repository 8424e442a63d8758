"""`/v1/fine_tuning/jobs`: create, list, look at, cancel, pause and resume jobs; their events and checkpoints."""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.scripted_provider import curves, files_api, timeline
from tests.scripted_provider.faults import MODERATION, JobFailure
from tests.scripted_provider.provider import Provider, provider_of
from tests.scripted_provider.replies import ApiError, new_id, page
from tests.scripted_provider.rows import TOO_FEW, TrainingFile, read_training_file
from tests.scripted_provider.store import StoredJob

if TYPE_CHECKING:
    from starlette.requests import Request

Auto = Literal["auto"]
Epochs = Annotated[int, msgspec.Meta(ge=1, le=50)]
BatchSize = Annotated[int, msgspec.Meta(ge=1, le=256)]
Multiplier = Annotated[float, msgspec.Meta(gt=0)]
Beta = Annotated[float, msgspec.Meta(gt=0, le=2)]

AUTO_BETA = 0.1
MAX_METADATA_PAIRS = 16


class WantedHyperparameters(msgspec.Struct, forbid_unknown_fields=True):
    """Hyperparameters as asked for; "auto" lets the provider choose."""

    n_epochs: Epochs | Auto = "auto"
    batch_size: BatchSize | Auto = "auto"
    learning_rate_multiplier: Multiplier | Auto = "auto"
    beta: Beta | Auto = "auto"


class MethodSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What stands under `method.supervised` or `method.dpo`."""

    hyperparameters: WantedHyperparameters = msgspec.field(default_factory=WantedHyperparameters)


class Method(msgspec.Struct, forbid_unknown_fields=True):
    """How to train."""

    type: Literal["supervised", "dpo"]
    supervised: MethodSettings | None = None
    dpo: MethodSettings | None = None


class WantedJob(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a job creation."""

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: WantedHyperparameters | None = None
    method: Method | None = None
    suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2147483647)] | None = None
    metadata: dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]] | None = (
        None
    )
    integrations: list[dict[str, Any]] | None = None


async def create(request: Request) -> JSONResponse:
    """Starts a job. Refusals (403, bad request) come before anything is kept; the create faults after."""
    provider = provider_of(request)
    if provider.faults.now.training_not_available:
        message = "Fine-tuning is not available for this organization: new training jobs are no longer accepted."
        raise ApiError(403, message, code="training_not_available")
    try:
        wanted = msgspec.json.decode(await request.body(), type=WantedJob)
    except msgspec.DecodeError as error:
        raise ApiError(400, f"We could not read the body of your request: {error}") from error
    job = await run_in_threadpool(start, provider, wanted)
    provider.store.count("jobs_created")
    # Before the delay: a fault that is set during it is for later jobs.
    fails = provider.faults.use_up("create_then_500")
    if provider.faults.now.create_delay:
        await asyncio.sleep(provider.faults.now.create_delay)
    if fails:
        raise ApiError(500, "The server had an error while processing your request.", kind="server_error")
    return JSONResponse(provider.describe(job))


def start(provider: Provider, wanted: WantedJob) -> StoredJob:
    """Checks the request, measures the training and keeps the job. Raises ApiError."""
    if wanted.integrations:
        raise ApiError(400, "The scripted provider has no integrations.", param="integrations")
    if len(wanted.metadata or {}) > MAX_METADATA_PAIRS:
        raise ApiError(400, f"'metadata' has more than {MAX_METADATA_PAIRS} pairs.", param="metadata")
    provider.model(wanted.model)
    training = training_content(provider, wanted.training_file, "training_file")
    checks = training_content(provider, wanted.validation_file, "validation_file") if wanted.validation_file else None
    method, asked = resolved_method(wanted)
    failure = failure_of(provider, method, training, checks)
    settings = chosen(asked, len(training.rows))
    spec = described(wanted, method, asked, settings)
    spec["failure"] = msgspec.to_builtins(failure) if failure else None
    curve = curves.Curve([], [])
    if failure is None or failure.share >= timeline.RUNNING_FROM:
        curve = curves.train(training.rows, checks.rows if checks else [], settings)
        spec["trained_tokens"] = curves.trained_tokens(training.rows, settings.n_epochs)
    created, seconds = provider.now(), provider.job_seconds
    job = StoredJob(new_id("ftjob"), created, seconds, spec, curve.as_json(), None, None, 0.0, result_written=False)
    provider.store.add_job(job)
    return job


def described(
    wanted: WantedJob, method: str, asked: WantedHyperparameters, settings: curves.Hyperparameters
) -> dict[str, Any]:
    """What a job keeps of its request. `beta` stays as asked for ("auto" or a number), as OpenAI shows it."""
    shown = {
        "n_epochs": settings.n_epochs,
        "batch_size": settings.batch_size,
        "learning_rate_multiplier": settings.learning_rate_multiplier,
    }
    return {
        "model": wanted.model,
        "training_file": wanted.training_file,
        "validation_file": wanted.validation_file,
        "suffix": wanted.suffix,
        "seed": secrets.randbits(31) if wanted.seed is None else wanted.seed,
        "metadata": wanted.metadata,
        "hyperparameters": shown,
        "method": {
            "type": method,
            method: {"hyperparameters": {**shown, "beta": asked.beta} if method == "dpo" else shown},
        },
        "trained_tokens": 0,
    }


def training_content(provider: Provider, file_id: str, param: str) -> TrainingFile:
    """A file read as training data. Raises ApiError where the file is unknown, expired or not for fine-tuning."""
    file = provider.store.file(file_id)
    data = provider.store.content(file_id)
    if file is None or data is None:
        raise ApiError(400, f"invalid {param}: {file_id}", param=param, code=f"invalid_{param}")
    if files_api.expired(provider, file):
        raise ApiError(400, f"File {file_id} has expired: upload it again.", param=param, code="file_expired")
    if file.purpose != "fine-tune":
        message = f"File {file_id} has purpose '{file.purpose}'; expected 'fine-tune'."
        raise ApiError(400, message, param=param, code=f"invalid_{param}")
    return read_training_file(data)


def resolved_method(wanted: WantedJob) -> tuple[Literal["supervised", "dpo"], WantedHyperparameters]:
    """The method's name and hyperparameters, wherever the request put them. Raises ApiError for `beta` outside DPO."""
    method = wanted.method or Method(type="supervised")
    settings = method.supervised if method.type == "supervised" else method.dpo
    asked = settings.hyperparameters if settings else wanted.hyperparameters or WantedHyperparameters()
    if method.type == "supervised" and asked.beta != "auto":
        raise ApiError(400, "'beta' belongs to the dpo method.", param="method")
    return method.type, asked


def failure_of(
    provider: Provider, method: str, training: TrainingFile, validation: TrainingFile | None
) -> JobFailure | None:
    """How the job will fail: on its files, as a fault says, or not at all."""
    for param, file in (("training_file", training), ("validation_file", validation)):
        if file is None:
            continue
        too_few_is_fine = param == "validation_file" and file.code == TOO_FEW and file.rows
        if file.problems and not too_few_is_fine:
            message = f"The job failed due to an invalid {param.replace('_', ' ')}. {file.message}"
            return JobFailure(file.code, message, param, timeline.QUEUED_FROM)
        if file.kind != method:
            message = f"The job failed due to an invalid {param.replace('_', ' ')}: its rows are for '{file.kind}'."
            return JobFailure("invalid_file_format", message, param, timeline.QUEUED_FROM)
    if provider.faults.now.fail_jobs:
        return provider.faults.now.fail_jobs
    return MODERATION if provider.faults.now.moderation_refusal else None


def chosen(asked: WantedHyperparameters, rows: int) -> curves.Hyperparameters:
    """Hyperparameters with every "auto" decided as OpenAI's cookbook describes it (3 epochs; more for few rows; batch
    0.2 %)."""
    few = max(1, rows)
    auto_epochs = min(25, math.ceil(100 / few)) if few * 3 < 100 else 3
    auto_batch = min(256, max(1, round(0.002 * few)))
    return curves.Hyperparameters(
        n_epochs=asked.n_epochs if isinstance(asked.n_epochs, int) else auto_epochs,
        batch_size=asked.batch_size if isinstance(asked.batch_size, int) else auto_batch,
        learning_rate_multiplier=(
            curves.AUTO_MULTIPLIER
            if isinstance(asked.learning_rate_multiplier, str)
            else float(asked.learning_rate_multiplier)
        ),
        beta=AUTO_BETA if isinstance(asked.beta, str) else float(asked.beta),
    )


async def listing(request: Request) -> JSONResponse:
    """Jobs, newest first, filtered by `metadata[key]=value`; `metadata=null` means jobs without any."""
    provider, query = provider_of(request), request.query_params
    provider.write_results()
    wanted = {key[len("metadata[") : -1]: value for key, value in query.items() if key.startswith("metadata[")}
    shapes = [provider.describe(job) for job in provider.store.jobs()]
    if query.get("metadata") == "null":
        shapes = [shape for shape in shapes if not shape["metadata"]]
    kept = [s for s in shapes if all((s["metadata"] or {}).get(key) == value for key, value in wanted.items())]
    return JSONResponse(page(kept, query, default=20, most=100))


async def one(request: Request) -> JSONResponse:
    """Looks at a job."""
    provider = provider_of(request)
    provider.write_results()
    return JSONResponse(provider.describe(provider.job(request.path_params["job_id"])))


async def change(request: Request) -> JSONResponse:
    """Cancels, pauses or resumes a job. Raises ApiError 400 where its state does not allow it."""
    provider, name = provider_of(request), request.path_params["job_id"]
    action, now = request.url.path.rsplit("/", 1)[1], provider.now()
    status = timeline.at(provider.job(name), now).status
    if status in timeline.ENDED:
        raise ApiError(400, f"Job has already ended with status {status}.", code="invalid_job_state")
    if (action == "resume") != (status == "paused") and action != "cancel":
        raise ApiError(400, f"Cannot {action} a job with status {status}.", code="invalid_job_state")
    moves = {
        "cancel": provider.store.cancel_job,
        "pause": provider.store.pause_job,
        "resume": provider.store.resume_job,
    }
    moves[action](name, now)
    return JSONResponse(provider.describe(provider.job(name)))


async def events(request: Request) -> JSONResponse:
    """A job's events, newest first."""
    provider = provider_of(request)
    told = timeline.events(provider.job(request.path_params["job_id"]), provider.now())
    return JSONResponse(page(told, request.query_params, default=20, most=1000))


async def checkpoints(request: Request) -> JSONResponse:
    """A finished job's checkpoints, newest first."""
    provider = provider_of(request)
    points = timeline.checkpoints(provider.job(request.path_params["job_id"]), provider.now())
    shown = page(points, request.query_params, default=10, most=100)
    ids = [point["id"] for point in shown["data"]] or [None]
    return JSONResponse({**shown, "first_id": ids[0], "last_id": ids[-1]})


JOBS = "/v1/fine_tuning/jobs"
routes = [
    Route(JOBS, create, methods=["POST"]),
    Route(JOBS, listing, methods=["GET"]),
    Route(f"{JOBS}/{{job_id}}", one, methods=["GET"]),
    *(Route(f"{JOBS}/{{job_id}}/{action}", change, methods=["POST"]) for action in ("cancel", "pause", "resume")),
    Route(f"{JOBS}/{{job_id}}/events", events, methods=["GET"]),
    Route(f"{JOBS}/{{job_id}}/checkpoints", checkpoints, methods=["GET"]),
]
