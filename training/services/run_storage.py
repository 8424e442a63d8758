"""What of a run is stored when, so that it can be had from every host: artefacts at its end, its checkpoint on the way.

Where files stay in VAR_DIR the checkpoint lies there already, and only the artefacts get their rows.
"""

import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from teams import places
from teams.models import StoredFile
from teams.safe_files import files_in
from teams.services.archive_exports import ExportRefused
from teams.services.storage import files, shelves
from teams.services.storage.shelves import CannotGive, StorageAway
from training import methods
from training.models import Artifact, TrainingRun
from training.models.lease import host_name
from training.models.run import HELD
from training.services.json_files import write_json

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"
JOURNAL = "usage.jsonl"
ON_THE_WAY = (CHECKPOINT, "cache", JOURNAL)
"""What another host needs to go on: LoRA's checkpoint; DSPy's paid answers and then its journal, which must not lack one."""
BESIDE_A_DATABASE = ("-wal", "-shm", "-journal", ".tmp")
SCRATCH = "attempt.json"
SENDING = "sending"
PAUSE_AFTER_TROUBLE = 60.0
YOUNG_SECONDS = 600.0
SERVED_SECONDS = 3 * 24 * 3600.0
BASE_FILE = "base.json"  # beside an adapter, written anew wherever it is brought


def keep_artifacts(run: TrainingRun, lease: str | None = None) -> list[Artifact]:
    """Store what the run left in its folder; rows of the run are the caller's. Under `lease`: empty where it is lost.

    Raises StorageAway, and then nothing of the run has changed.
    """
    # An own job of the OpenAI method leaves what the method leaves whose base it started from.
    method = methods.get(run.base_model.method) if run.is_own_job else run.trained_with
    names = [inside for name in method.artifacts for inside in files_in(run.folder, name)]
    kept = files.keep_all(run.place, names, fence=_fence(run, lease))
    return [Artifact(run=run, path=one.name, sha256=one.sha256, size=one.size) for one in kept]


def _fence(run: TrainingRun, lease: str | None) -> Callable[[], bool] | None:
    if lease is None:
        return None
    mine = TrainingRun.objects.filter(pk=run.pk, lease=lease, status__in=HELD)
    return lambda: bool(mine.select_for_update().values_list("pk"))


def forget_checkpoint(run: TrainingRun) -> None:
    """The run has succeeded: nobody goes on from there."""
    if shelves.current() is not None:
        for name in ON_THE_WAY:
            files.forget_files(run.place, name if name == JOURNAL else f"{name}/")


def fetch_checkpoint(run: TrainingRun) -> None:
    """Before an attempt: what is stored, unless this host made the attempt before and has what is newer.

    Raises StorageAway. A checkpoint that is lost is told to the operator, and the run begins anew: nobody pays twice for it.
    """
    here = run.file(SCRATCH)
    newest_is_here = _attempt_here(here) == run.attempt - 1
    run.folder.mkdir(parents=True, exist_ok=True)
    write_json(here, {"attempt": run.attempt})
    if newest_is_here or shelves.current() is None:
        return
    for name in ON_THE_WAY:
        _remove(run.file(name))
    try:
        for name in ON_THE_WAY:
            files.fetch(run.place, start=name)
    except StorageAway:
        raise
    except CannotGive:
        log.exception("run %s begins anew: its checkpoint is lost", run.pk)
        _remove(run.file(CHECKPOINT))


