"""The merged download of a LoRA run: base and adapter as one model, which needs nothing of this platform.

Somebody asks -> its bytes are reserved, WAITING -> a worker of the training queue makes it in a child process (MAKING) ->
READY for some days, or FAILED with why. The clock sends again for those whose worker died, and deletes what is old.
"""

import shutil
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from teams.models import DiskKind, Team, User
from teams.safe_files import file_in
from teams.services import audit, disk
from teams.services.storage import files
from teams.services.storage.shelves import CannotGive
from training.launcher import SPEC_FILE
from training.models import MERGING, MergedModel, MergeStatus, RunStatus, TrainingRun
from training.services import deleted, queue, run_disk, small_programs
from training.services.base_names import public_name
from training.services.json_files import write_json
from training.services.questions import SAMPLE_QUESTIONS
from training.services.small_programs import MOST_ATTEMPTS, SILENT

ZIP = "merged/model.zip"
OVERHEAD_BYTES = 20 * disk.MB  # tokenizer, card, Modelfile
UNKNOWN_BYTES = 2 * disk.GB
QUESTIONS = 3
BROKE_DOWN = (
    "Making it broke down three times: most likely this machine has too little memory for it."
)


class CannotMerge(Exception):
    """There is no merged model to be had of this run now; the message says why and what to do."""


def ask_for(*, run: TrainingRun, person: User) -> MergedModel:
    """Have it made, unless it is there or on its way. Raises CannotMerge, where the team's disk is full too."""
    if not run.is_adapter or run.status != RunStatus.SUCCEEDED:
        raise CannotMerge("Only a finished LoRA run has a model to download.")
    if not run.base_model.local:
        raise CannotMerge(
            "The base model of this run is on another platform. Make the merged model there."
        )
    with transaction.atomic():
        deleted.hold_still(run)
        there = MergedModel.objects.filter(run=run).first()
        if there is not None and (there.at_work or _is_there(there)):
            return there
        if MergedModel.objects.filter(run__team=run.team, status__in=MERGING).exists():
            raise CannotMerge(
                "Another model of your team is being made. Wait until it is done: runs wait for it too."
            )
        size = _estimate(run)
        try:
            disk.grow(team=run.team, key=run.disk_key, kind=DiskKind.RUN, by=size)
        except disk.DiskFull as full:
            raise CannotMerge(str(full)) from full
        now = timezone.now()
        fresh = {
            "status": MergeStatus.WAITING,
            "size": size,
            "asked_by": person,
            "asked_at": now,
            "alive_at": now,
        }
        again = {"stage": "", "trouble": "", "attempts": 0, "ready_at": None}
        merged, _ = MergedModel.objects.update_or_create(run=run, defaults=fresh | again)
        audit.record(
            course=run.team.course,
            team=run.team,
            person=person,
            action="merged model asked for",
            what=str(run),
        )
        transaction.on_commit(lambda: queue.dispatch_merge(merged))
    return merged


def make(merged_id: int) -> str:
    """The worker's part. Gives a word for RQ's log."""
    claimed = MergedModel.objects.filter(pk=merged_id, status=MergeStatus.WAITING).update(
        status=MergeStatus.MAKING, attempts=F("attempts") + 1, alive_at=timezone.now(), stage=""
    )
    if not claimed:
        return "not needed"
    merged = MergedModel.objects.select_related("run__team__course", "run__base_model").get(
        pk=merged_id
    )
    with tempfile.TemporaryDirectory(prefix="merge-", dir=settings.VAR_DIR) as folder:
        done, trouble = _made_or_why_not(merged, Path(folder))
        ours = MergedModel.objects.filter(
            pk=merged.pk, status=MergeStatus.MAKING, attempts=merged.attempts
        )
        if trouble:
            ours.update(status=MergeStatus.FAILED, trouble=trouble[:500], stage="", size=0)
        elif _kept(merged, Path(folder), ours):
            size = merged.size
            ready = {
                "status": MergeStatus.READY,
                "stage": "",
                "size": size,
                "ready_at": timezone.now(),
            }
            ours.update(same=int(done.get("same", 0)), asked=int(done.get("asked", 0)), **ready)
    _count(merged.run)
    return trouble or "ready"


def sweep() -> int:
    """For the clock: those whose worker died or whose call was lost. How many are on their way."""
    silent = MergedModel.objects.filter(
        status=MergeStatus.MAKING, alive_at__lt=timezone.now() - SILENT
    )
    for merged in silent.filter(attempts__gte=MOST_ATTEMPTS).select_related("run__team__course"):
        given_up = {"status": MergeStatus.FAILED, "trouble": BROKE_DOWN, "stage": "", "size": 0}
        if MergedModel.objects.filter(pk=merged.pk, status=MergeStatus.MAKING).update(
            **given_up
        ):
            _count(merged.run)
    silent.update(status=MergeStatus.WAITING)
    waiting = MergedModel.objects.filter(status=MergeStatus.WAITING)
    for merged in waiting:
        queue.dispatch_merge(merged)
    return len(waiting)


