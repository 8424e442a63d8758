"""`/v1/fine_tuning/jobs`: a job is a LoRA run, priced, held, queued, leased and shown like one that a person starts."""

import uuid
from typing import Any

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
from training import methods
from training.models import ApiFile, EndpointKey, FineTuningJob, RunStatus, TrainingRun
from training.services import cancel, deployments
from training.services.endpoint_api import ApiError
from training.services.launch import LaunchRefused, launch
from training.services.openai_api import files, job_settings, models, results
from training.services.openai_api.wanted import MOST_METADATA, WantedJob
from training.services.refusals import DPO, SUPERVISED

MOST_JOINED = 5_000  # rows of both files, which are put together while the program waits
USUAL_SEED = 17


def read(body: bytes) -> WantedJob:
    """Raises ApiError 400 that names the field."""
    try:
        wanted = msgspec.json.decode(body, type=WantedJob)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(400, f"We could not read the body of your request: {error}") from error
    if wanted.integrations:
        raise ApiError(
            400, "This service has no integrations: leave them out.", param="integrations"
        )
    if len(wanted.metadata or {}) > MOST_METADATA:
        raise ApiError(400, f"'metadata' has more than {MOST_METADATA} pairs.", param="metadata")
    return wanted


def start(*, key: EndpointKey, wanted: WantedJob, retry: str = "") -> FineTuningJob:
    """Start a job. `retry`: the client's Idempotency-Key; with the same one, the job that it started the first time.

    Raises ApiError for everything that keeps it from starting; then nothing was held and nothing was kept.
    """
    team, person = key.team, key.created_by
    assert person is not None, "a key whose maker is gone opens nothing"
    plan = job_settings.plan(team, wanted)
    training = _rows(team, wanted.training_file, "training_file")
    checks = (
        _rows(team, wanted.validation_file, "validation_file")
        if wanted.validation_file
        else None
    )
    run_key = _run_key(team, retry)
    if (
        before := FineTuningJob.objects.for_team(team).filter(run__key=run_key).first()
    ) is not None:
        return before
    seed = USUAL_SEED if wanted.seed is None else wanted.seed
    try:
        with transaction.atomic():
            deployments.one_at_a_time(key)
            version, fraction = _version(training, checks, seed, key, plan.method)
            usual = job_settings.usual_for(
                plan, version.row_count - round(version.row_count * fraction)
            )
            chosen = job_settings.chosen(plan, usual)
            run = launch(
                team=team,
                person=person,
                method=Method.LORA,
                base_model=plan.base,
                dataset_version=version,
                settings=job_settings.of_run(plan, usual, chosen, fraction),
                seed=seed,
                name=wanted.suffix or "",
                key=run_key,
                starts_from=plan.starts_from,
            )
            deployments.check_day(key, run.most_cost)
            files_used = {"training_file": training, "validation_file": checks}
            return _keep(
                key, run, wanted, method=plan.method, hyperparameters=chosen, **files_used
            )
    except LaunchRefused as refused:
        raise ApiError(400, str(refused), code="job_refused") from refused
    except DiskFull as full:
        raise files.no_room(full) from full
    except (BudgetRefused, deployments.DayIsSpent) as refused:
        raise ApiError(
            402, str(refused), kind="insufficient_quota", code="insufficient_quota"
        ) from refused


def _run_key(team: Team, retry: str) -> uuid.UUID:
    """Of a client's Idempotency-Key: the same for the same team, and guessed by nobody else."""
    if not retry:
        return uuid.uuid4()
    return uuid.UUID(
        bytes=salted_hmac("fine-tuning job", f"{team.pk}:{retry}").digest()[:16], version=4
    )


def _rows(team: Team, public_id: str, param: str) -> ApiFile:
    """A file that a job can learn from. Raises ApiError 400, which names the file's problem."""
    code = f"invalid_{param}"
    try:
        file = files.find(team, public_id)
    except ApiError as unknown:
        raise ApiError(
            400, f"invalid {param}: {public_id[:80]}", param=param, code=code
        ) from unknown
    if file.upload.is_working:
        said = f"{public_id} is still being read. Wait until its status is processed, then create the job."
        raise ApiError(400, said, param=param, code="file_not_ready")
    if file.upload.version is None:
        raise ApiError(
            400, f"Invalid file format. {files.why_not_processed(file)}", param=param, code=code
        )
    return file


def _version(
    training: ApiFile, checks: ApiFile | None, seed: int, key: EndpointKey, method: str
) -> tuple[DatasetVersion, float]:
    """The rows to learn from, with those to measure with, and the share of the latter."""
    version = training.upload.version
    assert version is not None
    for file, param in ((training, "training_file"), (checks, "validation_file")):
        _refuse_shape(file, method, param)
    fewest = methods.get(Method.OPENAI).rows.least  # as OpenAI wants
    if version.row_count < fewest:
        said = f"Training file has {version.row_count} example(s), but must have at least {fewest} examples"
        raise ApiError(400, said, param="training_file", code="invalid_n_examples")
    if checks is None:
        return version, 0.0
    measured = checks.upload.version
    assert measured is not None
    if measured.row_count > version.row_count:
        said = f"The validation file has more rows ({measured.row_count:,}) than the training file: exchange them."
        raise ApiError(400, said, param="validation_file", code="invalid_validation_file")
    if version.row_count + measured.row_count > MOST_JOINED:
        said = f"With a validation file a job takes at most {MOST_JOINED:,} rows in both. Leave the validation file out."
        raise ApiError(400, said, param="validation_file", code="too_many_rows")
    return _joined(version, measured, seed, key)


def _refuse_shape(file: ApiFile | None, method: str, param: str) -> None:
    version = file.upload.version if file else None
    if version is None or (version.shape == RowShape.PREFERENCE) == (method == DPO):
        return
    said = "Its rows are conversations, and dpo learns from pairs of answers."
    if method == SUPERVISED:
        said = (
            "Its rows are pairs of answers, and supervised training learns from conversations."
        )
    raise ApiError(400, f"Invalid file format. {said}", param=param, code=f"invalid_{param}")


def _joined(
    version: DatasetVersion, measured: DatasetVersion, seed: int, key: EndpointKey
) -> tuple[DatasetVersion, float]:
    """One version of both files, with the split decided as the files say."""
    total = version.row_count + measured.row_count
    fraction = measured.row_count / total
    rows = [plain(row) for one in (version, measured) for row in versions.stored_rows(one)]
    try:
        joined = versions.create_version(
            dataset=version.dataset,
            rows=rows,
            shape="",
            person=key.created_by,
            source_name=version.source_name,
            note=f"With the {measured.row_count:,} rows of {measured} to measure with.",
            parent=version,
        )
    except versions.NothingChanged as same:
        joined = same.version
    ids = [row.id for row in versions.stored_rows(joined)]
    FrozenSplit.objects.get_or_create(
        version=joined,
        fraction=fraction,
        seed=seed,
        defaults={"validation_ids": ids[version.row_count :]},
    )
    return joined, fraction


def _keep(key: EndpointKey, run: TrainingRun, wanted: WantedJob, **more: Any) -> FineTuningJob:
    kept = {
        "api_key": key,
        "metadata": wanted.metadata,
        "model": models.name_for(run, wanted.suffix),
        **more,
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
