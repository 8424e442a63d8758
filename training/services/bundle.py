"""A run as a folder that means something outside: what was ordered, on which rows, with what, and what came of it."""

import hashlib
import hmac
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import msgspec
from django.conf import settings

from datasets.services.versions import stored_rows
from teams.models import ArchiveExport
from teams.services import archive_exports
from training.archives.contents import EVENT_KINDS
from training.archives.manifest import EVENTS, MANIFEST, ROWS, SCHEMA, SIGNATURE
from training.models import RunEvent, TrainingRun
from training.services import run_storage
from training.services.base_names import (
    NAMES_ITS_BASE,
    archived_name,
    described,
    public_name,
    without_paths,
)
from training.services.spec import ASKED

FIGURES = ("step", "total_steps", "train_loss", "validation_loss", "score_before", "score_after")
MEMORY_BYTES = 8 * 1024 * 1024
SMALL_BYTES = 8_000_000
SMALL_ROWS = 2_000
BYTES_PER_TOKEN = 6


def write_bundle(run: TrainingRun) -> IO[bytes]:
    """The run's archive as a temporary file that stands at its start."""
    out = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  # the response closes it
    write_into(run, out)
    out.seek(0)
    return out


def is_small(run: TrainingRun) -> bool:
    """Whether a request may write its archive: a second of work at most."""
    return run.dataset_version.row_count <= SMALL_ROWS and _files_size(run) <= SMALL_BYTES


def estimate(run: TrainingRun) -> int:
    """Bytes that the archive may come to. Weights hardly shrink; rows shrink to less than their estimate of tokens in bytes."""
    version = run.dataset_version
    return (
        _files_size(run)
        + BYTES_PER_TOKEN * version.token_estimate
        + 500 * version.row_count
        + MEMORY_BYTES
    )


def _files_size(run: TrainingRun) -> int:
    return sum(run.artifacts.values_list("size", flat=True))


def write_export(export: ArchiveExport, out: IO[bytes]) -> None:
    """For the files worker. Raises archive_exports.ExportRefused where the run is gone."""
    run = (
        TrainingRun.objects.with_related()
        .filter(team=export.team_id, number=export.run_number or 0)
        .first()
    )
    if run is None:
        raise archive_exports.ExportRefused("This run was deleted meanwhile.")
    write_into(run, out)


def write_into(run: TrainingRun, out: IO[bytes]) -> None:
    """A zip of the run's artefacts, its rows and its curves, with a manifest that names every file's hash, signed.

    Raises archive_exports.ExportRefused where one of its files cannot be given now: none is ever left out.
    """
    files: list[dict[str, Any]] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in ((ROWS, _rows(run)), (EVENTS, _events(run))):
            files.append(_write_lines(archive, name, pieces))
        for artifact in run.artifacts.all():
            if artifact.path in NAMES_ITS_BASE:
                files.append(_write_without_paths(archive, run, artifact.path))
            else:
                _write_file(archive, run, artifact.path)
                files.append(
                    {"path": artifact.path, "sha256": artifact.sha256, "bytes": artifact.size}
                )
        text = json.dumps(
            manifest(run) | {"files": files}, indent=1, ensure_ascii=False
        ).encode()
        archive.writestr(MANIFEST, text)
        archive.writestr(SIGNATURE, signature(text))


def signature(manifest_text: bytes) -> str:
    """Says that this platform wrote the manifest; the manifest names the hash of every file."""
    key = hashlib.sha256(f"run bundle {settings.SECRET_KEY}".encode()).digest()
    return hmac.new(key, manifest_text, hashlib.sha256).hexdigest()


def model_proof(run: TrainingRun) -> str:
    """Says that this platform had this run train this model at its provider: what an imported run must show to be asked."""
    return _proof(key=str(run.key), model=run.result_model, rehearsal=run.rehearsal)


def proves_model(proof: str, *, key: str, model: str, rehearsal: bool) -> bool:
    return bool(model) and hmac.compare_digest(
        proof.encode(), _proof(key=key, model=model, rehearsal=rehearsal).encode()
    )


def _proof(*, key: str, model: str, rehearsal: bool) -> str:
    secret = hashlib.sha256(f"model of a run {settings.SECRET_KEY}".encode()).digest()
    return hmac.new(
        secret, json.dumps([key, model, rehearsal]).encode(), hashlib.sha256
    ).hexdigest()


def manifest(run: TrainingRun) -> dict[str, Any]:
    """Everything needed to make the same run again."""
    return {
        "schema": SCHEMA,
        "run": str(run.key),
        "name": run.name,
        "words": f"{run} of team {run.team.name} in {run.team.course}"[:300],
        # What it left, also of a job of our own service.
        "method": run.base_model.method if run.is_own_job else run.method,
        "base_model": archived_name(run.base_model),
        "base": described(run.base_model),
        "settings": {name: value for name, value in run.settings.items() if name != ASKED},
        "seed": run.seed,
        "rehearsal": run.rehearsal,
        "dataset": {
            "name": str(run.dataset_version),
            "content_hash": run.dataset_version.content_hash,
            "shape": run.dataset_version.shape,
        },
        "model": run.result_model,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "figures": {name: getattr(run, name) for name in FIGURES},
        "result": _result(run),
        "artifacts": [
            {"path": a.path, "sha256": a.sha256, "bytes": a.size} for a in run.artifacts.all()
        ],
    }


def _result(run: TrainingRun) -> dict[str, Any]:
    named = {"base_model": public_name(run.base_model)} if "base_model" in run.result else {}
    return {**run.result, **named}


def _rows(run: TrainingRun) -> Iterator[bytes]:
    for row in stored_rows(run.dataset_version):
        yield msgspec.json.encode(row)


def _events(run: TrainingRun) -> Iterator[bytes]:
    events = RunEvent.objects.filter(run=run, kind__in=EVENT_KINDS).values_list(
        "kind", "step", "data"
    )
    for kind, step, data in events.iterator(chunk_size=2_000):
        yield json.dumps({"kind": kind, "step": step, "data": data}, ensure_ascii=False).encode()


def _write_file(archive: zipfile.ZipFile, run: TrainingRun, name: str) -> None:
    with (
        run_storage.opened_for_export(run, name) as file,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        shutil.copyfileobj(file, member, MEMORY_BYTES)


def _write_without_paths(
    archive: zipfile.ZipFile, run: TrainingRun, name: str
) -> dict[str, Any]:
    """One of the small files that name the base."""
    with run_storage.opened_for_export(run, name) as file:
        content = without_paths(run, name, file.read())
    archive.writestr(name, content)
    return {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _write_lines(archive: zipfile.ZipFile, name: str, lines: Iterator[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as member:
        for line in lines:
            member.write(line + b"\n")
            digest.update(line + b"\n")
            size += len(line) + 1
    return {"path": name, "sha256": digest.hexdigest(), "bytes": size}
