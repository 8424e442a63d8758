"""OpenAI runs: rows go up, one job is made, short looks follow it to its end. No worker waits in between."""

import codecs
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from datasets.models import Shape
from datasets.services import versions
from teams.models import Confidence, Dialect, Hold, HoldState, LedgerEntry
from teams.services import money, outgoing
from training.models import CREATING, ENDED, InvalidTransition, Missing, RunEvent, RunStatus, TrainingRun
from training.providers.dialects import CHECKS_FILES_FIRST, WITH_MARK, WITHOUT_METADATA, beside, shaped
from training.providers.jobs import ProviderJob
from training.providers.openai_api import REFUSED_FOR_NOW, FineTuning, ProviderAway, ProviderRefused
from training.services import cloud_result, estimate, finish, live, queue, spec, tokens
from training.services.charges import run_training_price
from training.services.endpoints import NotReady, provider_address
from training.services.finish import Failure
from training.services.refusals import DPO, SUPERVISED
from training.services.recorder import LeaseLost

KEY_MEND = "Ask whoever set up this provider to enter its key again, on the page “Providers”."
UPLOAD_FIELDS = ("role", "content", "weight")
AWAY = Failure(
    "provider_away",
    "The provider did not answer three times over many minutes, so the run was not started there.",
    "Start it again later. Nothing was charged.",
)

ENDED_THERE = Failure(
    "provider_cancelled",
    "The job was cancelled at the provider, not here.",
    "Ask your instructor who did it. What it had trained on until then is charged. Start the run again if you want it.",
)
PATIENCE = timedelta(hours=6)
NEVER = "provider_rejected"  # a refusal that has nothing to do with key, right or money
LISTS_LAG = timedelta(minutes=10)  # a provider may list a job a little later than it made it
UNSEEN = "unseen"  # in a note's data: whether the job can't be seen from then on
UNREAD = "The job has ended, and what it trained on cannot be read yet. The provider is asked again."

log = logging.getLogger(__name__)


def provider_for(run: TrainingRun) -> FineTuning:
    """The provider that the run's base model is of. Raises ProviderAway, or ProviderRefused where its key cannot be had."""
    try:
        address = provider_address(run.base_model.provider)
    except NotReady as not_ready:
        raise ProviderRefused("provider_key", str(not_ready), KEY_MEND) from not_ready
    web = outgoing.client() if address.guarded else None
    keeps = _dialect(run) not in WITHOUT_METADATA
    return FineTuning(base_url=address.base_url, api_key=address.api_key, http_client=web, keeps_metadata=keeps)


def start(run: TrainingRun, lease: str) -> str:
    """Make the provider's job, once, and let the run wait for it."""
    try:
        provider = provider_for(run)
        job = _find(run, lease, provider) or _create(run, lease, provider)
    except ProviderAway as away:
        finish.requeue_or_fail(run, lease, str(away), last=AWAY)
        return f"run {run.pk}: {away}"
    except ProviderRefused as refused:
        # Refused is not made: nobody needs to look for a job.
        finish.fail(run, lease, Failure(refused.code, refused.message, refused.fix), provider_status="")
        clean_up(run)
        return f"run {run.pk} failed: {refused.code}"
    if job is None:
        finish.end_cancelled(run, lease)
        clean_up(run)
        return f"run {run.pk} cancelled before it was sent"
    if not run.write(lease, provider_job=job.id, provider_status=job.status):
        raise LeaseLost(f"run {run.pk}")
    return _wait(run, lease, job)


def _find(run: TrainingRun, lease: str, provider: FineTuning) -> ProviderJob | None:
    """The job that an earlier attempt made; None where the provider says that there is none."""
    job = provider.find_job(str(run.key), file_id=_training_file(run))
    if job is None and run.provider_status and not run.write(lease, provider_status=""):
        raise LeaseLost(f"run {run.pk}")
    run.provider_status = job.status if job else ""
    return job


def _training_file(run: TrainingRun) -> str:
    """By which a job is known at a service that keeps no metadata: no other job has this file."""
    return str(run.provider_files[0]) if run.provider_files else ""


def _wait(run: TrainingRun, lease: str, job: ProviderJob) -> str:
    try:
        run.move_to(RunStatus.WAITING, fence=lease)
    except InvalidTransition:
        run.release_lease(lease)  # cancelled while the job was made: the next look ends it at the provider
    live.changed(run)
    queue.dispatch_poll(run)
    return f"run {run.pk}: job {job.id}"


