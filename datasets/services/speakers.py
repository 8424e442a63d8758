"""Rows in which the wrong one speaks: teacher and student changed over, as the next version."""

from collections.abc import Iterator
from dataclasses import dataclass

from datasets import checks
from datasets.models import DatasetVersion, Shape
from datasets.services import versions
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows
from teams.models import User


class NothingToSwap(Exception):
    """No row can be swapped; the message says why and what to do."""


@dataclass
class _Counts:
    swapped: int = 0
    left_out: int = 0


def swap(*, version: DatasetVersion, person: User, only_flagged: bool) -> DatasetVersion:
    """The next version, in which teacher and student are changed over in all rows, or in those that sound like a teacher.

    Rows in which the child would then answer nobody are left out; the version's note counts both. Raises NothingToSwap, and
    versions.NothingChanged where the newest version has these rows already.
    """
    counts = _Counts()
    rows = list(_changed(version, only_flagged, counts))
    if not counts.swapped:
        raise NothingToSwap(
            "No row can be swapped: with the speakers changed over, the child would answer nobody. "
            "Write rows in which the teacher asks and the second-grader answers."
        )
    return versions.create_version(
        dataset=version.dataset,
        rows=rows,
        shape=Shape.MESSAGES if not only_flagged else version.shape,
        person=person,
        note=_note(version, counts),
        source_name=version.source_name,
        skipped_rows=counts.left_out,
        parent=version,
    )


def _changed(
    version: DatasetVersion, only_flagged: bool, counts: _Counts
) -> Iterator[StoredRow]:
    for stored in stored_rows(version):
        row = plain(stored)
        if only_flagged and not checks.teaches(row):
            yield stored
            continue
        swapped = checks.swapped(row)
        if swapped is None:
            counts.left_out += 1
        else:
            counts.swapped += 1
            yield StoredRow.of(swapped, stored.id)


def _note(version: DatasetVersion, counts: _Counts) -> str:
    told = f"Teacher and student swapped in {counts.swapped:,} row{_s(counts.swapped)} of version {version.number}"
    if counts.left_out:
        told += f"; {counts.left_out:,} row{_s(counts.left_out)} left out, in which the child would answer nobody"
    return f"{told}."


def _s(count: int) -> str:
    return "" if count == 1 else "s"
