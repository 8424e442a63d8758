"""Room for what a course archive unpacks to: reserved for the new course before any of it is kept, counted by team at the end."""

import os
from typing import TYPE_CHECKING

from django.conf import settings

from courseplatform.course_archive.rows import ArchiveRefused
from datasets.services.versions import count_rows
from teams.models import Course, DiskKind
from teams.services import disk
from training.models import TrainingRun
from training.services import run_disk

if TYPE_CHECKING:
    from courseplatform.course_archive.bringing import Arrival

UNPACKED = ("rows", "blocks", "files")
"""What the child leaves: the rows of all tables, the datasets' own rows, the files of runs."""
MOST_BYTES = 5_000_000_000


def reserve(arrival: "Arrival") -> None:
    """Count all of it against the course, which is there already and empty. Raises ArchiveRefused with the sizes."""
    course = arrival.course
    if course is None:
        return  # `Arrival.bring` says so
    size = _unpacked_bytes(arrival)
    free = disk.free_here()
    if size > free:
        raise ArchiveRefused(
            f"Unpacked this course has {disk.told(size)}, and {disk.told(free)} are free for it on this machine. "
            "Nothing was kept. Ask whoever runs the platform to make room, then import it again."
        )
    try:
        disk.reserve_for_course(
            course=course, key=arrival.import_.disk_key, kind=DiskKind.ARCHIVE, size=size
        )
    except disk.DiskFull as full:
        raise ArchiveRefused(
            f"Unpacked this course has {disk.told(size)}, and a new course may keep {disk.told(settings.COURSE_DISK_BYTES)} "
            "on this machine. Nothing was kept. Delete runs that nobody needs where it comes from and export it again, or "
            "ask whoever runs the platform to allow a course more."
        ) from full


def settle(arrival: "Arrival", course: Course) -> None:
    """In place of the whole: what lies there, team by team. A team may then have more than its limit: its instructor sees it."""
    disk.release(arrival.import_.disk_key)
    for run in TrainingRun.objects.filter(team__course=course).select_related("team__course"):
        if run.artifacts.exists():
            run_disk.count(run)
    for team in course.teams.select_related("course"):
        count_rows(team)


def _unpacked_bytes(arrival: "Arrival") -> int:
    total = 0
    for name in UNPACKED:
        with arrival.box.open(name, most_bytes=MOST_BYTES) as file:
            total += os.fstat(file.fileno()).st_size
    return total
