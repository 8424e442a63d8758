"""What a model wrote and a team took over: known again even where a row's label is gone."""

from django.db import models

from teams.models import Team


class MachineText(models.Model):
    """A digest of one exchange that a model wrote and somebody of the team accepted as a row."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="machine_texts")
    digest = models.CharField(
        max_length=64, help_text="SHA-256 of question and answer: `services.machine_rows`."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "digest"], name="machine_text_once_a_team")
        ]
