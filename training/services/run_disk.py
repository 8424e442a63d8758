"""What runs keep on this machine: an estimate before, the files' own bytes after, and what is deleted when."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.utils import timezone

from datasets.models import DatasetVersion
from teams.models import DiskKind, DiskUse, StoredFile
from teams.services import disk
from teams.services.storage import files
from training.models import ENDED, BaseModel, TrainingRun
from training.services import lora_memory

LOGS_AND_RESULT = 5 * disk.MB
UNKNOWN_ADAPTER = 200 * disk.MB
BYTES_PER_TOKEN = 6
"""Of the rows as a run's folder holds them, roles and quotes included; prose has about four letters a token."""
CHECKPOINT = "checkpoint"


def without_weights(version: DatasetVersion) -> int:
    """Bytes that a run may come to keep that trains no weights here: its rows, what it wrote of them, its logs."""
    return LOGS_AND_RESULT + 2 * _rows(version)


def of_adapter(version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]) -> int:
    """Bytes that a run may come to keep that trains an adapter here: its rows, its logs, its checkpoint and adapters."""
    room = lora_memory.room()
    mean = version.token_estimate / version.row_count
    needed = lora_memory.need_here(base_model.weights, settings, mean, room) if room else None
    # In memory the adapter lies with its gradients and the optimizer; the checkpoint holds no gradients, the folder the adapter.
    return LOGS_AND_RESULT + _rows(version) + (needed.adapter if needed else UNKNOWN_ADAPTER)


def _rows(version: DatasetVersion) -> int:
    return BYTES_PER_TOKEN * version.token_estimate + 500 * version.row_count


def count(run: TrainingRun) -> None:
    """Count what is kept of the run, in place of the estimate."""
    size = files.size_of(run.place)
    disk.settle(team=run.team, key=run.disk_key, kind=DiskKind.RUN, size=size)


def prune() -> int:
    """For the scheduler: checkpoints of runs that ended long ago, and folders that no run names. How many."""
    _count_uncounted()
    # Earlier versions had a stand-in for OpenAI, which kept the rows of its jobs here.
    shutil.rmtree(Path(django_settings.VAR_DIR) / "rehearsal", ignore_errors=True)
    before = timezone.now() - timedelta(days=django_settings.CHECKPOINT_KEPT_DAYS)
    ended = TrainingRun.objects.filter(status__in=ENDED, finished_at__lt=before).select_related(
        "team__course"
    )
    gone = 0
    for run in ended.iterator(200):
        checkpoint = run.file(CHECKPOINT)
        stored = StoredFile.objects.of(run.place).filter(name__startswith=f"{CHECKPOINT}/")
        if checkpoint.is_dir() or stored.exists():
            shutil.rmtree(checkpoint, ignore_errors=True)
            files.forget_files(run.place, f"{CHECKPOINT}/")
            count(run)
            gone += 1
    return gone + _prune_strays()


def _count_uncounted() -> None:
    """Runs of before there were quotas, or that came with a course's archive."""
    counted = set(DiskUse.objects.filter(kind=DiskKind.RUN).values_list("key", flat=True))
    for run in (
        TrainingRun.objects.filter(status__in=ENDED).select_related("team__course").iterator(200)
    ):
        if run.disk_key not in counted and files.size_of(run.place):
            count(run)


def _prune_strays() -> int:
    """Folders without a row. Young ones may be an import that is being made."""
    known = {str(key) for key in TrainingRun.objects.values_list("key", flat=True)}
    before = timezone.now().timestamp() - 24 * 3600
    folders = [one for one in Path(django_settings.RUNS_ROOT).glob("*") if one.is_dir()]
    strays = [one for one in folders if one.name not in known and one.stat().st_mtime < before]
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
        disk.release(f"run-{folder.name}")
    return len(strays)
