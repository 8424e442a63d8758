"""A training run: the row is the truth, RQ is transport, engines are programs.

Whoever works on a run holds its lease: a token and a time. Every write of theirs names the token, so that a worker that was
taken for dead (and perhaps is not) can no longer change anything.
"""

import uuid
from pathlib import Path

from django.conf import settings as django_settings
from django.db import models, transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from datasets.models import DatasetVersion
from teams import places
from teams.methods import choices
from teams.models import LedgerEntry, PaidFor, SubjectKind, Team
from training import methods, program_design
from training.methods import TrainingMethod
from training.models.base_model import BaseModel
from training.models.lease import lease_time, new_lease
from training.models.missing import Missing
from training.models.sweep import Sweep
from training.program_design import Design
from teams.safe_files import file_in


class RunStatus(models.TextChoices):
    QUEUED = "queued", "Waiting in the queue"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for the provider"
    DEPLOYING = "deploying", "Trained; being deployed at the provider"
    CANCELLING = "cancelling", "Cancelling"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


NEXT: dict[str, frozenset[str]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.QUEUED, RunStatus.WAITING, RunStatus.CANCELLING, RunStatus.SUCCEEDED, RunStatus.FAILED}
    ),
    RunStatus.WAITING: frozenset({RunStatus.DEPLOYING, RunStatus.CANCELLING, RunStatus.SUCCEEDED, RunStatus.FAILED}),
    RunStatus.DEPLOYING: frozenset({RunStatus.CANCELLING, RunStatus.SUCCEEDED, RunStatus.FAILED}),
    RunStatus.CANCELLING: frozenset({RunStatus.CANCELLED, RunStatus.SUCCEEDED, RunStatus.FAILED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
ACTIVE = frozenset(status for status, following in NEXT.items() if following)
ENDED = frozenset(status for status, following in NEXT.items() if not following)
AT_PROVIDER = (RunStatus.WAITING, RunStatus.DEPLOYING, RunStatus.CANCELLING)  # where looks follow a job
HELD = frozenset({RunStatus.RUNNING, *AT_PROVIDER})  # where a lease may be held
MOST_ATTEMPTS = 3
CREATING = "creating"  # the provider's status from just before a job is made until it is seen


class InvalidTransition(Exception):
    """Another process moved the run first, or this move is not allowed from where it is."""


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def for_team(self, team: Team) -> "TrainingRunQuerySet":
        return self.filter(team=team)

    def active(self) -> "TrainingRunQuerySet":
        return self.filter(status__in=ACTIVE)

    def adapters(self) -> "TrainingRunQuerySet":
        """As `TrainingRun.is_adapter`."""
        ours = methods.where(lambda method: method.leaves_adapter)
        away = methods.where(lambda method: method.kept_by_provider)
        return self.filter(Q(method__in=ours) | Q(method__in=away, base_model__method__in=ours))

    def on_this_machine(self) -> "TrainingRunQuerySet":
        """As `TrainingRun.works_here`."""
        ours = methods.where(lambda method: method.leaves_adapter)
        away = methods.where(lambda method: method.kept_by_provider)
        return self.exclude(Q(method__in=away) & ~Q(base_model__method__in=ours))

    def finished(self) -> "TrainingRunQuerySet":
        """Runs that one can talk to."""
        return self.filter(status=RunStatus.SUCCEEDED)

    def shown(self) -> "TrainingRunQuerySet":
        """Without those that the team archived: what lists and choices show unless somebody asks for all."""
        return self.filter(archived_at=None)

    def with_related(self) -> "TrainingRunQuerySet":
        """Everything that a page or a worker reads of a run, in one query."""
        return self.select_related(
            "team__course",
            "base_model__provider",
            "starts_from",
            "sweep",
            "dataset_version__dataset",
            "created_by",
            "origin__source",
            "origin__brought_by",
        )

    def with_charge(self) -> "TrainingRunQuerySet":
        """`charged`: micro-dollars in the ledger, None before a run is settled."""
        of_run = LedgerEntry.objects.filter(purpose__kind=SubjectKind.RUN, purpose__key=OuterRef("key"), corrects=None)
        return self.annotate(charged=Subquery(of_run.values("delta")[:1]))


class TrainingRun(models.Model):
    key = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="Names the run's folder and model."
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="Counts within the team.")
    name = models.CharField(max_length=80, blank=True)
    note = models.TextField(max_length=2_000, blank=True, help_text="What the team wrote beside it.")
    starred = models.BooleanField(default=False)
    archived_at = models.DateTimeField(
        null=True, help_text="Hidden from lists since then; its cost counts all the same."
    )
    method = models.CharField(max_length=10, choices=choices)
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="runs")
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="runs")
    starts_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="continued_by",
        help_text="The run whose adapter this one goes on from; empty: from the base model.",
    )
    sweep = models.ForeignKey(
        Sweep, on_delete=models.SET_NULL, null=True, related_name="runs", help_text="What it was started with."
    )
    settings = models.JSONField(help_text="Checked by the method's form; the engine's `settings`.")
    seed = models.PositiveIntegerField(default=17)
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.QUEUED)
    rehearsal = models.BooleanField(default=False)
    imported = models.BooleanField(
        default=False, help_text="Came in with an archive: nothing about this machine can be learned from it."
    )

    created_by = models.ForeignKey(django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    lease = models.CharField(
        max_length=32, blank=True, help_text="Token of the worker that may write; empty when none."
    )
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    host = models.CharField(
        max_length=80, blank=True, help_text="Name of the host that works on it, or did last."
    )
    stop_asked_at = models.DateTimeField(null=True, help_text="Stop after the present step, and keep it.")

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
    compute_seconds = models.FloatField(default=0, help_text="Local training by the clock, lost attempts included.")
    idle_speed = models.JSONField(
        default=dict, help_text="Local training is charged by its work at this speed and rate, chosen at launch."
    )
    work = models.JSONField(default=dict, help_text="What local training did that was kept, as its engine counts it.")

    expected_cost = models.BigIntegerField(default=0, help_text="Micro-dollars shown before launch.")
    most_cost = models.BigIntegerField(default=0, help_text="Micro-dollars held at launch.")

    provider = models.CharField(max_length=40, blank=True)
    provider_job = models.CharField(max_length=120, blank=True)
    provider_status = models.CharField(max_length=40, blank=True)
    provider_files = models.JSONField(default=list)
    result_model = models.CharField(max_length=200, blank=True, help_text="What a chat asks for: run-<key> or ft:…")
    deployment = models.CharField(
        max_length=120, blank=True, help_text="What a chat asks for where the model was deployed under another name."
    )
    result = models.JSONField(default=dict, help_text="The engine's result.json.")

    missing = models.JSONField(default=list, help_text="Parts of a paid result that were not read yet (Missing).")
    missing_tries = models.PositiveSmallIntegerField(
        default=0, help_text="How often they were asked for since the end."
    )
    missing_next = models.DateTimeField(null=True, help_text="When they are asked for again; empty: not any more.")

    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_fix = models.TextField(blank=True)

    objects = TrainingRunQuerySet.as_manager()

    queue_place: int | None  # where the list of runs asked for it

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
    def is_preference(self) -> bool:
        """Learns from pairs of answers (DPO), here or at a provider."""
        return bool(self.settings.get("training") == "dpo")

    @property
    def is_adapter(self) -> bool:
        """Trained by the LoRA engine: for the method LoRA, and for the method OpenAI where this platform is the service."""
        return self.trained_with.leaves_adapter or self.is_own_job

    @property
    def trained_with(self) -> TrainingMethod:
        """What its method says about itself (`training/methods`)."""
        return methods.get(self.method)

    @property
    def is_own_job(self) -> bool:
        """An OpenAI run that was trained on this platform: its base is one of ours, which are listed for LoRA."""
        return self.trained_with.kept_by_provider and methods.get(self.base_model.method).leaves_adapter

    @property
    def works_here(self) -> bool:
        """Needs the training slot: its engine runs on this machine. Only jobs at a provider do not."""
        return not self.trained_with.kept_by_provider or self.is_adapter

    @property
    def form(self) -> str:
        """Which form starts a run like this one."""
        return "dpo" if self.is_preference and self.trained_with.leaves_adapter else self.method

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def program(self) -> Design | None:
        """How a DSPy run's program was declared; None for other methods, and where its settings hold none to be read."""
        if not self.trained_with.is_program:
            return None
        try:
            return program_design.read(self.settings.get("design"))
        except ValueError:
            return None

    @property
    def calls_an_answer(self) -> int:
        """Questions to the base model for one answer, when all goes well."""
        program = None if self.base_model.local else self.program
        return program.calls if program is not None else 1

    @property
    def job_unknown(self) -> bool:
        """The provider was asked for a job, and nobody knows whether it made one."""
        return self.provider_status == CREATING and not self.provider_job

    @property
    def missing_parts(self) -> list[str]:
        """What is missing, in words."""
        return [part.label for part in Missing if part in self.missing]

    @property
    def seconds(self) -> float | None:
        """From the first start to the end (or until now)."""
        end = self.finished_at or timezone.now()
        return None if self.started_at is None else (end - self.started_at).total_seconds()

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.RUN, self.key)

    @property
    def hold_key(self) -> str:
        return f"run-{self.pk}"

    @property
    def topic(self) -> str:  # its live channel (`teams.live`)
        return f"run-{self.key}"

    @property
    def disk_key(self) -> str:  # its files are counted under it (`teams.services.disk`)
        return f"run-{self.key}"

    @property
    def place(self) -> str:
        """Under which its files are stored (`teams.services.storage`)."""
        return places.of_run(self.key)

    @property
    def folder(self) -> Path:
        """Where the run's engine works, on whichever host it does."""
        return places.folder_of(self.place)

    def file(self, name: str) -> Path:
        """A file of the folder, proven to lie in it; it need not exist. Raises teams.safe_files.OutsideFolder."""
        return file_in(self.folder, name)

    def move_to(self, status: RunStatus, *, fence: str | None = None, **fields: object) -> None:
        """Move to `status` with one conditional UPDATE and an event row; `fields` are written in the same statement.

        With `fence`, only while that lease is held. Leaving RUNNING gives the lease up, except to CANCELLING, where its
        holder has yet to stop. Raises InvalidTransition for the loser of a race.
        """
        allowed = [before for before, following in NEXT.items() if status in following]
        if status is not RunStatus.CANCELLING:
            fields |= {"lease": "", "lease_until": None}
        if status in ENDED:
            fields |= {"finished_at": timezone.now()}
        with transaction.atomic():
            rows = TrainingRun.objects.filter(pk=self.pk, status__in=allowed)
            if fence is not None:
                rows = rows.filter(lease=fence)
            if not rows.update(status=status, **fields):
                raise InvalidTransition(f"Run {self.pk} cannot become {status} from where it is now.")
            self._note_status(status)
        self.refresh_from_db()

    def claim(self) -> str | None:
        """Begin an attempt: QUEUED to RUNNING under a new lease. Returns the lease, or None for the loser of a race."""
        lease, now = new_lease(), timezone.now()
        with transaction.atomic():
            claimed = TrainingRun.objects.filter(pk=self.pk, status=RunStatus.QUEUED).update(
                status=RunStatus.RUNNING,
                lease=lease,
                lease_until=now + lease_time(),
                attempt=F("attempt") + 1,
                started_at=Coalesce("started_at", now),
            )
            if not claimed:
                return None
            self._note_status(RunStatus.RUNNING)
        self.refresh_from_db()
        return lease

    def lease_for_poll(self) -> str | None:
        """A lease for one look at a run that waits for its provider; None while somebody else is looking."""
        lease, now = new_lease(), timezone.now()
        free = Q(lease="") | Q(lease_until__lt=now)
        rows = TrainingRun.objects.filter(free, pk=self.pk, status__in=AT_PROVIDER)
        if not rows.exclude(provider_job="").update(lease=lease, lease_until=now + lease_time()):
            return None
        self.refresh_from_db()
        return lease

    def release_lease(self, lease: str) -> None:
        """End a borrowed lease, if it is still ours."""
        TrainingRun.objects.filter(pk=self.pk, lease=lease).update(lease="", lease_until=None)

    def renew(self, lease: str) -> bool:
        """Hold the lease for another while. False when it is no longer ours: stop at once."""
        rows = TrainingRun.objects.filter(pk=self.pk, lease=lease, status__in=HELD)
        return bool(rows.update(lease_until=timezone.now() + lease_time()))

    def write(self, lease: str, **fields: object) -> bool:
        """Write progress under the lease. False when it is no longer ours: stop at once."""
        return bool(TrainingRun.objects.filter(pk=self.pk, lease=lease, status__in=HELD).update(**fields))

    def _note_status(self, status: RunStatus) -> None:
        RunEvent.objects.create(run=self, kind="status", data={"status": status})


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