def _create(run: TrainingRun, lease: str, provider: FineTuning) -> ProviderJob | None:
    """None when the run was cancelled before anything was made."""
    files = spec.write_rows(run)
    _refuse_dearer(run)
    _may_train(run, lease, provider)
    parts = [("train", files.train_ids)] + ([("validation", files.validation_ids)] if files.validation_ids else [])
    ids: list[str] = []
    for part, row_ids in parts:
        ids.append(provider.upload(_as_provider_takes_it(run, part, row_ids), f"run-{run.key}-{part}.jsonl"))
        if not run.write(lease, provider_files=ids):
            raise LeaseLost(f"run {run.pk}")
    if _dialect(run) in CHECKS_FILES_FIRST:
        for file_id in ids:
            provider.wait_for_file(file_id)
    prompt = spec.commonest_system_prompt(files.train)
    if not run.write(lease, result={"system_prompt": prompt}):
        raise LeaseLost(f"run {run.pk}")
    if TrainingRun.objects.filter(pk=run.pk, status=RunStatus.CANCELLING).exists():
        return None
    if not run.write(lease, provider_status=CREATING):
        raise LeaseLost(f"run {run.pk}")
    run.provider_status = CREATING
    return provider.create_job_once(str(run.key), _body(run, ids))


def _body(run: TrainingRun, file_ids: list[str]) -> dict[str, Any]:
    kind = str(run.settings.get("training", SUPERVISED))
    names = ("n_epochs", "batch_size", "learning_rate_multiplier", *(("beta",) if kind == DPO else ()))
    chosen = {name: run.settings.get(name, "auto") for name in names} | {"n_epochs": estimate.epochs_of(run)}
    body: dict[str, Any] = {
        "model": run.base_model.name,
        "training_file": file_ids[0],
        **shaped(_dialect(run), kind, chosen),
        **beside(_dialect(run), run.base_model.provider.options if run.base_model.provider else {}),
        "seed": run.seed,
        "suffix": str(run.settings.get("suffix") or f"run-{run.number}"),
    }
    return body | ({"validation_file": file_ids[1]} if len(file_ids) > 1 else {})


def _dialect(run: TrainingRun) -> str:
    provider = run.base_model.provider
    return provider.dialect if provider is not None else Dialect.OPENAI


def _refuse_dearer(run: TrainingRun) -> None:
    """Before any row leaves: what is asked for costs no more than what is held. Raises ProviderRefused, PriceUnknown."""
    held = Hold.objects.filter(key=run.hold_key, state=HoldState.OPEN).values_list("amount", flat=True).first() or 0
    read = estimate.tokens_read(run.settings, tokens.count_training_file(run.file(spec.TRAIN_FILE)))
    cost = run_training_price(run)[0].cost(read * estimate.epochs_of(run))
    if cost > held:
        raise ProviderRefused(
            "dearer_than_held",
            f"Training on these rows may cost {money.dollars(cost)} now, more than the {money.dollars(held)} that was held "
            "for it.",
            "Nothing was sent and nothing is charged. Start the run again with changes: it is priced anew.",
        )


def _may_train(run: TrainingRun, lease: str, provider: FineTuning) -> None:
    """Whether the account may train is asked before any row leaves this machine. Raises ProviderAway, ProviderRefused.

    When the model's last day is belongs to it, but not every server has a page for a model: that is a note.
    """
    if _dialect(run) == Dialect.OPENAI:  # others might begin a job on a file that is not there
        provider.refuse_if_closed(run.base_model.name)
    try:
        cloud_result.say_shutdown(run, provider.hurried())
    except (ProviderAway, ProviderRefused) as trouble:
        if isinstance(trouble, ProviderRefused) and trouble.code == "provider_key":
            raise
        if not run.write(lease, missing=[Missing.PAGE]):
            raise LeaseLost(f"run {run.pk}") from trouble
        run.missing = [Missing.PAGE]


