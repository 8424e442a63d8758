"""What a team would rather have heard from its bot: the answer that it wrote when it made a training row of one."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.models import Dataset
from evaluation.models.chat import Turn
from evaluation.models.interview import InterviewAnswer
from training.models import TrainingRun


class BetterAnswer(models.Model):
    """The team's own words in place of an answer; with the answer that the bot gave they are a pair. The newest counts.

    `turn` or `heard` is set: an answer of a talk, or one of a standard interview. `edition` counts the saves: who saves names
    the one that they saw, so that nobody overwrites a text that they have not read.
    """

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="better_answers")
    turn = models.OneToOneField(
        Turn, on_delete=models.CASCADE, null=True, related_name="better_answer"
    )
    heard = models.OneToOneField(
        InterviewAnswer, on_delete=models.CASCADE, null=True, related_name="better_answer"
    )
    answer = models.TextField()
    with_earlier = models.BooleanField(
        default=False, help_text="What was said before belongs to it."
    )
    dataset = models.ForeignKey(
        Dataset,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Where its row was added.",
    )
    row_id = models.CharField(
        max_length=40, blank=True, help_text="Of that row; empty where it is not known."
    )
    edition = models.PositiveIntegerField(default=1)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(turn__isnull=False, heard__isnull=True)
                | Q(turn__isnull=True, heard__isnull=False),
                name="better_answer_to_one_answer",
            )
        ]
