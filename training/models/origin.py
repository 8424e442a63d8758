from django.conf import settings
from django.db import models

from training.models.run import TrainingRun


class Origin(models.Model):
    """Where a run comes from that was not trained by itself: a bundle, or a checkpoint of another run."""

    class Kind(models.TextChoices):
        BUNDLE = "bundle", "Imported"
        CHECKPOINT = "checkpoint", "Checkpoint"

    run = models.OneToOneField(TrainingRun, on_delete=models.CASCADE, related_name="origin")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    source = models.ForeignKey(
        TrainingRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="derived",
        help_text="The run it was taken from, where that is one of the same team.",
    )
    words = models.CharField(max_length=300, help_text="Where it comes from, in a sentence.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the imported file.")
    signed = models.BooleanField(
        default=False, help_text="Exported by this platform and unchanged since."
    )
    brought_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    brought_at = models.DateTimeField(auto_now_add=True)
