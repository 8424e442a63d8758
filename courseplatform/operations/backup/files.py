"""The platform's files: everything under VAR_DIR but what a process makes anew, and secrets."""

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from courseplatform import private_files
from courseplatform.operations.backup.manifest import PIECE, Manifest, file_path

MADE_ANEW = (
    "redis", "logs", "arriving", "mail", "scratch", "*.lock", "*.sock", "services.json", ".ready-*",
    "*.sqlite3", "*.sqlite3-*", "secrets.json", ".secrets.json.*", "before-restore-*",
)  # fmt: skip
"""Names directly under VAR_DIR. `secrets.json`: who has it opens the providers' keys; it is kept apart from backups."""
TRIES = 3


def is_kept(name: str) -> bool:
    return not any(fnmatch.fnmatch(name, pattern) for pattern in MADE_ANEW)


def present(var: Path) -> Iterator[Path]:
    """Files to back up, by their path below `var`, in a steady order. Links are no files of ours."""
    for folder, folders, names in os.walk(var):
        here = Path(folder)
        top = here == var
        folders[:] = sorted(one for one in folders if not top or is_kept(one))
        for name in sorted(names):
            path = here / name
            if (not top or is_kept(name)) and path.is_file() and not path.is_symlink():
                yield path.relative_to(var)


def copy_all(var: Path, folder: Path, manifest: Manifest) -> None:
    """Copy every file; what is deleted meanwhile is left out, what never holds still is named in `manifest.changing`."""
    for name in present(var):
        try:
            found = _copy_still(var / name, folder / "files" / name)
        except FileNotFoundError:
            continue
        if found is None:
            manifest.changing.append(str(name))
        else:
            manifest.files[str(name)] = {"size": found[0], "sha256": found[1]}


def _copy_still(path: Path, to: Path) -> tuple[int, str] | None:
    """(size, hash) of the copy; None where the file changed under each try."""
    private_files.make_folder(to.parent)
    for _ in range(TRIES):
        before = path.stat()
        copied = copy(path, to)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size, before.st_ino) == (
            after.st_mtime_ns,
            after.st_size,
            after.st_ino,
        ):
            return copied
    to.unlink()
    return None


def copy(path: Path, to: Path) -> tuple[int, str]:
    """(size, hash) of what was copied. The copy is this user's alone."""
    size, found = 0, hashlib.sha256()
    handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with path.open("rb") as old, os.fdopen(handle, "wb") as new:
        while piece := old.read(PIECE):
            new.write(piece)
            found.update(piece)
            size += len(piece)
    return size, found.hexdigest()


def move_aside(var: Path, name: str) -> Path | None:
    """What is there before a restore goes to a folder beside it: a restore deletes nothing. None where nothing is."""
    there = (
        [path for path in sorted(var.iterdir()) if is_kept(path.name)] if var.exists() else []
    )
    if not there:
        return None
    aside = var / f"before-restore-{name}"
    private_files.make_folder(aside)
    for path in there:
        shutil.move(path, aside / path.name)
    return aside


def put_back(folder: Path, var: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        target = var / name
        private_files.make_folder(target.parent)
        copy(file_path(folder, name), target)