def _attempt_here(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class CheckpointKeeper:
    """Stores what another host would need, while an engine works: now and then, and when its worker has to leave."""

    def __init__(self, run: TrainingRun, lease: str) -> None:
        self.run, self.lease = run, lease
        self.works = shelves.current() is not None
        self.next = time.monotonic() + settings.STORAGE_CHECKPOINT_SECONDS
        self.stored: dict[str, tuple[int, int]] = {}

    def look(self, *, now: bool = False) -> None:
        """Store what is new, if it is time. A storage that is away is told in the log and asked again later."""
        if not self.works or not (now or time.monotonic() >= self.next):
            return
        self.next = time.monotonic() + settings.STORAGE_CHECKPOINT_SECONDS
        try:
            self._store()
        except StorageAway:
            log.warning("run %s: its checkpoint is not stored yet", self.run.pk)
            self.next = time.monotonic() + PAUSE_AFTER_TROUBLE
        except FileNotFoundError:
            log.info("run %s: a file of its checkpoint went while it was stored", self.run.pk)

    def _store(self) -> None:
        """Of one moment: the engine exchanges its files by renaming, so that a link keeps the one that was there."""
        folder = self.run.folder
        found = [name for start in ON_THE_WAY for name in files_in(folder, start)]
        states = {name: _state(folder / name) for name in found}
        names = [name for name in found if not name.endswith(BESIDE_A_DATABASE)]
        if not names or states == self.stored:
            return
        sending = folder / SENDING
        shutil.rmtree(sending, ignore_errors=True)
        try:
            for name in names:
                _take(folder / name, sending / name)
            kept = files.keep_all(
                self.run.place, names, folder=sending, fence=_fence(self.run, self.lease)
            )
            self._forget_others(names, bool(kept))
        finally:
            shutil.rmtree(sending, ignore_errors=True)
        self.stored = states

    def _forget_others(self, names: list[str], kept: bool) -> None:
        if not kept:
            return
        rows = StoredFile.objects.of(self.run.place).exclude(name__in=names)
        for one in rows.filter(name__startswith="cache/"):
            files.forget_files(self.run.place, one.name)


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _take(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
    elif path.suffix == ".pt":
        os.link(path, to)
    else:  # written on, not exchanged
        shutil.copyfile(path, to)


def journal(run: TrainingRun) -> Path:
    """DSPy's journal of paid calls, from the host that works on the run; it need not exist."""
    if shelves.current() is not None and _attempt_here(run.file(SCRATCH)) != run.attempt:
        try:
            files.fetch(run.place, [JOURNAL])
        except CannotGive:
            log.warning("run %s: its journal of calls cannot be read now", run.pk)
    return run.file(JOURNAL)


def say_who(run: TrainingRun, lease: str) -> None:
    """Which host works on it now."""
    run.host = host_name()
    run.write(lease, host=run.host)


def clear_scratch() -> int:
    """On each host, now and then: what runs need here no more. How many folders went.

    Of a deleted run everything; of an ended one what is stored nowhere (its rows above all), and its whole folder after some
    days. Where files stay in VAR_DIR nothing is scratch.
    """
    if shelves.current() is None:
        return 0
    root, gone = Path(settings.RUNS_ROOT), 0
    active = {str(key) for key in TrainingRun.objects.active().values_list("key", flat=True)}
    for folder in [one for one in root.glob("*") if one.name not in active]:
        place = places.of_run(folder.name)
        if places.SHAPE.fullmatch(place):
            gone += _clear(place, folder)
    return gone


def _clear(place: str, folder: Path) -> bool:
    if _is_young(folder, YOUNG_SECONDS):
        return False  # an import that has no row yet, or a server that was brought it just now
    rows = StoredFile.objects.of(place)
    if rows.filter(shelf="").exists():
        return False  # stored nowhere else: `manage.py storage move` has yet to come
    stored = set(rows.values_list("name", flat=True))
    exists = TrainingRun.objects.filter(key=folder.name).exists()
    if not exists or not stored or not _is_young(folder, SERVED_SECONDS):
        shutil.rmtree(folder, ignore_errors=True)
        return True
    for path in [one for one in folder.rglob("*") if one.is_file()]:
        if path.relative_to(folder).as_posix() not in stored and path.name != BASE_FILE:
            path.unlink(missing_ok=True)
    return False


def _is_young(folder: Path, seconds: float) -> bool:
    since = time.time() - seconds
    return any(path.stat().st_mtime > since for path in folder.rglob("*") if path.is_file())


def mark_finished(run: TrainingRun) -> None:
    """Its engine is done, all in this folder: should it not be stored now, no host has to train it again while this one can."""
    write_json(run.file(SCRATCH), {"attempt": run.attempt, "finished": True})


def is_finished_here(run: TrainingRun) -> bool:
    try:
        said = json.loads((run.file(SCRATCH)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        isinstance(said, dict)
        and said.get("finished") is True
        and said.get("attempt") == run.attempt
    )


# --- Archives to take along --------------------------------------------------------------------------------------------


@contextmanager
def opened_for_export(run: TrainingRun, name: str) -> Iterator[BinaryIO]:
    """One of its files. Raises ExportRefused where it cannot be given now, or turns out to be another one."""
    try:
        with files.opened(run.place, name) as file:
            yield file
    except CannotGive as trouble:
        raise ExportRefused(
            f"{run} of team {run.team}: its file {name} cannot be given by the storage now. An archive without it would not be "
            "whole, so none was written. Whoever runs the platform sees why; ask them, then try again."
        ) from trouble
