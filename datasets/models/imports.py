"""An upload on its way to becoming a version. It keeps the file, so that nothing sent is lost while it is fixed."""

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.models.dataset import Dataset, DatasetVersion
from teams import places
from teams.models import Team


class ImportStatus(models.TextChoices):
    WAITING = "waiting", "Waiting to be checked"
    READING = "reading", "Being checked"
    READY = "ready", "Waiting for a decision"
    UNREADABLE = "unreadable", "Can't be read"
    ACCEPTED = "accepted", "Accepted"
    DISCARDED = "discarded", "Discarded"


OPEN = frozenset(
    {ImportStatus.WAITING, ImportStatus.READING, ImportStatus.READY, ImportStatus.UNREADABLE}
)


class Decision(models.TextChoices):
    ALL = "all", "All rows were good"
    KEEP_GOOD = "keep_good", "Keep the good rows, leave out the bad ones"


class ImportQuerySet(models.QuerySet["Import"]):
    def for_team(self, team: Team) -> "ImportQuerySet":
        return self.filter(team=team).select_related(
            "team", "dataset", "version", "created_by", "decided_by"
        )

    def open(self) -> "ImportQuerySet":
        return self.filter(status__in=OPEN)


class Import(models.Model):
    """One upload: its file, what was recognised, every problem, and what a person decided."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="imports")
    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, null=True, related_name="imports"
    )
    name = models.CharField(max_length=80, help_text="What the dataset will be called.")
    filename = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField(help_text="Bytes as sent.")
    status = models.CharField(
        max_length=12, choices=ImportStatus.choices, default=ImportStatus.WAITING
    )
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="Counts the checks; only the newest may write."
    )

    rule_fixes = models.JSONField(
        default=list, help_text="Codes of the repairs that a person asked for."
    )
    mapping = models.JSONField(
        null=True, help_text="Columns chosen by hand: the fields of `formats.ColumnMapping`."
    )
    encoding = models.CharField(
        max_length=12, blank=True, help_text="Chosen by a person; empty: found out."
    )
    found = models.JSONField(
        default=dict,
        help_text="What the reader found out beside the rows: encoding, speakers, columns, examples.",
    )
    shape = models.CharField(max_length=12, blank=True, help_text="The shape of most good rows.")
    recognised = models.CharField(max_length=400, blank=True)
    sure = models.CharField(max_length=10, blank=True)
    columns = models.JSONField(default=list)
    good_rows = models.PositiveIntegerField(default=0)
    bad_rows = models.PositiveIntegerField(default=0)
    turn_count = models.PositiveIntegerField(default=0)
    token_estimate = models.PositiveBigIntegerField(default=0)
    content_hash = models.CharField(max_length=64, blank=True)
    problem_groups = models.JSONField(
        default=list, help_text="[{code, severity, message, fix, fixable, count}], worst first."
    )
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent of the file read.")
    progress_rows = models.PositiveIntegerField(default=0)
    progress_at = models.DateTimeField(null=True)

    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    version = models.ForeignKey(
        DatasetVersion, on_delete=models.SET_NULL, null=True, related_name="imports"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    files_kept = models.BooleanField(
        default=True, help_text="Off once its files were deleted: docs/retention.md."
    )

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ImportStatus.values), name="import_status_known"
            )
        ]

    def __str__(self) -> str:
        return f"Import of {self.filename}"

    @property
    def place(self) -> str:
        """Under which its files are stored (`teams.services.storage`)."""
        return places.of_import(self.key)

    @property
    def folder(self) -> Path:
        return places.folder_of(self.place)

    @property
    def disk_key(self) -> str:
        """Under which its bytes are counted (`teams.services.disk`)."""
        return f"import-{self.key}"

    @property
    def file_path(self) -> Path:
        """What was sent, byte for byte."""
        return self.folder / "upload"

    @property
    def rows_path(self) -> Path:
        """The good rows, in blocks ready to be stored."""
        return self.folder / "rows.blocks"

    @property
    def problems_path(self) -> Path:
        """Every problem, a JSON object a line, compressed."""
        return self.folder / "problems.jsonl.gz"

    @property
    def broken_path(self) -> Path:
        """The rows that were left out, as far as they can be saved; for repair."""
        return self.folder / "broken.jsonl.gz"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        return self.status in (ImportStatus.WAITING, ImportStatus.READING)

    @property
    def total_rows(self) -> int:
        return self.good_rows + self.bad_rows

    @property
    def topic(self) -> str:
        """The live channel of this import (`teams.live`)."""
        return f"import-{self.key}"

    @property
    def fixable_codes(self) -> list[str]:
        """Codes of problems that a safe repair exists for and that was not asked for yet."""
        return [
            group["code"]
            for group in self.problem_groups
            if group["fixable"] and group["code"] not in self.rule_fixes
        ]

    @property
    def fixable_errors(self) -> list[str]:
        """Of those, the ones for which rows are left out."""
        codes = set(self.fixable_codes)
        return [group["code"] for group in self.groups_of("error") if group["code"] in codes]

    def groups_of(self, severity: str) -> list[dict[str, Any]]:
        return [group for group in self.problem_groups if group["severity"] == severity]


class FixKind(models.TextChoices):
    RULE = "rule", "Rule fixed in all rows"
    ROW = "row", "Row repaired"
    ENCODING = "encoding", "Encoding chosen"
    MAPPING = "mapping", "Columns or speakers named"


class ImportFix(models.Model):
    """One thing that a person fixed in an import: what, who, when, and whether it was taken back."""

    upload = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="fixes")
    kind = models.CharField(max_length=8, choices=FixKind.choices)
    key = models.CharField(
        max_length=60, help_text="The rule, the row (`broken_rows.key_of`) or the encoding."
    )
    row = models.JSONField(
        null=True, help_text="The canonical row that a person made of a broken one."
    )
    row_id = models.CharField(
        max_length=40, blank=True, help_text="Where the row went to the dataset's edits: its id."
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=FixKind.values), name="import_fix_kind_known"
            ),
            models.UniqueConstraint(
                fields=["upload", "kind", "key"],
                condition=Q(undone_at=None),
                name="one_open_fix_of_a_kind_and_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.upload}"
