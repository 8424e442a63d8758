"""What is told to people about their data, given to them, and proven to be gone."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from teams import places


class PolicyKind(models.TextChoices):
    FERPA = "ferpa", "Students' records (FERPA)"
    COPPA = "coppa", "Children's words (COPPA)"
    GDPR = "gdpr", "Personal data (GDPR)"


class PolicyText(models.Model):
    """One version of a notice, of the whole platform or of one course. Never changed: a change is the next version."""

    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, null=True, related_name="policy_texts"
    )
    kind = models.CharField(max_length=5, choices=PolicyKind.choices)
    number = models.PositiveIntegerField()
    text = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "kind", "number"],
                name="policy_version_once_in_a_course",
            ),
            models.UniqueConstraint(
                fields=["kind", "number"],
                condition=models.Q(course=None),
                name="policy_version_once_on_the_platform",
            ),
        ]


class PersonExportState(models.TextChoices):
    WAITING = "waiting", "Waiting for a free worker"
    READY = "ready", "Ready"
    FAILED = "failed", "Not written"


class PersonExport(models.Model):
    """What one person asked to have of their own data: a zip of JSON, kept for a day, for them alone."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_export"
    )
    state = models.CharField(
        max_length=8, choices=PersonExportState.choices, default=PersonExportState.WAITING
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    tried_at = models.DateTimeField(auto_now_add=True)
    tries = models.PositiveSmallIntegerField(default=0)

    @property
    def place(self) -> str:
        """Under which its file is stored (`teams.services.storage`)."""
        return places.of_own_export(self.key)

    @property
    def folder(self) -> Path:
        return places.folder_of(self.place)

    @property
    def file_name(self) -> str:
        """One for each try: two that overlap never write the same file. Once it is ready, `tries` is the one that won."""
        return f"my-data-{self.tries}.zip"


class ErasureProof(models.Model):
    """That something was erased: what, how much of it, and which backups hold it until when. It names nobody."""

    course = models.ForeignKey(
        "teams.Course", on_delete=models.SET_NULL, null=True, related_name="erasure_proofs"
    )
    what = models.CharField(max_length=60, help_text="A person's data, a row, a course.")
    subject = models.CharField(
        max_length=64,
        help_text="A keyed hash of what it was: who knows the address or the row can check that it was this one.",
    )
    database = models.JSONField(default=dict, help_text="Rows removed or emptied, by table.")
    files = models.JSONField(
        default=list, help_text="Files removed: kind, where, bytes, SHA-256."
    )
    provider = models.JSONField(default=list, help_text="What a provider said, or still holds.")
    to_destroy = models.JSONField(
        default=list,
        help_text="Places of files of which the storage has not said yet that nothing is left.",
    )
    destroyed_at = models.DateTimeField(
        null=True, help_text="When the storage was asked and held nothing of it any more."
    )
    backups_until = models.DateField(help_text="From this day no backup holds it.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
