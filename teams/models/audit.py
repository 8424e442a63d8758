from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """Who changed what that matters, from what to what. Append-only."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, related_name="audit_entries", null=True
    )
    team = models.ForeignKey(
        "teams.Team", on_delete=models.SET_NULL, related_name="audit_entries", null=True
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    action = models.CharField(max_length=60)
    what = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    imported = models.BooleanField(
        default=False, help_text="Came with an imported course: another platform wrote it."
    )

    class Meta:
        ordering = ["-at", "-id"]
