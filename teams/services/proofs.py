"""That something was erased, provable later: hashes and counts, never what it said or whose it was."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from teams.models import Course, ErasureProof, User

SALT = "teams.erasure_proof"


def keep(
    *,
    course: Course | None,
    what: str,
    subject: str,
    by: User | None,
    database: Mapping[str, int],
    files: Iterable[Mapping[str, object]] = (),
    provider: Iterable[str] = (),
) -> ErasureProof:
    """`subject`: the address, row or name that is gone; only its keyed hash is kept. `database`: rows by table."""
    return ErasureProof.objects.create(
        course=course,
        what=what[:60],
        subject=hash_of(subject),
        by=by,
        database={table: count for table, count in sorted(database.items()) if count},
        files=[dict(one) for one in files],
        provider=list(provider),
        backups_until=backups_until(),
    )


def hash_of(subject: str) -> str:
    return salted_hmac(SALT, subject.strip().lower(), algorithm="sha256").hexdigest()


def backups_until() -> date:
    """The day after the last backup that may hold what is erased today was removed."""
    return timezone.localdate() + timedelta(days=settings.BACKUP_KEPT_DAYS)


def about(subject: str) -> QuerySet[ErasureProof]:
    """Proofs of that address or row."""
    return ErasureProof.objects.filter(subject=hash_of(subject)).select_related("course", "by")


def manifest(kind: str, folder: Path) -> dict[str, object] | None:
    """What lies in a folder before it is removed: files, bytes, and a hash of their names and sizes. None for no folder."""
    if not folder.is_dir():
        return None
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )
    told = hashlib.sha256()
    size = 0
    for path in files:
        length = path.stat().st_size
        told.update(f"{path.relative_to(folder)}\t{length}\n".encode())
        size += length
    return {"kind": kind, "files": len(files), "bytes": size, "sha256": told.hexdigest()}
