"""The files of an import on this host: what was sent, and what its check left. They may have been made on another one.

Each raises StorageAway where storage cannot be asked, and FileLost where a file is not there any more.
"""

from pathlib import Path

from datasets.models import Import
from teams.services.storage import files


def upload(import_: Import) -> Path:
    """What was sent, byte for byte."""
    return files.local(import_.place, import_.file_path.name)


def rows(import_: Import) -> Path:
    """The good rows in blocks; it need not exist."""
    return files.local(import_.place, import_.rows_path.name)


def problems(import_: Import) -> Path:
    """Every problem; it need not exist."""
    return files.local(import_.place, import_.problems_path.name)


def broken(import_: Import) -> Path:
    """The rows that were left out; it need not exist."""
    return files.local(import_.place, import_.broken_path.name)
