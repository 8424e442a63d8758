"""That something was erased, provable later: hashes and counts, never what it said or whose it was."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from teams.models import Course, ErasureProof, StoredFile, User
from teams.places import folder_of
from teams.services.storage import files as stored
from teams.services.storage import health

SALT = "teams.erasure_proof"
OTHER_DISKS = "disks of other hosts: not searched, each removes its copies of what is gone by itself within an hour"


def keep(
    *,
    course: Course | None,
    what: str,
    subject: str,
    by: User | None,
    database: Mapping[str, int],
    files: Iterable[Mapping[str, object]] = (),
    provider: Iterable[str] = (),
    places: Iterable[str] = (),
) -> ErasureProof:
    """`subject`: the address, row or name that is gone; only its keyed hash is kept. `database`: rows by table.

    `places`: of the files. Each storage is asked for them after the commit, and the proof says when nothing was left.
    """
    wanted = list(places) if settings.STORAGE_SHELVES else []
    made = ErasureProof.objects.create(
        course=course,
        what=what[:60],
        subject=hash_of(subject),
        by=by,
        database={table: count for table, count in sorted(database.items()) if count},
        files=[dict(one) for one in files],
        provider=list(provider),
        to_destroy=wanted,
        backups_until=backups_until(),
    )
    if wanted:
        transaction.on_commit(lambda: settle(made))
    return made


def hash_of(subject: str) -> str:
    return salted_hmac(SALT, subject.strip().lower(), algorithm="sha256").hexdigest()


def backups_until() -> date:
    """The day after the last backup that may hold what is erased today was removed."""
    return timezone.localdate() + timedelta(days=settings.BACKUP_KEPT_DAYS)


def about(subject: str) -> QuerySet[ErasureProof]:
    """Proofs of that address or row."""
    return ErasureProof.objects.filter(subject=hash_of(subject)).select_related("course", "by")


def manifest(kind: str, places: Iterable[str]) -> list[dict[str, object]]:
    """What is kept of these places before it is removed: one entry for this host's disk and one for each storage.

    Each says `where` was searched, also where nothing was found: files, bytes, and a hash of their names and sizes. `objects`:
    in a storage, where one content is kept once. Asks no storage: its rows say what it holds, and `settle` asks it afterwards.
    """
    wanted = list(places)
    found = [_on_disk(kind, wanted)]
    rows = StoredFile.objects.filter(place__in=wanted).exclude(shelf="")
    by_shelf: dict[str, list[StoredFile]] = {name: [] for name in settings.STORAGE_SHELVES}
    for one in rows.order_by("place", "name", "pk"):
        by_shelf.setdefault(one.shelf, []).append(one)
    found += [_in_storage(kind, name, ours) for name, ours in by_shelf.items()]
    return found + ([{"kind": kind, "where": OTHER_DISKS}] if by_shelf else [])


def _on_disk(kind: str, places: list[str]) -> dict[str, object]:
    count, size, told = 0, 0, hashlib.sha256()
    for place in sorted(places):
        folder = folder_of(place)
        paths = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
        for path in sorted(paths):
            length = path.stat().st_size
            told.update(f"{place}/{path.relative_to(folder)}\t{length}\n".encode())
            count, size = count + 1, size + length
    return {
        "kind": kind,
        "where": _this_disk(),
        "files": count,
        "bytes": size,
        "sha256": told.hexdigest(),
    }


def _this_disk() -> str:
    return f"disk of {settings.HOST_NAME}"


def kept_in() -> str:
    """Where files are kept, in the words of a proof."""
    named = [f"storage {name}" for name in settings.STORAGE_SHELVES]
    return ", ".join([_this_disk(), *named])


def _in_storage(kind: str, name: str, rows: list[StoredFile]) -> dict[str, object]:
    told = hashlib.sha256()
    for one in rows:
        told.update(f"{one.place}/{one.name}\t{one.size}\t{one.sha256}\n".encode())
    return {
        "kind": kind,
        "where": f"storage {name}",
        "files": len(rows),
        "objects": len({one.key for one in rows}),
        "bytes": sum(one.size for one in rows),
        "sha256": told.hexdigest(),
    }


def settle(proof: ErasureProof) -> bool:
    """Ask each storage whether anything is left of what was erased, and destroy that. After the commit; False where it is to be
    asked again, by the clock."""
    left = stored.destroy_everything(proof.to_destroy)
    done_at = None if left else timezone.now()
    ErasureProof.objects.filter(pk=proof.pk).update(to_destroy=left, destroyed_at=done_at)
    return not left


def settle_all() -> int:
    """For the clock: proofs of what a storage that was away may still hold. How many are proven now."""
    unsettled = ErasureProof.objects.exclude(to_destroy=[])
    if not unsettled.exists() or health.away():
        return 0  # asked once here, not once for each proof: the clock has more to do
    return sum(settle(proof) for proof in unsettled)
