"""A run as a folder that means something outside: what was ordered, on which rows, with what, and what came of it."""

import json
import tempfile
import zipfile
from typing import IO, Any

from training.models import TrainingRun

MANIFEST = "run.json"
MEMORY_BYTES = 8 * 1024 * 1024


def write_bundle(run: TrainingRun) -> IO[bytes]:
    """A zip of the run's artefacts with a manifest. The file is temporary and stands at its start."""
    out = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  # the response closes it
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest(run), indent=1, ensure_ascii=False))
        for artifact in run.artifacts.all():
            path = run.folder / artifact.path
            if path.is_file():
                archive.write(path, artifact.path)
    out.seek(0)
    return out


def manifest(run: TrainingRun) -> dict[str, Any]:
    """Everything needed to make the same run again."""
    return {
        "schema": 1,
        "run": str(run.key),
        "name": run.name,
        "method": run.method,
        "base_model": run.base_model.name,
        "settings": run.settings,
        "seed": run.seed,
        "rehearsal": run.rehearsal,
        "dataset": {"name": str(run.dataset_version), "content_hash": run.dataset_version.content_hash},
        "model": run.result_model,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "result": run.result,
        "artifacts": [{"path": a.path, "sha256": a.sha256, "bytes": a.size} for a in run.artifacts.all()],
    }
