from django.conf import settings
from django.db import models

from evaluation.models.submission import Submission
from teams.models import Course


class ResultRelease(models.Model):
    """What a team was shown at one moment. It never changes: whatever happens later waits for the next version.

    `content` is `evaluation.services.frozen.Content`; criteria and answers are named by their keys.
    """

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveSmallIntegerField()
    content = models.JSONField()
    reason = models.CharField(
        max_length=500, blank=True, help_text="Why there is a new version; empty for the first."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "number"], name="release_number_unique"
            )
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class GradeScale(models.Model):
    """How a course makes points of levels. Without a row: 100 points, the rubric's weights, even steps.

    `weights` by a criterion's key, where they are not the rubric's own; `shares` in percent of the points for each level,
    from the lowest, empty for even steps.
    """

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="grade_scale")
    title = models.CharField(max_length=60, help_text="The column's name in a grade book.")
    points = models.PositiveSmallIntegerField()
    weights = models.JSONField(default=dict)
    shares = models.JSONField(default=list)
    changed_at = models.DateTimeField(auto_now=True)
