"""What a person said of a single privacy finding."""

from django.conf import settings
from django.db import models

from datasets.models.dataset import Dataset


class FindingJustification(models.Model):
    """A finding that somebody looked at and found harmless, and why. It holds in every version in which the row still
    says the same at that place.
    """

    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, related_name="finding_justifications"
    )
    row_id = models.CharField(max_length=40)
    field = models.CharField(
        max_length=200, help_text="The place in the row, such as messages[1].content."
    )
    text = models.CharField(max_length=500, help_text="The words that were found.")
    reason = models.CharField(max_length=300)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "row_id", "field", "text"], name="finding_justified_once"
            )
        ]

    def __str__(self) -> str:
        return f"“{self.text}” is harmless: {self.reason}"
