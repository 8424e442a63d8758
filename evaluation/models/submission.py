import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q

from evaluation.models.rubric import RubricVersion
from teams.models import Team
from training.models import TrainingRun


def new_blind_code() -> str:
    """What stands in a professor's URLs: says nothing about the team."""
    return secrets.token_urlsafe(9)


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def for_team(self, team: Team) -> "SubmissionQuerySet":
        return self.filter(team=team)

    def current(self) -> "SubmissionQuerySet":
        return self.filter(replaced_at=None)


class Submission(models.Model):
    """The one bot a team hands in: a frozen bundle, graded blind."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="submissions")
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="submissions")
    rubric = models.ForeignKey(
        RubricVersion, on_delete=models.PROTECT, related_name="submissions"
    )
    blind_code = models.CharField(max_length=16, unique=True, default=new_blind_code)
    bundle = models.JSONField(help_text="What was handed in, see services/submissions.py.")
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    submitted_at = models.DateTimeField(auto_now_add=True)
    replaced_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering = ["-submitted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["team"],
                condition=Q(replaced_at=None),
                name="one_current_submission_per_team",
            )
        ]
