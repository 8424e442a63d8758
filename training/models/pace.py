from django.db import models

from training.models.base_model import BaseModel


class PaceTrial(models.Model):
    """A short training run of this machine's own, of rows that nobody keeps, which shows how fast it trains a base model.

    Belongs to no team and costs nobody anything. `trouble` says why one showed nothing.
    """

    base_model = models.ForeignKey(
        BaseModel, on_delete=models.CASCADE, related_name="pace_trials"
    )
    machine = models.CharField(
        max_length=200, help_text="What computed: another machine is measured anew."
    )
    at = models.DateTimeField(auto_now_add=True)
    compute_seconds = models.FloatField(default=0)
    metrics = models.JSONField(default=dict, help_text="The engine's, as in a run's result.")
    trouble = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Pace of {self.base_model} on {self.machine}"

    @property
    def tokens_per_second(self) -> float:
        """In training steps; 0 where the trial showed nothing."""
        seconds = float(self.metrics.get("train_seconds") or 0)
        return float(self.metrics["tokens"]) / seconds if seconds else 0.0
