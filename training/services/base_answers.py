"""Where the base models' own answers are kept, so that each is made once and not in every run.

A file for each base's content and each way of asking, under VAR_DIR; the engine reads it and adds to it. What a base says to a
team's own system line may repeat that line, so such answers are not kept: they would outlive the team's data.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.models import DatasetVersion
from datasets.services.reading import stored_rows
from training.models import BaseModel
from training.services.engine_rows import conversations

FOLDER = "base_answers"
OURS = frozenset(
    {
        "You are a second-grade student.",
        "You are a second-grade student",
        "You are a second grader.",
        "You are a second-grade student who is curious, sometimes makes mistakes, and learns by trying things out.",
    }
)
"""System lines that many use and that say nothing of anybody."""
COUNTED_ROWS = 3_000  # of a bigger version nobody reads every row before a price is said


def file_of(base: BaseModel, system_lines: set[str]) -> Path | None:
    """Where the answers of a base are kept that is asked with rows of these system lines ("" = none); None: nowhere.

    The engine asks with the line that all rows share, else without one.
    """
    line = next(iter(system_lines)) if len(system_lines) == 1 else ""
    content = _content_of(base)
    if content is None or (line and line not in OURS):
        return None
    name = hashlib.sha256(f"{content}\n{line}".encode()).hexdigest()[:32]
    return Path(settings.VAR_DIR) / FOLDER / f"{name}.jsonl"


def are_known(base: BaseModel, version: DatasetVersion) -> bool:
    """Whether a run on this version finds the base's sample answers already made."""
    if version.row_count > COUNTED_ROWS:
        return False
    path = file_of(base, _system_lines(version.content_hash, version))
    return path is not None and path.exists()


def system_lines_in(rows: Path) -> set[str]:
    """Of a file of engine rows: the system line of each, "" for none."""
    return {_system_line(messages) for messages in conversations(rows)}


@lru_cache(maxsize=256)
def _system_lines(content_hash: str, version: DatasetVersion) -> set[str]:
    return {_system_line(row.messages) for row in stored_rows(version)}


def _system_line(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(messages[0]["content"]) if messages and messages[0]["role"] == "system" else ""


def _content_of(base: BaseModel) -> str | None:
    """What the base's answers hang on; None where it lies in no folder here."""
    folder = Path(base.weights)
    if not folder.is_dir():
        return None
    told = [(file.name, file.stat()) for file in sorted(folder.iterdir()) if file.is_file()]
    files = "".join(f"{name} {stat.st_size} {stat.st_mtime_ns}\n" for name, stat in told)
    return hashlib.sha256(f"{base.weights_sha256}\n{files}".encode()).hexdigest()
