"""An archive that somebody asked for: written by the files worker, while its page tells how far it is."""

import uuid
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q

from teams import places
from teams.models.archive_import import ArchiveKind


class ExportStatus(models.TextChoices):
    WAITING = "waiting", "Waiting for a free worker"
    WRITING = "writing", "Being written"
    READY = "ready", "Ready"
    REFUSED = "refused", "Not written"


EXPORT_AT_WORK = (ExportStatus.WAITING, ExportStatus.WRITING)


class ArchiveExport(models.Model):
    """One archive of a run or of a course, kept for a day. What is deleted meanwhile takes it along."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=6, choices=ArchiveKind.choices)
    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, related_name="archive_exports"
    )
    team = models.ForeignKey(
        "teams.Team",
        on_delete=models.CASCADE,
        null=True,
        related_name="archive_exports",
        help_text="Of a run: whose.",
    )
    run_number = models.PositiveIntegerField(
        null=True, help_text="Of a run: its number in the team."
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    status = models.CharField(
        max_length=8, choices=ExportStatus.choices, default=ExportStatus.WAITING
    )
    attempt = models.PositiveSmallIntegerField(
        default=1, help_text="Only the newest one may write."
    )
    alive_at = models.DateTimeField(
        auto_now_add=True,
        help_text="When its worker was called or began; of then the file tells.",
    )
    beat_at = models.DateTimeField(
        null=True, help_text="When its worker last said that it still writes."
    )
    told_bytes = models.PositiveBigIntegerField(
        default=0,
        help_text="How many bytes it had written then: hosts do not see each other's files.",
    )
    size = models.PositiveBigIntegerField(
        default=0, help_text="Bytes: first an estimate, then of the file."
    )
    refusal = models.TextField(blank=True, help_text="Why it was not written, in a sentence.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ExportStatus.values), name="archive_export_status_known"
            ),
            models.CheckConstraint(
                condition=Q(kind="course", team__isnull=True, run_number__isnull=True)
                | Q(kind="run", team__isnull=False, run_number__isnull=False),
                name="archive_export_of_a_run_or_a_course",
            ),
            models.UniqueConstraint(
                fields=["course"],
                condition=Q(kind="course", status__in=["waiting", "writing"]),
                name="one_export_of_a_course_at_once",
            ),
            models.UniqueConstraint(
                fields=["team"],
                condition=Q(kind="run", status__in=["waiting", "writing"]),
                name="one_export_of_a_team_at_once",
            ),
        ]

    def __str__(self) -> str:
        return f"Archive of {self.course if self.team is None else f'run {self.run_number} of {self.team}'}"

    @property
    def is_at_work(self) -> bool:
        return self.status in EXPORT_AT_WORK

    @property
    def place(self) -> str:
        """Under which its file is stored (`teams.services.storage`)."""
        return places.of_export(self.key)

    @property
    def folder(self) -> Path:
        return places.folder_of(self.place)

    @property
    def disk_key(self) -> str:
        """Under which its bytes are counted (`teams.services.disk`)."""
        return f"export-{self.key}"

    @property
    def part_path(self) -> Path:
        """What the attempt has written so far."""
        return self.folder / f"archive-{self.attempt}.part"

    @property
    def file_path(self) -> Path:
        return self.folder / "archive.zip"

    @property
    def written(self) -> int:
        """Bytes so far; on another host than its worker's as that one told last."""
        return max(self.written_here, self.told_bytes)

    @property
    def written_here(self) -> int:
        """Bytes so far on this host; 0 while nothing is."""
        try:
            return self.part_path.stat().st_size
        except OSError:
            return 0

    @property
    def last_sign(self) -> datetime:
        """When its worker was called, began, or last said that it writes."""
        return max(self.alive_at, self.beat_at or self.alive_at)
