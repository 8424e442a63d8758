"""Whether a handed-in bot is still what was frozen: same model at the provider, same files.

What the platform itself changed is told as a change. What storage cannot give is trouble of whoever runs the platform: it says
nothing about the team, and nobody is told that it does.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from evaluation.models import Submission
from teams.models import FileTrouble
from teams.safe_files import file_in, is_file_in
from teams.services.storage import files
from training.archives.manifest import ROW_FILES
from training.services.endpoints import NotReady, endpoint_for


def changes_since(submission: Submission) -> list[str]:
    """What differs from the bundle, in words for an instructor; empty when nothing does. Needs `submission.run`."""
    return [*_model_changes(submission), *_file_changes(submission)]


def storage_troubles(submission: Submission) -> list[str]:
    """Files of the bundle that storage cannot give now, in words for an instructor; the operator's page names them too."""
    handed_in = {file["path"]: file["sha256"] for file in submission.bundle["artifacts"]}
    here = submission.run.artifacts.filter(path__in=handed_in)
    return [
        f"Storage cannot give the file {one.path} now. That is no fault of the team's; whoever runs the platform sees why."
        for one in here
        if one.sha256 == handed_in[one.path]
        and not _can_be_had(submission, one.path, one.sha256)
    ]


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
    """By what the platform's own rows say. Rows of children that were erased since are no change of the bot."""
    now, said = dict(submission.run.artifacts.values_list("path", "sha256")), []
    for file in submission.bundle["artifacts"]:
        name = str(file["path"])
        if name in ROW_FILES:
            continue
        if name not in now:
            said.append(f"The file {name[:200]} is no longer one of this run's.")
        elif now[name] != file["sha256"]:
            said.append(f"The file {name} is not the one that was handed in.")
    return said


def _can_be_had(submission: Submission, name: str, sha256: str) -> bool:
    place = submission.run.place
    stored = files.found(place, name)
    if stored is not None and stored.shelf:
        return not stored.trouble
    found = _trouble_here(submission.run.folder, name, sha256)
    if stored is not None and stored.trouble != found:
        files.note(stored, found)
    return not found


def _trouble_here(folder: Path, name: str, sha256: str) -> FileTrouble | str:
    if not is_file_in(folder, name):
        return FileTrouble.MISSING
    path = file_in(folder, name)
    found = path.stat()
    same = _sha256(path, found.st_mtime_ns, found.st_size) == sha256
    return "" if same else FileTrouble.ALTERED


@lru_cache(maxsize=512)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    """Of a file as it was at `changed_ns` with `size` bytes, so that an adapter is read once and not at each page."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
