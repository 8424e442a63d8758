from django.db import models

from datasets.models.dataset import DatasetVersion


class FrozenSplit(models.Model):
    """Which rows of a version are kept back to measure with. Made once, so that runs of one version compare fairly."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="splits")
    fraction = models.FloatField()
    seed = models.PositiveIntegerField()
    validation_ids = models.JSONField(help_text="Row ids, in the order of the rows.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "fraction", "seed"], name="split_frozen_once"
            ),
            models.CheckConstraint(
                condition=models.Q(fraction__gte=0, fraction__lte=0.5),
                name="split_fraction_sensible",
            ),
        ]

    @property
    def percent(self) -> int:
        return round(100 * self.fraction)
