from django.conf import settings
from django.db import models

from datasets.models.dataset import Dataset


class SourceRecord(models.Model):
    """Where the rows of a dataset are from. Words of real children are used only where this says who allowed it."""

    class Kind(models.TextChoices):
        WRITTEN = "written", "Written by the team"
        GENERATED = "generated", "Written by a model"
        PUBLISHED = "published", "From a published dataset"
        CLASSROOM = "classroom", "Real classroom: children said or wrote it"

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="source")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    place = models.CharField(max_length=200, blank=True, help_text="Where it was collected.")
    people = models.CharField(
        max_length=200, blank=True, help_text="Whose words they are, without names."
    )
    period = models.CharField(max_length=100, blank=True, help_text="When it was collected.")
    consent = models.CharField(
        max_length=200, blank=True, help_text="The consent form or IRB protocol that allows it."
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    recorded_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.dataset}: {self.get_kind_display()}"

    @property
    def missing(self) -> list[str]:
        """What a record of a real classroom does not say yet, in words."""
        if self.kind != self.Kind.CLASSROOM:
            return []
        asked = {
            "where": self.place,
            "who": self.people,
            "when": self.period,
            "the consent or IRB reference": self.consent,
        }
        return [name for name, said in asked.items() if not said.strip()]
