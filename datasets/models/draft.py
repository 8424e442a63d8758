"""Edits that wait to become a version. Ten edits and one press of "Save" make one version, not ten."""

from django.conf import settings
from django.db import models

from datasets.models.dataset import Dataset, DatasetVersion


class Draft(models.Model):
    """The team's open edits of a dataset, on top of one version. A dataset has at most one."""

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="draft")
    base = models.ForeignKey(DatasetVersion, on_delete=models.RESTRICT, related_name="drafts")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Draft on {self.base}"

    @property
    def change_count(self) -> int:
        """Rows that would be changed, added or removed."""
        return self.changes.count()


class ChangeKind(models.TextChoices):
    EDIT = "edit", "Changed"
    ADD = "add", "Added"
    DELETE = "delete", "Removed"


class DraftChange(models.Model):
    """What happens to one row. An added row has the id it will keep and goes to the end."""

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="changes")
    row_id = models.CharField(max_length=40)
    position = models.PositiveIntegerField(
        null=True, help_text="Where the row stands in the base; null for an added one."
    )
    kind = models.CharField(max_length=6, choices=ChangeKind.choices)
    row = models.JSONField(
        null=True, help_text="The canonical row as it will be; null where it is removed."
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "row_id"], name="one_change_per_row_in_a_draft"
            )
        ]
