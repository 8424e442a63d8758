"""Places: the folders of runs, uploads and archives, by the names under which their files are stored.

A place is `<kind>/<key>`. Rows are never trusted as paths: a place becomes a folder here, and only one of this shape.
"""

import re
from pathlib import Path
from uuid import UUID

from django.conf import settings

RUNS, IMPORTS, ARCHIVES, EXPORTS, BASES = "runs", "imports", "archives", "exports", "bases"
OWN_EXPORTS = "own-exports"
SHAPE = re.compile(
    r"(runs|imports|archives|exports|own-exports)/[0-9a-f-]{36}|bases/[0-9a-f]{64}"
)


class NoPlace(ValueError):
    """This text names no place."""


def of_run(key: UUID | str) -> str:
    return f"{RUNS}/{key}"


def of_import(key: UUID | str) -> str:
    return f"{IMPORTS}/{key}"


def of_archive(key: UUID | str) -> str:
    return f"{ARCHIVES}/{key}"


def of_export(key: UUID | str) -> str:
    return f"{EXPORTS}/{key}"


def of_own_export(key: UUID | str) -> str:
    return f"{OWN_EXPORTS}/{key}"


def of_base(weights_sha256: str) -> str:
    return f"{BASES}/{weights_sha256}"


def folder_of(place: str) -> Path:
    """Where its files are worked on, on this host. Raises NoPlace."""
    if not SHAPE.fullmatch(place):
        raise NoPlace(f"“{place[:80]}” is no place for files.")
    kind, _, key = place.partition("/")
    root = Path(settings.RUNS_ROOT) if kind == RUNS else Path(settings.VAR_DIR) / kind
    return root / key
