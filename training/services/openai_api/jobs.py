"""`/v1/fine_tuning/jobs`: a job is a LoRA run, priced, held, queued, leased and shown like one that a person starts."""

import uuid
from typing import Annotated, Any, Literal

import msgspec
from django.db import transaction
from django.utils.crypto import salted_hmac

from datasets.models import DatasetVersion, FrozenSplit
from datasets.models import Shape as RowShape
from datasets.services import versions
from datasets.services.reading import plain
from teams.models import Method, Team
from teams.services.disk import DiskFull
from teams.services.money import BudgetRefused
from training.models import ApiFile, BaseModel, EndpointKey, FineTuningJob, RunStatus, TrainingRun
from training.services import cancel, deployments, lora_presets
from training.services.endpoint_api import ApiError
from training.services.launch import LaunchRefused, launch
from training.services.openai_api import files, models, results
from training.services.spec import SAVE_EVERY_STEPS

Auto = Literal["auto"]
Epochs = Annotated[int, msgspec.Meta(ge=1, le=50)]
BatchSize = Annotated[int, msgspec.Meta(ge=1, le=256)]
Multiplier = Annotated[float, msgspec.Meta(gt=0)]
Beta = Annotated[float, msgspec.Meta(gt=0, le=2)]
MetadataKey = Annotated[str, msgspec.Meta(max_length=64)]
MetadataValue = Annotated[str, msgspec.Meta(max_length=512)]

FEWEST_EXAMPLES = 10  # OpenAI's own limit
MOST_METADATA = 16
MOST_RATE = 0.1
AUTO_MULTIPLIER = 2.0
"""What "auto" stands for: the recommended learning rate. OpenAI's own "auto" is about as much."""
LONGEST_ROW = 1_024  # tokens
USUAL_SEED = 17
SUPERVISED = "supervised"


class Hyperparameters(msgspec.Struct, forbid_unknown_fields=True):
    """As asked for; "auto" leaves the choice to the platform's recommended settings."""

    n_epochs: Epochs | Auto = "auto"
    batch_size: BatchSize | Auto = "auto"
    learning_rate_multiplier: Multiplier | Auto = "auto"
    beta: Beta | Auto = "auto"


class MethodSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What stands under `method.supervised` or `method.dpo`."""

    hyperparameters: Hyperparameters = msgspec.field(default_factory=Hyperparameters)


class JobMethod(msgspec.Struct, forbid_unknown_fields=True):
    """How to train."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: MethodSettings | None = None
    dpo: MethodSettings | None = None


