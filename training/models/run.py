"""A training run: the row is the truth, RQ is transport, engines are programs."""

import uuid

from django.conf import settings as django_settings
from django.db import models, transaction
from django.db.models import Q

from datasets.models import DatasetVersion
from teams.models import Method, Team
from training.models.base_model import BaseModel


class RunStatus(models.TextChoices):
    QUEUED = "queued", "Waiting in the queue"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for the provider"
    CANCELLING = "cancelling", "Cancelling"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


NEXT: dict[str, frozenset[str]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.QUEUED, RunStatus.WAITING, RunStatus.CANCELLING, RunStatus.SUCCEEDED, RunStatus.FAILED}
    ),
    RunStatus.WAITING: frozenset({RunStatus.CANCELLING, RunStatus.SUCCEEDED, RunStatus.FAILED}),
    RunStatus.CANCELLING: frozenset({RunStatus.CANCELLED, RunStatus.SUCCEEDED, RunStatus.FAILED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
ACTIVE = frozenset(status for status, following in NEXT.items() if following)


class InvalidTransition(Exception):
    """Another process moved the run first, or this move is not allowed from where it is."""


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def for_team(self, team: Team) -> "TrainingRunQuerySet":
        return self.filter(team=team)

    def active(self) -> "TrainingRunQuerySet":
        return self.filter(status__in=ACTIVE)

    def finished(self) -> "TrainingRunQuerySet":
        """Runs that one can talk to."""
        return self.filter(status=RunStatus.SUCCEEDED)


class TrainingRun(models.Model):
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names the run's folder and model.")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="Counts within the team.")
    name = models.CharField(max_length=80, blank=True)
    method = models.CharField(max_length=10, choices=Method.choices)
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="runs")
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="runs")
    settings = models.JSONField(help_text="Checked by the method's form; the engine's `settings`.")
    seed = models.PositiveIntegerField(default=17)
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.QUEUED)
    rehearsal = models.BooleanField(default=False)

    created_by = models.ForeignKey(django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    lease = models.CharField(max_length=32, blank=True, help_text="Token of the worker that may write; empty when none.")
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)

    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    train_loss = models.FloatField(null=True)
    validation_loss = models.FloatField(null=True)
    score_before = models.FloatField(null=True)
    score_after = models.FloatField(null=True)
    calls_used = models.PositiveIntegerField(default=0)
    calls_allowed = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    training_tokens = models.PositiveBigIntegerField(default=0)
    compute_seconds = models.FloatField(default=0)

    expected_cost = models.BigIntegerField(default=0, help_text="Micro-dollars shown before launch.")
    most_cost = models.BigIntegerField(default=0, help_text="Micro-dollars held at launch.")

    provider = models.CharField(max_length=40, blank=True)
    provider_job = models.CharField(max_length=120, blank=True)
    provider_status = models.CharField(max_length=40, blank=True)
    provider_files = models.JSONField(default=list)
    result_model = models.CharField(max_length=200, blank=True, help_text="What a chat asks for: run-<key> or ft:…")
    result = models.JSONField(default=dict, help_text="The engine's result.json.")

    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_mend = models.TextField(blank=True)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "number"], name="run_number_unique_in_team"),
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status_known"),
        ]
        indexes = [models.Index(fields=["status", "lease_until"])]

    def __str__(self) -> str:
        return f"Run {self.number}" + (f" · {self.name}" if self.name else "")

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def hold_key(self) -> str:
        return f"run-{self.pk}"

    @property
    def topic(self) -> str:
        """The live channel of this run (`teams.live`)."""
        return f"run-{self.key}"

    def move_to(self, status: RunStatus, *, lease: str | None = None, **fields: object) -> None:
        """Move to `status` with one conditional UPDATE and an event row; `fields` are written in the same statement.

        With `lease`, only while that lease is held. Raises InvalidTransition for the loser of a race.
        """
        allowed = [before for before, following in NEXT.items() if status in following]
        with transaction.atomic():
            rows = TrainingRun.objects.filter(pk=self.pk, status__in=allowed)
            if lease is not None:
                rows = rows.filter(lease=lease)
            if not rows.update(status=status, **fields):
                raise InvalidTransition(f"Run {self.pk} cannot become {status} from where it is now.")
            RunEvent.objects.create(run=self, kind="status", data={"status": status})
        self.refresh_from_db()


class RunEvent(models.Model):
    """What happened to a run, in order: status moves, notes, curve points, samples. Append-only."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=20)
    step = models.PositiveIntegerField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "kind", "id"])]


class Artifact(models.Model):
    """What a run left behind, relative to the run's folder, with the hash it had when it was made."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="artifact_once_per_run")]
