"""Disk space: what each team and each course keeps on this machine, and how much it may."""

from django.db import models
from django.db.models import Q


class DiskAccount(models.Model):
    """The counter of one team, or of all teams of a course together. Its row holds the limit, so that two uploads at once
    cannot both slip past it."""

    team = models.OneToOneField(
        "teams.Team", on_delete=models.CASCADE, null=True, related_name="disk"
    )
    course = models.OneToOneField(
        "teams.Course", on_delete=models.CASCADE, null=True, related_name="disk"
    )
    limit = models.BigIntegerField(
        null=True, blank=True, help_text="Bytes; empty means the platform's default."
    )
    used = models.BigIntegerField(default=0, help_text="Bytes: the sum of its uses.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(team__isnull=True, course__isnull=False)
                | Q(team__isnull=False, course__isnull=True),
                name="disk_account_of_a_team_or_a_course",
            ),
            models.CheckConstraint(condition=Q(used__gte=0), name="disk_used_not_negative"),
            models.CheckConstraint(
                condition=Q(limit__isnull=True) | Q(limit__gte=0), name="disk_limit_not_negative"
            ),
        ]


class DiskKind(models.TextChoices):
    UPLOAD = "upload", "Uploaded files"
    ROWS = "rows", "Dataset versions"
    RUN = "run", "Runs"
    ARCHIVE = "archive", "Archives being read"
    EXPORT = "export", "Archives to download"


class DiskUse(models.Model):
    """One thing that lies on the disk, or will in a moment: reserved before its first byte is kept."""

    account = models.ForeignKey(DiskAccount, on_delete=models.CASCADE, related_name="uses")
    key = models.CharField(
        max_length=80,
        unique=True,
        help_text="What it is: import-…, run-…, rows-…, archive-…, export-….",
    )
    kind = models.CharField(max_length=8, choices=DiskKind.choices)
    size = models.BigIntegerField(help_text="Bytes.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=0), name="disk_use_not_negative")
        ]
