from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from teams.models import Course

USUAL_RUNS_AT_ONCE = 3
MOST_RUNS_AT_ONCE = 50


class TrainingPolicy(models.Model):
    """How the teams of one course may train. A course without a row has the usual limits."""

    course = models.OneToOneField(
        Course, on_delete=models.CASCADE, related_name="training_policy"
    )
    team_runs_at_once = models.PositiveSmallIntegerField(
        "Runs of one team at once",
        default=USUAL_RUNS_AT_ONCE,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_RUNS_AT_ONCE)],
        help_text="Of all methods together. What a team starts beyond that waits until one of its runs ends.",
    )

    host_label = models.CharField(
        "Only on hosts with this label",
        max_length=40,
        blank=True,
        help_text="One of the labels that the queue page shows beside a host, such as gpu. Empty: on any host.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(team_runs_at_once__gte=1, team_runs_at_once__lte=MOST_RUNS_AT_ONCE),
                name="policy_team_runs_at_once_sane",
            )
        ]