def _as_provider_takes_it(run: TrainingRun, part: str, row_ids: list[str]) -> Path:
    """The same rows as the provider wants them: without our ids, pairs of answers for DPO, marked as UTF-8 where it asks."""
    upload = run.file(f"upload-{part}.jsonl")
    if run.settings.get("training") == DPO:
        versions.write_jsonl(run.dataset_version, upload, shape=Shape.PREFERENCE, rows=row_ids)
    else:
        _write_messages(run, part, upload)
    if _dialect(run) in WITH_MARK:
        upload.write_bytes(codecs.BOM_UTF8 + upload.read_bytes())
    return upload


def _write_messages(run: TrainingRun, part: str, upload: Path) -> None:
    with run.file(f"{part}.jsonl").open(encoding="utf-8") as lines, upload.open("w", encoding="utf-8") as out:
        for line in lines:
            messages = [{k: m[k] for k in UPLOAD_FIELDS if k in m} for m in json.loads(line)["messages"]]
            out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def poll(run_id: int) -> str:
    """One short look at the provider's job; harmless to repeat and to run twice at once.

    Of a run that has ended it deletes the rows at the provider and asks for what is missing.
    """
    run = TrainingRun.objects.with_related().filter(pk=run_id).first()
    if run is not None and run.status in ENDED:
        return _after_the_end(run)
    lease = run.lease_for_poll() if run is not None else None
    if run is None or lease is None:
        return "nothing to look at"
    try:
        said = _look(run, lease, provider_for(run))
    except ProviderAway as away:
        return f"run {run.pk}: {away}"
    except ProviderRefused as refused:
        return _unseen(run, lease, refused)
    finally:
        run.release_lease(lease)
    if not run.is_active:
        clean_up(run)
    return said


def _look(run: TrainingRun, lease: str, provider: FineTuning) -> str:
    try:
        job = provider.job(run.provider_job)
    except (ProviderAway, ProviderRefused):
        if not (run.result_model and run.provider_status == "succeeded"):
            raise
        job = cloud_result.remembered(run)  # it is paid for, and only its deployment is waited for
    if _last_unseen(run) is not None:
        said = "The provider shows the job again."
        RunEvent.objects.create(run=run, kind="note", data={"message": said, UNSEEN: False})
    if run.status == RunStatus.CANCELLING and not job.ended:
        job = provider.cancel(run.provider_job)
    if job.status == "succeeded":
        return cloud_result.keep(run, lease, provider, job)
    if job.ended:
        return _end_without_model(run, lease, provider, job)
    try:
        kinds = cloud_result.record_events(run, provider.hurried(), job, lease)
    except (ProviderAway, ProviderRefused) as trouble:
        log.warning("run %s: events not read: %s", run.pk, trouble)
        run.write(lease, provider_status=job.status)
        run.provider_status, kinds = job.status, set()
    live.progressed(run, kinds | {"started"})
    return f"run {run.pk}: {job.status}"


def _end_without_model(run: TrainingRun, lease: str, provider: FineTuning, job: ProviderJob) -> str:
    """A job that failed or was cancelled may be billed all the same: by its tokens, or by the share of its steps we saw."""
    confidence = Confidence.ESTIMATED if job.trained_tokens is None else Confidence.EXACT
    try:
        cloud_result.record_events(run, provider.hurried(), job, lease)
    except (ProviderAway, ProviderRefused) as trouble:
        if job.trained_tokens is None:
            unread = cloud_result.note_once(run, UNREAD)
            if timezone.now() - unread.at < PATIENCE:
                return f"run {run.pk}: {job.status}, {trouble}"
            confidence = Confidence.UNKNOWN
    known = {"provider_status": job.status, "training_tokens": cloud_result.tokens_so_far(run, job)}
    run.refresh_from_db(fields=["status"])
    if job.status == "failed":
        finish.fail(run, lease, _why(job), confidence=confidence, **known)
    elif run.status != RunStatus.CANCELLING:
        finish.fail(run, lease, ENDED_THERE, confidence=confidence, **known)
    else:
        finish.end_cancelled(run, lease, confidence=confidence, **known)
    return f"run {run.pk}: {job.status}"


def _unseen(run: TrainingRun, lease: str, refused: ProviderRefused) -> str:
    """The job was made, and may have been paid for: whoever cannot see it now may see it when the account is set right.

    One that the provider does not know for hours is over. Its cost stays unknown until the provider's bill is in.
    """
    unseen = _last_unseen(run)
    if unseen is None:
        said = f"{refused.message} The job may go on there; it is looked for again."
        unseen = RunEvent.objects.create(run=run, kind="note", data={"message": said, UNSEEN: True})
    if refused.code in REFUSED_FOR_NOW or timezone.now() - unseen.at < PATIENCE:
        return f"run {run.pk} is not seen: {refused.code}"
    failure = Failure(refused.code, refused.message, refused.fix)
    finish.fail(run, lease, failure, confidence=Confidence.UNKNOWN)
    clean_up(run)
    return f"run {run.pk} failed: {refused.code}"


