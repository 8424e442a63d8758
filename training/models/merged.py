from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from training.models.run import TrainingRun


class MergeStatus(models.TextChoices):
    WAITING = "waiting", "Waits for a worker"
    MAKING = "making", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Could not be made"


MERGING = (MergeStatus.WAITING, MergeStatus.MAKING)


class MergedModel(models.Model):
    """A run's adapter and its base as one model, made when somebody asks for it and kept for some days."""

    run = models.OneToOneField(TrainingRun, on_delete=models.CASCADE, related_name="merged")
    status = models.CharField(
        max_length=8, choices=MergeStatus.choices, default=MergeStatus.WAITING
    )
    stage = models.CharField(max_length=80, blank=True, help_text="What is being done now.")
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Why it could not be made, and what to do."
    )
    size = models.BigIntegerField(
        default=0, help_text="Bytes of the zip, or of what is reserved for it."
    )
    same = models.PositiveSmallIntegerField(
        default=0, help_text="Test questions answered word for word as in chat."
    )
    asked = models.PositiveSmallIntegerField(default=0, help_text="Test questions asked.")
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    asked_at = models.DateTimeField()
    alive_at = models.DateTimeField(help_text="When whoever makes it last said so.")
    ready_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"merged model of {self.run}"

    @property
    def kept_until(self) -> datetime | None:
        return (
            None
            if self.ready_at is None
            else self.ready_at + timedelta(days=settings.MERGED_KEPT_DAYS)
        )

    @property
    def at_work(self) -> bool:
        return self.status in MERGING