def prune() -> int:
    """For the clock: merged models that were ready so many days ago. They can be made again at any time. How many."""
    before = timezone.now() - timedelta(days=settings.MERGED_KEPT_DAYS)
    gone = 0
    for merged in MergedModel.objects.filter(ready_at__lt=before).select_related(
        "run__team__course"
    ):
        _remove(merged.run)
        merged.delete()
        _count(merged.run)
        gone += 1
    return gone


def _is_there(merged: MergedModel) -> bool:
    return merged.status == MergeStatus.READY and files.has(merged.run.place, ZIP)


def _estimate(run: TrainingRun) -> int:
    """Bytes: as many as the base's own weights, in whose precision it is written, and half as many for the GGUF."""
    folder = Path(run.base_model.weights)
    files = (
        [file.stat().st_size for file in folder.glob("*.safetensors")] if folder.is_dir() else []
    )
    return round(1.55 * sum(files)) + OVERHEAD_BYTES if files else UNKNOWN_BYTES


def _made_or_why_not(merged: MergedModel, folder: Path) -> tuple[dict[str, Any], str]:
    try:
        return _made(merged, folder)
    except CannotGive as trouble:
        return {}, str(trouble)


def _kept(merged: MergedModel, folder: Path, ours: "QuerySet[MergedModel]") -> bool:
    """True once it is stored. Where storage is away the row says so, and a person may ask again."""
    try:
        return _keep(merged, folder)
    except CannotGive as trouble:
        ours.update(status=MergeStatus.FAILED, trouble=str(trouble)[:500], stage="", size=0)
        return False


def _made(merged: MergedModel, folder: Path) -> tuple[dict[str, Any], str]:
    """What the engine said of it, or why there is none."""
    run = merged.run
    files.fetch(run.place, start="adapter/")
    order = {
        "base": run.base_model.weights,
        "base_name": public_name(run.base_model),
        "adapter": str(file_in(run.folder, "adapter").resolve()),
        "name": run.name or f"Run {run.number}",
        "system": run.result.get("system_prompt"),
        "questions": SAMPLE_QUESTIONS[:QUESTIONS],
        "target": "model.zip",
    }
    write_json(folder / SPEC_FILE, order)
    said = small_programs.run("lora.merge", folder, partial(_beat, merged))
    if said.failed:
        return said.done or {}, f"{said.failed.get('message')}. {said.failed.get('fix', '')}"
    if said.done is None:
        return (
            {},
            f"Making it ended with status {said.exit_code}: too little memory, or a full disk. Try again later.",
        )
    return said.done, ""


def _beat(merged: MergedModel, stage: str | None) -> None:
    told = {"alive_at": timezone.now()} | ({} if stage is None else {"stage": stage[:80]})
    MergedModel.objects.filter(
        pk=merged.pk, status=MergeStatus.MAKING, attempts=merged.attempts
    ).update(**told)


def _keep(merged: MergedModel, folder: Path) -> bool:
    """Store the zip, unless the run was deleted meanwhile or another attempt has begun. Raises StorageAway."""
    ours = MergedModel.objects.filter(
        pk=merged.pk, status=MergeStatus.MAKING, attempts=merged.attempts
    )
    made, target = folder / ZIP, file_in(merged.run.folder, ZIP)
    made.parent.mkdir()
    (folder / "model.zip").rename(made)
    merged.size = made.stat().st_size
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"model-{merged.attempts}.part")
    shutil.copyfile(made, part)  # their folders may be on different disks

    def still_ours() -> bool:
        # Nobody deletes the run meanwhile.
        Team.objects.select_for_update(no_key=True).get(pk=merged.run.team_id)
        if ours.exists():
            part.replace(target)
            return True
        return False

    try:
        kept = files.keep_all(merged.run.place, [ZIP], folder=folder, fence=still_ours)
    finally:
        part.unlink(missing_ok=True)
    if not kept and not TrainingRun.objects.filter(pk=merged.run_id).exists():
        files.destroy(merged.run.place)
    return bool(kept)


def _remove(run: TrainingRun) -> None:
    shutil.rmtree(file_in(run.folder, ZIP).parent, ignore_errors=True)
    files.forget_files(run.place, ZIP)


def _count(run: TrainingRun) -> None:
    """What lies there now, in place of what was reserved; nothing for a run that was deleted meanwhile."""
    if TrainingRun.objects.filter(pk=run.pk).exists():
        run_disk.count(run)