def _last_unseen(run: TrainingRun) -> RunEvent | None:
    """The note that says since when the job is not seen; None while it is."""
    last = run.events.filter(kind="note", data__has_key=UNSEEN).order_by("-id").first()
    return last if last is not None and last.data[UNSEEN] else None


def _after_the_end(run: TrainingRun) -> str:
    clean_up(run)
    if run.job_unknown and run.finished_at is not None and run.finished_at <= timezone.now() - LISTS_LAG:
        return _look_for_orphan(run)
    due = run.missing_next is not None and run.missing_next <= timezone.now()
    if run.status != RunStatus.SUCCEEDED or not run.missing or not due:
        return "nothing to look at"
    try:
        return cloud_result.fill_in(run, provider_for(run))
    except (ProviderAway, ProviderRefused) as trouble:
        return f"run {run.pk}: {trouble}"


def _look_for_orphan(run: TrainingRun) -> str:
    """A run ended while nobody knew whether its job was made: one that was made is cancelled, one that was not costs nothing."""
    try:
        provider = provider_for(run)
        job = provider.find_job(str(run.key), file_id=_training_file(run))
        if job is not None and not job.ended:
            job = provider.cancel(job.id)
    except (ProviderAway, ProviderRefused) as trouble:
        return f"run {run.pk}: {trouble}"
    if job is not None:
        TrainingRun.objects.filter(pk=run.pk).update(provider_job=job.id, provider_status=job.status)
        said = f"The provider had made the job {job.id} after all. It was asked to end it; the bill will show what it cost."
        RunEvent.objects.create(run=run, kind="note", data={"message": said})
        return f"run {run.pk}: found {job.id}, {job.status}"
    with transaction.atomic():
        if not TrainingRun.objects.filter(pk=run.pk, provider_status=CREATING).update(provider_status=""):
            return "nothing to look at"
        entry = LedgerEntry.objects.filter(key=run.hold_key).first()
        if entry is not None and entry.delta:
            money.correct(entry=entry, delta=-entry.delta, why="The provider says that it never made this run's job.")
        said = "The provider says that it never made this run's job. What was charged is given back."
        RunEvent.objects.create(run=run, kind="note", data={"message": said})
    return f"run {run.pk}: no job was made"


def _why(job: ProviderJob) -> Failure:
    if "policy" in job.error_code or "moderation" in job.error_code:
        fix = (
            "Look for rows that could be read as unkind or unsafe, take them out, and start again with the new version."
        )
    elif "file" in job.error_code or "example" in job.error_code:
        fix = "Open the dataset's quality page, fix the rows that it names, and start again with the new version."
    else:
        fix = "Start the run again with changes; if it fails in the same way, show this page to your instructor."
    return Failure(
        job.error_code or "provider_failed", job.error_message or "The provider's job failed without a reason.", fix
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
    except ProviderRefused as refused:
        return refused.code == NEVER and _leave_files(run)
    except ProviderAway:
        return False  # the reconciler comes again
    TrainingRun.objects.filter(pk=run.pk).update(provider_files=[])
    RunEvent.objects.create(run=run, kind="note", data={"message": "The uploaded rows were deleted at the provider."})
    live.progressed(run, {"note"})
    return True


def _leave_files(run: TrainingRun) -> bool:
    """A service that deletes no files: who asks for that wants to know it, and nobody asks there for ever."""
    said = (
        f"The provider does not delete uploaded rows when it is asked to: {', '.join(run.provider_files)} stay there."
    )
    TrainingRun.objects.filter(pk=run.pk).update(provider_files=[])
    RunEvent.objects.create(run=run, kind="note", data={"message": said})
    return True


def answers(run: TrainingRun) -> bool:
    """Whether the provider of the run's job can be asked now."""
    try:
        provider_for(run).hurried().job(run.provider_job)
    except ProviderRefused as refused:
        return refused.code == "not_found"
    except ProviderAway:
        return False
    return True
