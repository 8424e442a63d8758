"""A team's bots behind an OpenAI-compatible address: which runs answer there, with which keys, and every call."""

import hashlib
import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from teams.models import PaidFor, SubjectKind, Team
from training.models.run import TrainingRun

KEY_START = "sk-course-"
SHOWN_CHARACTERS = len(KEY_START) + 4


class Deployment(models.Model):
    """A finished run that answers at the team's endpoint until it is stopped."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="deployments")
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="deployments")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=Q(stopped_at=None), name="run_deployed_once_at_a_time"
            )
        ]

    @property
    def model_name(self) -> str:
        """What a client asks for."""
        return f"run-{self.run.number}"


class EndpointKey(models.Model):
    """A key for programs. Only its hash is kept, so it can be shown once and never again."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="endpoint_keys")
    name = models.CharField(max_length=60)
    start = models.CharField(
        max_length=20, help_text="Its first characters, to tell keys apart."
    )
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the whole key: 256 random bits."
    )
    per_minute = models.PositiveIntegerField(default=30)
    daily_cap = models.BigIntegerField(help_text="Micro-dollars that its calls may cost a day.")
    trains = models.BooleanField(
        default=False, help_text="May also bring files and start fine-tuning jobs."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(daily_cap__gte=0), name="endpoint_cap_not_negative"
            )
        ]

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()

    @classmethod
    def new_secret(cls) -> str:
        return KEY_START + secrets.token_urlsafe(32)


class CallStatus(models.TextChoices):
    OPEN = "open", "Answering"
    DONE = "done", "Answered"
    BROKEN = "broken", "Broken off by the caller"
    FAILED = "failed", "No answer"


class EndpointCall(models.Model):
    """One question to a deployed bot. `cost`: micro-dollars, while it is open the most that it may cost."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    api_key = models.ForeignKey(EndpointKey, on_delete=models.CASCADE, related_name="calls")
    run = models.ForeignKey(
        TrainingRun,
        on_delete=models.SET_NULL,
        null=True,
        related_name="endpoint_calls",
        help_text="Empty once the run is deleted: the call still counts against its key's caps.",
    )
    at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=8, choices=CallStatus.choices, default=CallStatus.OPEN)
    streamed = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(
        null=True, help_text="From the question to the end of the answer."
    )
    cost = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=CallStatus.values), name="endpoint_call_status_known"
            )
        ]
        indexes = [
            models.Index(fields=["api_key", "-at"]),
            models.Index(fields=["status", "at"]),
        ]

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.ENDPOINT, self.key)

    @property
    def hold_key(self) -> str:
        return f"endpoint-{self.key}"
