from django.db import models

from training.models.run import TrainingRun


class RunVerdict(models.Model):
    """What one adapter of a run, or the base it began from, said to fresh questions, and how its answers read.

    Counts are answers out of `asked`. `measure` is the version of the rules: figures of different versions are not compared.
    """

    class Of(models.TextChoices):
        BASE = "base", "Before training"
        CHECKPOINT = "checkpoint", "Checkpoint"

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="verdicts")
    of = models.CharField(max_length=10, choices=Of.choices)
    step = models.PositiveIntegerField(default=0, help_text="Of the checkpoint; 0 for the base.")
    kept = models.BooleanField(default=False)
    fresh = models.BooleanField(
        default=True, help_text="False: the sample questions, where no others were asked."
    )
    validation_loss = models.FloatField(null=True)
    asked = models.PositiveSmallIntegerField()
    changed = models.PositiveSmallIntegerField(help_text="Other words than the base's.")
    language = models.PositiveSmallIntegerField()
    childlike = models.PositiveSmallIntegerField()
    repeats = models.PositiveSmallIntegerField()
    sums = models.PositiveSmallIntegerField(help_text="How many of the questions were sums.")
    right = models.PositiveSmallIntegerField(help_text="Sums that were right.")
    measure = models.CharField(max_length=20)
    answers = models.JSONField(
        help_text="[{question, answer, and what was read from it}] in the order of asking."
    )

    class Meta:
        ordering = ["run", "step", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "of", "step"], name="verdict_once_per_checkpoint"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_of_display()} {self.step} of {self.run}"
