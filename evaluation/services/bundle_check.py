"""Whether a handed-in bot is still what was frozen: same model at the provider, same files."""

import hashlib
from functools import lru_cache
from pathlib import Path

from evaluation.models import Submission
from training.run_files import file_in, is_file_in
from training.services.endpoints import NotReady, endpoint_for


def changes_since(submission: Submission) -> list[str]:
    """What differs from the bundle, in words for an instructor; empty when nothing does. Needs `submission.run`."""
    return [*_model_changes(submission), *_file_changes(submission)]


def _model_changes(submission: Submission) -> list[str]:
    frozen = submission.bundle["chat"]
    try:
        endpoint = endpoint_for(submission.run)
    except NotReady as error:
        return [str(error)]
    said = []
    if endpoint.model != frozen["model"]:
        said.append(f"The run now answers as {endpoint.model}; handed in was {frozen['model']}.")
    if endpoint.provider != frozen["provider"]:
        said.append(
            f"The model is now asked at {endpoint.provider}; handed in was {frozen['provider']}."
        )
    return said


def _file_changes(submission: Submission) -> list[str]:
    folder, said = submission.run.folder, []
    for file in submission.bundle["artifacts"]:
        if not is_file_in(folder, file["path"]):
            said.append(f"The file {file['path']} is gone.")
            continue
        path = file_in(folder, file["path"])
        found = path.stat()
        if _sha256(path, found.st_mtime_ns, found.st_size) != file["sha256"]:
            said.append(f"The file {file['path']} is not the one that was handed in.")
    return said


@lru_cache(maxsize=512)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    """Of a file as it was at `changed_ns` with `size` bytes, so that an adapter is read once and not at each page."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
