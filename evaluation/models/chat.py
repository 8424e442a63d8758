import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from evaluation.models.submission import Submission
from teams.models import Team
from training.models import TrainingRun


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def for_team(self, team: Team) -> "ConversationQuerySet":
        """A team's own talks: never a professor's interviews."""
        return self.filter(run__team=team, submission=None, deleted_at=None)


class Conversation(models.Model):
    """One person talking with one bot. With a submission it is a professor's interview."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="conversations")
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, null=True, related_name="interviews")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]


class TurnStatus(models.TextChoices):
    STREAMING = "streaming", "Answering"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


class Turn(models.Model):
    """What the teacher said and what the student answered."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    position = models.PositiveIntegerField()
    question = models.TextField()
    answer = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=TurnStatus.choices, default=TurnStatus.STREAMING)
    error_message = models.TextField(blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    first_token_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "position"], name="turn_position_unique"),
            models.CheckConstraint(condition=Q(status__in=TurnStatus.values), name="turn_status_known"),
        ]

    @property
    def hold_key(self) -> str:
        return f"turn-{self.pk}"

    @property
    def topic(self) -> str:
        return f"turn-{self.conversation.key}-{self.position}"
