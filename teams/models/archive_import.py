"""An archive that somebody sent: read by the files worker, while its page tells how far it is."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q

from teams import places
from teams.models.people import User


class ArchiveKind(models.TextChoices):
    RUN = "run", "A run"
    COURSE = "course", "A course"


class ArchiveStatus(models.TextChoices):
    WAITING = "waiting", "Waiting for a free worker"
    READING = "reading", "Being read"
    DONE = "done", "Imported"
    REFUSED = "refused", "Not imported"


AT_WORK = (ArchiveStatus.WAITING, ArchiveStatus.READING)


class ArchiveImport(models.Model):
    """One upload of a run's or a course's archive. Its file is deleted as soon as it is imported or refused."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=6, choices=ArchiveKind.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="archive_imports"
    )
    team = models.ForeignKey(
        "teams.Team",
        on_delete=models.CASCADE,
        null=True,
        related_name="archive_imports",
        help_text="Of a run: whose.",
    )
    course = models.ForeignKey(
        "teams.Course",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Of a course: the new one.",
    )
    filename = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField(help_text="Bytes as sent.")
    status = models.CharField(
        max_length=8, choices=ArchiveStatus.choices, default=ArchiveStatus.WAITING
    )
    attempt = models.PositiveSmallIntegerField(
        default=1, help_text="Only the newest one may write."
    )
    stage = models.CharField(
        max_length=80, blank=True, help_text="What is being done, for a person."
    )
    alive_at = models.DateTimeField(
        null=True, help_text="The worker that reads it was alive then."
    )
    refusal = models.TextField(blank=True, help_text="Why it was not imported, in a sentence.")
    report = models.JSONField(
        default=dict, help_text="What came in: of a run its number, of a course how much."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ArchiveStatus.values), name="archive_import_status_known"
            ),
            models.CheckConstraint(
                condition=Q(kind="course") | Q(team__isnull=False), name="run_archive_has_a_team"
            ),
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(status__in=["waiting", "reading"]),
                name="one_archive_of_a_person_at_once",
            ),
        ]

    def __str__(self) -> str:
        return f"Import of {self.filename}"

    @property
    def name_start(self) -> str:
        """How the addresses begin of the names that came with a course: accounts that nobody signs in to."""
        return f"imported-{self.key}-"

    def names(self) -> "models.QuerySet[User]":
        """Those that nobody was invited in place of."""
        return User.objects.filter(email__startswith=self.name_start, is_active=False)

    @property
    def is_at_work(self) -> bool:
        return self.status in AT_WORK

    @property
    def place(self) -> str:
        """Under which its file is stored (`teams.services.storage`)."""
        return places.of_archive(self.key)

    @property
    def folder(self) -> Path:
        return places.folder_of(self.place)

    @property
    def disk_key(self) -> str:
        """Under which its bytes are counted (`teams.services.disk`)."""
        return f"archive-{self.key}"

    @property
    def file_path(self) -> Path:
        """What was sent, byte for byte."""
        return self.folder / "upload"
