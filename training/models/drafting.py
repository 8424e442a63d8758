"""Rows that a model writes after a team's examples, and what people say of each."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.utils import timezone

from datasets.models import Dataset, DatasetVersion
from teams.models import PaidFor, SubjectKind, Team
from training.models.run import TrainingRun


class DraftingStatus(models.TextChoices):
    WAITING = "waiting", "Waits for a worker"
    WRITING = "writing", "Being written"
    DONE = "done", "Written"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


AT_WORK = (DraftingStatus.WAITING, DraftingStatus.WRITING)


class DraftingQuerySet(models.QuerySet["Drafting"]):
    def for_team(self, team: Team) -> "DraftingQuerySet":
        return self.filter(team=team).select_related("team__course", "dataset", "version", "run")

    def at_work(self) -> "DraftingQuerySet":
        return self.filter(status__in=AT_WORK)

    def with_counts(self) -> "DraftingQuerySet":
        """How many rows there are, and how many in each state, in the same query."""
        return self.annotate(
            written=Count("rows"),
            open_rows=Count("rows", filter=Q(rows__state=RowState.OPEN)),
            accepted_rows=Count("rows", filter=Q(rows__state=RowState.ACCEPTED)),
        )


class Drafting(models.Model):
    """One request to write rows: who writes, after which examples, how many. It pays for all its calls with one hold."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="draftings")
    dataset = models.ForeignKey(
        Dataset, on_delete=models.SET_NULL, null=True, related_name="draftings"
    )
    version = models.ForeignKey(
        DatasetVersion, on_delete=models.SET_NULL, null=True, related_name="draftings"
    )
    examples = models.JSONField(
        help_text="Ids of the version's rows that are shown to the model."
    )
    writer = models.CharField(
        max_length=240, help_text="Who writes: `services.writers` names and finds them."
    )
    writer_name = models.CharField(max_length=240, help_text="The same for people.")
    run = models.ForeignKey(
        TrainingRun, on_delete=models.SET_NULL, null=True, related_name="draftings"
    )
    topic = models.CharField(max_length=120, blank=True)
    wanted = models.PositiveSmallIntegerField()
    status = models.CharField(
        max_length=8, choices=DraftingStatus.choices, default=DraftingStatus.WAITING
    )
    trouble = models.CharField(max_length=500, blank=True)
    stop_asked = models.BooleanField(default=False)
    lease = models.CharField(max_length=32, blank=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = DraftingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["team"],
                condition=Q(status__in=["waiting", "writing"]),
                name="one_drafting_of_a_team_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=DraftingStatus.values), name="drafting_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.wanted} rows by {self.writer_name}"

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.DRAFTING, self.key)

    @property
    def hold_key(self) -> str:
        return f"drafting-{self.key}"

    @property
    def is_at_work(self) -> bool:
        return self.status in AT_WORK


class RowState(models.TextChoices):
    OPEN = "open", "Nobody has decided yet"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    UNUSABLE = "unusable", "No question and answer"


class DraftedRow(models.Model):
    """One question and answer as the model wrote them, with what the checks found and what a person decided."""

    drafting = models.ForeignKey(Drafting, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveSmallIntegerField()
    question = models.TextField(blank=True)
    answer = models.TextField(blank=True, help_text="Of an unusable one: all that came.")
    findings = models.JSONField(
        default=list, help_text="[{code, words, serious}] of the checks."
    )
    state = models.CharField(max_length=8, choices=RowState.choices, default=RowState.OPEN)
    edited = models.BooleanField(default=False, help_text="Accepted in other words.")
    row_id = models.CharField(
        max_length=40, blank=True, help_text="Which row of the dataset it became."
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["drafting", "position"], name="drafted_row_once_at_a_place"
            ),
            models.CheckConstraint(
                condition=Q(state__in=RowState.values), name="drafted_row_state_known"
            ),
        ]

    @property
    def is_serious(self) -> bool:
        """Whether a check found what makes the row unfit as it stands."""
        return any(one["serious"] for one in self.findings)
