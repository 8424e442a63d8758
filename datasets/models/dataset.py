"""Datasets and their immutable versions. Rows live in content-addressed blocks, shared between versions."""

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.fields.json import KT

from teams.models import Team


class Shape(models.TextChoices):
    DIALOGUE = "dialogue", "Dialogue (DSPy)"
    MESSAGES = "messages", "Messages (OpenAI)"
    INSTRUCTION = "instruction", "Instruction (LoRA)"
    PREFERENCE = "preference", "Preference pairs (DPO)"


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def for_team(self, team: Team) -> "DatasetQuerySet":
        return self.filter(team=team).select_related("team", "created_by")

    def with_newest(self) -> "DatasetQuerySet":
        """Each dataset with figures of its newest version, in the same query; None where it has none."""
        newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
        return self.annotate(
            newest_number=Subquery(newest.values("number")[:1]),
            newest_rows=Subquery(newest.values("row_count")[:1]),
            newest_shape=Subquery(newest.values("shape")[:1]),
            newest_at=Subquery(newest.values("created_at")[:1]),
            newest_measured=Subquery(newest.values("measured_at")[:1]),
            newest_findings=Subquery(newest.values("open_privacy_findings")[:1]),
        )


class Dataset(models.Model):
    """A named line of versions that belongs to one team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=80)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    created_at = models.DateTimeField(auto_now_add=True)
    pseudonyms = models.JSONField(
        default=dict,
        blank=True,
        help_text="Which stand-in each piece of personal data has got, in all versions: keyed hash -> place of the stand-in.",
    )

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="dataset_name_unique_in_team")
        ]

    def __str__(self) -> str:
        return self.name


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    def for_team(self, team: Team) -> "DatasetVersionQuerySet":
        return self.filter(dataset__team=team).select_related(
            "dataset__team", "created_by", "parent"
        )

    def without_report(self) -> "DatasetVersionQuerySet":
        """For lists: of the report, which may be big, only what says how far the search for personal data is."""
        return self.defer("report").annotate(told_privacy_model=KT("report__privacy_model"))


class DatasetVersion(models.Model):
    """One accepted state of a dataset: never changed, identified by the hash of its rows."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="children"
    )
    shape = models.CharField(max_length=12, choices=Shape.choices)
    content_hash = models.CharField(
        max_length=64, help_text="SHA-256 over the canonical rows in order."
    )
    row_count = models.PositiveIntegerField()
    turn_count = models.PositiveIntegerField(
        default=0, help_text="Student turns: what a model learns from."
    )
    token_estimate = models.PositiveBigIntegerField(default=0)
    source_name = models.CharField(max_length=200, blank=True)
    note = models.CharField(
        max_length=300,
        blank=True,
        help_text="What changed, in the words of the one who changed it.",
    )
    skipped_rows = models.PositiveIntegerField(
        default=0, help_text="Rows left out because a person chose to keep the good ones."
    )
    erased_rows = models.PositiveIntegerField(
        default=0,
        help_text="Rows that were erased from it later, because a person's data had to go.",
    )
    report = models.JSONField(
        default=dict,
        help_text="What `datasets.checks.report` found: keys `quality`, `privacy`, `sampled`.",
    )
    measured_at = models.DateTimeField(
        null=True, help_text="When the checks were done; until then nothing is known."
    )
    open_privacy_findings = models.PositiveIntegerField(default=0)
    privacy_justification = models.CharField(max_length=500, blank=True)
    privacy_justified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "number"], name="version_number_unique_in_dataset"
            ),
            models.CheckConstraint(condition=Q(row_count__gt=0), name="version_has_rows"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def may_leave_this_machine(self) -> bool:
        """Whether a cloud provider may see these rows: checked by rules and model, no finding open, or a written reason."""
        return (
            self.measured_at is not None
            and not self.waits_for_model
            and (not self.open_privacy_findings or bool(self.privacy_justification))
        )

    @property
    def waits_for_model(self) -> bool:
        """Whether the rules have looked and the name model has not yet."""
        return self._privacy_model == "waiting"

    @property
    def looked_by_model(self) -> bool:
        """Whether the name model has looked through the rows as well as the rules."""
        return self._privacy_model == "looked"

    @property
    def _privacy_model(self) -> str:
        if hasattr(self, "told_privacy_model"):
            return str(self.told_privacy_model or "")
        return str(self.report.get("privacy_model") or "")


class RowBlock(models.Model):
    """Up to 256 consecutive rows, compressed; equal blocks of one team are stored once."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="row_blocks")
    content_hash = models.CharField(max_length=64)
    row_count = models.PositiveSmallIntegerField()
    rows = models.BinaryField(help_text="zlib-compressed JSON lines, one canonical row each.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "content_hash"], name="block_stored_once_per_team"
            )
        ]


class VersionBlock(models.Model):
    """The place of a block in a version. `first_row` is the position of its first row, from 0."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="blocks")
    block = models.ForeignKey(RowBlock, on_delete=models.RESTRICT, related_name="places")
    first_row = models.PositiveIntegerField()

    class Meta:
        ordering = ["first_row"]
        constraints = [
            models.UniqueConstraint(fields=["version", "first_row"], name="one_block_at_a_place")
        ]
