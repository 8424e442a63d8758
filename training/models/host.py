"""Hosts that train: each says of itself what it has, and when it last did. Launch, claims and pages go by these rows."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

SILENT = timedelta(seconds=150)
"""A worker beats at least every 45 seconds."""


class HostQuerySet(models.QuerySet["Host"]):
    def alive(self) -> "HostQuerySet":
        return self.filter(beat_at__gte=timezone.now() - SILENT)


class Host(models.Model):
    """One machine whose training worker has said so. The row stays when it dies, and says since when it is silent."""

    name = models.CharField(max_length=80, unique=True)
    labels: Any = models.JSONField(
        default=list, help_text="Words of whoever runs it, such as gpu1."
    )
    machine = models.CharField(
        max_length=200,
        blank=True,
        help_text="What computes there: hosts of one kind share what was measured.",
    )
    version = models.CharField(max_length=40, blank=True)
    cores = models.PositiveIntegerField(default=1)
    memory_total = models.BigIntegerField(
        null=True, help_text="Bytes; of the GPU with the least where it has any."
    )
    memory_free = models.BigIntegerField(null=True, help_text="Bytes at its last beat.")
    gpus: Any = models.JSONField(
        default=list, help_text="Their names, where runs compute on them."
    )
    bases: Any = models.JSONField(
        default=list, help_text="Names of the base models whose weights lie there."
    )
    beat_at = models.DateTimeField()

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def alive(self) -> bool:
        return self.beat_at >= timezone.now() - SILENT
