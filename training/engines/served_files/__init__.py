"""What the model server and the program server may open: files of a run's folder, reached through no link.

Both take a run's key from a request. The platform has the same rule for itself in `teams/safe_files.py`; engines import
nothing of the platform.
"""

from pathlib import Path


def served(runs_root: Path, key: str, *names: str) -> Path | None:
    """`<runs root>/<key>/<names…>`, or None where that is a link, or lies outside the run's folder."""
    path = runs_root
    for part in (key, *names):
        if part in ("", ".", "..") or "/" in part or "\\" in part or "\x00" in part:
            return None
        path = path / part
        if path.is_symlink():
            return None
    return path if path.resolve().is_relative_to(runs_root.resolve() / key) else None
