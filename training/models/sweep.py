import uuid

from django.conf import settings
from django.db import models

from teams.models import Team


class SweepQuerySet(models.QuerySet["Sweep"]):
    def for_team(self, team: Team) -> "SweepQuerySet":
        return self.filter(team=team).select_related("team__course", "created_by")


class Sweep(models.Model):
    """Runs that were started together and differ in a setting or two. Each run has its own hold, number and end."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="sweeps")
    name = models.CharField(max_length=80, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SweepQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name or f"Sweep of {self.created_at:%d %b}"