class WantedJob(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a job's creation."""

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: Hyperparameters | None = None
    method: JobMethod | None = None
    suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = None
    integrations: list[Any] | None = None


def read(body: bytes) -> WantedJob:
    """Raises ApiError 400 that names the field."""
    try:
        wanted = msgspec.json.decode(body, type=WantedJob)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(400, f"We could not read the body of your request: {error}") from error
    if wanted.integrations:
        raise ApiError(400, "This service has no integrations: leave them out.", param="integrations")
    if len(wanted.metadata or {}) > MOST_METADATA:
        raise ApiError(400, f"'metadata' has more than {MOST_METADATA} pairs.", param="metadata")
    return wanted


def create(*, key: EndpointKey, wanted: WantedJob, retry: str = "") -> FineTuningJob:
    """Start a job. `retry`: the client's Idempotency-Key; with the same one, the job that it started the first time.

    Raises ApiError for everything that keeps it from starting; then nothing was held and nothing was kept.
    """
    team, person = key.team, key.created_by
    assert person is not None, "a key whose maker is gone opens nothing"
    asked = _hyperparameters(wanted)
    base = models.base_named(team, wanted.model)
    training = _rows(team, wanted.training_file, "training_file")
    checks = _rows(team, wanted.validation_file, "validation_file") if wanted.validation_file else None
    run_key = _run_key(team, retry)
    if (before := FineTuningJob.objects.for_team(team).filter(run__key=run_key).first()) is not None:
        return before
    seed = USUAL_SEED if wanted.seed is None else wanted.seed
    try:
        with transaction.atomic():
            deployments.one_at_a_time(key)
            version, fraction = _version(training, checks, seed, key)
            chosen = _chosen(base, version, fraction, asked)
            run = launch(
                team=team, person=person, method=Method.LORA, base_model=base, dataset_version=version,
                settings=_settings(chosen, base, version, fraction), seed=seed, name=wanted.suffix or "", key=run_key,
            )  # fmt: skip
            deployments.check_day(key, run.most_cost)
            return _keep(key, run, wanted, chosen, training, checks)
    except LaunchRefused as refused:
        raise ApiError(400, str(refused), code="job_refused") from refused
    except DiskFull as full:
        raise ApiError(413, str(full), code="storage_full") from full
    except (BudgetRefused, deployments.DayIsSpent) as refused:
        raise ApiError(402, str(refused), kind="insufficient_quota", code="insufficient_quota") from refused


def _run_key(team: Team, retry: str) -> uuid.UUID:
    """Of a client's Idempotency-Key: the same for the same team, and guessed by nobody else."""
    if not retry:
        return uuid.uuid4()
    return uuid.UUID(bytes=salted_hmac("fine-tuning job", f"{team.pk}:{retry}").digest()[:16], version=4)


def _hyperparameters(wanted: WantedJob) -> Hyperparameters:
    """Wherever the request put them: OpenAI has an old and a new place."""
    method = wanted.method
    if method is not None and method.type != SUPERVISED:
        said = f"This service trains with the method 'supervised'; '{method.type}' is not one of its methods."
        raise ApiError(400, said, param="method")
    inner = method.supervised.hyperparameters if method and method.supervised else None
    asked = inner or wanted.hyperparameters or Hyperparameters()
    if asked.beta != "auto":
        raise ApiError(400, "'beta' belongs to the dpo method.", param="method")
    return asked


def _rows(team: Team, public_id: str, param: str) -> ApiFile:
    """A file that a job can learn from. Raises ApiError 400, which names the file's problem."""
    code = f"invalid_{param}"
    try:
        file = files.find(team, public_id)
    except ApiError as unknown:
        raise ApiError(400, f"invalid {param}: {public_id[:80]}", param=param, code=code) from unknown
    if file.upload.is_working:
        said = f"{public_id} is still being read. Wait until its status is processed, then create the job."
        raise ApiError(400, said, param=param, code="file_not_ready")
    if file.upload.version is None:
        raise ApiError(400, f"Invalid file format. {files.why_not_processed(file)}", param=param, code=code)
    return file


def _version(training: ApiFile, checks: ApiFile | None, seed: int, key: EndpointKey) -> tuple[DatasetVersion, float]:
    """The rows to learn from, with those to measure with, and the share of the latter."""
    version = training.upload.version
    assert version is not None
    if version.shape == RowShape.PREFERENCE:
        said = "Its rows are pairs of answers, and supervised training learns from conversations."
        raise ApiError(400, f"Invalid file format. {said}", param="training_file", code="invalid_training_file")
    if version.row_count < FEWEST_EXAMPLES:
        said = f"Training file has {version.row_count} example(s), but must have at least {FEWEST_EXAMPLES} examples"
        raise ApiError(400, said, param="training_file", code="invalid_n_examples")
    if checks is None:
        return version, 0.0
    measured = checks.upload.version
    assert measured is not None
    if measured.row_count > version.row_count:
        said = f"The validation file has more rows ({measured.row_count:,}) than the training file: exchange them."
        raise ApiError(400, said, param="validation_file", code="invalid_validation_file")
    return _joined(version, measured, seed, key)


def _joined(
    version: DatasetVersion, measured: DatasetVersion, seed: int, key: EndpointKey
) -> tuple[DatasetVersion, float]:
    """One version of both files, with the split decided as the files say."""
    total = version.row_count + measured.row_count
    fraction = measured.row_count / total
    rows = [plain(row) for one in (version, measured) for row in versions.stored_rows(one)]
    try:
        joined = versions.create_version(
            dataset=version.dataset, rows=rows, shape="", person=key.created_by, source_name=version.source_name,
            note=f"With the {measured.row_count:,} rows of {measured} to measure with.", parent=version,
        )  # fmt: skip
    except versions.NothingChanged as same:
        joined = same.version
    ids = [row.id for row in versions.stored_rows(joined)]
    FrozenSplit.objects.get_or_create(
        version=joined, fraction=fraction, seed=seed, defaults={"validation_ids": ids[version.row_count :]}
    )
    return joined, fraction


def _chosen(base: BaseModel, version: DatasetVersion, fraction: float, asked: Hyperparameters) -> dict[str, Any]:
    """OpenAI's three hyperparameters with every "auto" decided."""
    usual = lora_presets.recommended(base, version.row_count - round(version.row_count * fraction))
    wanted = asked.learning_rate_multiplier
    multiplier = AUTO_MULTIPLIER if isinstance(wanted, str) else float(wanted)
    if _rate(usual, multiplier) > MOST_RATE:
        most = MOST_RATE / _rate(usual, 1)
        said = f"'learning_rate_multiplier' may be at most {most:.0f} for this base: above, nothing is learned."
        raise ApiError(400, said, param="hyperparameters")
    return {
        "n_epochs": usual["epochs"] if isinstance(asked.n_epochs, str) else asked.n_epochs,
        "batch_size": usual["batch_size"] if isinstance(asked.batch_size, str) else asked.batch_size,
        "learning_rate_multiplier": multiplier,
    }


def _rate(usual: dict[str, Any], multiplier: float) -> float:
    return float(usual["learning_rate"]) * multiplier / AUTO_MULTIPLIER


def _settings(chosen: dict[str, Any], base: BaseModel, version: DatasetVersion, fraction: float) -> dict[str, Any]:
    """The run's settings: the recommended ones, with what the program chose."""
    usual = lora_presets.recommended(base, version.row_count - round(version.row_count * fraction))
    return {
        **usual,
        "target_modules": usual["target_modules"].split(","),
        "epochs": chosen["n_epochs"],
        "batch_size": chosen["batch_size"],
        "learning_rate": _rate(usual, chosen["learning_rate_multiplier"]),
        "validation_fraction": fraction,
        "max_length": LONGEST_ROW,
        "sample_every": 0,
        "early_stopping_patience": 0,
        "save_every": SAVE_EVERY_STEPS,
    }


def _keep(
    key: EndpointKey, run: TrainingRun, wanted: WantedJob, chosen: dict[str, Any], training: ApiFile,
    checks: ApiFile | None,
) -> FineTuningJob:  # fmt: skip
    kept = {
        "api_key": key,
        "training_file": training,
        "validation_file": checks,
        "hyperparameters": chosen,
        "metadata": wanted.metadata,
        "model": models.name_for(run, wanted.suffix),
    }
    return FineTuningJob.objects.get_or_create(run=run, defaults=kept)[0]


def find(team: Team, public_id: str) -> FineTuningJob:
    """A job of this team. Raises ApiError 404."""
    key = files.key_in(public_id, "ftjob-")
    found = FineTuningJob.objects.for_team(team).filter(key=key).first() if key else None
    if found is None:
        said = f"Could not find fine tune: {public_id[:80]}"
        raise ApiError(404, said, param="fine_tune_id", code="fine_tune_not_found")
    return found


def find_by_result(team: Team, file_id: str) -> FineTuningJob:
    """The job whose result file this is. Raises ApiError 404."""
    try:
        job = find(team, f"ftjob-{file_id.removeprefix(results.START)}")
    except ApiError as unknown:
        raise ApiError(404, f"No such File object: {file_id[:80]}", param="id") from unknown
    if job.run.status != RunStatus.SUCCEEDED:
        raise ApiError(404, f"No such File object: {file_id[:80]}", param="id")
    return job


def stop(*, key: EndpointKey, job: FineTuningJob) -> None:
    """Cancel. Raises ApiError 400 for a job that has ended."""
    person = key.created_by
    assert person is not None, "a key whose maker is gone opens nothing"
    try:
        cancel.cancel(run=job.run, person=person)
    except cancel.CannotStop as over:
        said = f"Job has already completed: {job.public_id}"
        raise ApiError(400, said, code="invalid_job_state") from over
