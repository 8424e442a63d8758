from django.conf import settings
from django.db import models

from teams.methods import choices
from teams.models import Team


class DeletedRun(models.Model):
    """That there was such a run: its number is never given again, and what it cost can still be told by name."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="deleted_runs")
    number = models.PositiveIntegerField(
        help_text="Counts within the team, with the runs that are still there."
    )
    name = models.CharField(max_length=80, blank=True)
    method = models.CharField(max_length=10, choices=choices)
    key = models.UUIDField(unique=True, editable=False, help_text="The run's; charges name it.")
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    deleted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "number"], name="deleted_run_number_unique_in_team"
            )
        ]

    def __str__(self) -> str:
        return f"deleted run {self.number}" + (f" · {self.name}" if self.name else "")
