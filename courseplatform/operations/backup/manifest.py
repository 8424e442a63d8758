"""What a backup says of itself, and whether that is true."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from courseplatform import private_files

NAME = "manifest.json"
FORMAT = 1
PIECE = 1024 * 1024


class BackupRefused(Exception):
    """Nothing was changed. The text is for whoever runs the platform."""


@dataclass
class Manifest:
    """`tables`: {label: {"rows", "sha256"}}, of the file as it is stored. `files`: {path: {"size", "sha256"}}.

    `migrations`: the newest of each app. `changing`: files that changed all the while they were copied: not here.
    """

    version: str
    made_at: str
    vendor: str
    migrations: dict[str, str]
    format: int = FORMAT
    tables: dict[str, dict[str, object]] = field(default_factory=dict)
    files: dict[str, dict[str, object]] = field(default_factory=dict)
    changing: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(int(str(table["rows"])) for table in self.tables.values())

    @property
    def size(self) -> int:
        return sum(int(str(one["size"])) for one in self.files.values())

    def write(self, folder: Path) -> None:
        private_files.write(
            folder / NAME, json.dumps(asdict(self), indent=1, ensure_ascii=False)
        )


def read(folder: Path) -> Manifest:
    """Raises BackupRefused where the folder is no backup that this version knows."""
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except OSError:
        raise BackupRefused(f"{folder} is no backup: it has no readable {NAME}.") from None
    except ValueError:
        raise BackupRefused(f"{folder / NAME} is damaged. Take another backup.") from None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise BackupRefused(
            f"{folder} was made in another format. Restore it with the version that made it: {said.get('version')}."
            if isinstance(said, dict)
            else f"{folder / NAME} is damaged. Take another backup."
        )
    try:
        return Manifest(**said)
    except TypeError:
        raise BackupRefused(f"{folder / NAME} is damaged. Take another backup.") from None


def table_path(folder: Path, label: str) -> Path:
    return folder / "database" / f"{label}.jsonl.zst"


def file_path(folder: Path, name: str) -> Path:
    """Of a file in the backup. Raises BackupRefused for a name that leads out of it."""
    root = (folder / "files").resolve()
    path = root / name
    if not path.resolve().is_relative_to(root) or path.is_symlink():
        raise BackupRefused(
            f"The backup names a file outside itself: {name!r}. Nothing was restored."
        )
    return path


def sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()


def troubles(folder: Path, manifest: Manifest) -> list[str]:
    """One sentence for each thing that is not as the manifest says; empty where the backup is whole."""
    found = []
    for label, table in manifest.tables.items():
        found += _trouble(table_path(folder, label), f"table {label}", str(table["sha256"]))
    for name, file in manifest.files.items():
        found += _trouble(file_path(folder, name), f"file {name}", str(file["sha256"]))
    return found


def _trouble(path: Path, what: str, expected: str) -> list[str]:
    if not path.is_file():
        return [f"The {what} is missing."]
    if sha256(path) != expected:
        return [f"The {what} is not what was backed up: its hash differs."]
    return []
