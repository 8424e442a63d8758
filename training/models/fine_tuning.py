"""What programs bring to and start at `/v1`: files of rows, and fine-tuning jobs. A job is a training run with another name."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from datasets.models import Import
from teams.models import Team
from training.models.endpoint import EndpointKey
from training.models.run import RunStatus, TrainingRun

ROWS_OF = uuid.UUID(
    "5d0f7f0e-5c7b-4a4e-9a53-3f0f6a2f9b11"
)  # a namespace of our own, for ids that name a dataset version


class ApiFile(models.Model):
    """A file that a program sent. It is an upload like any other: what it holds is a dataset of the team."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_files")
    api_key = models.ForeignKey(
        EndpointKey, on_delete=models.SET_NULL, null=True, related_name="files"
    )
    upload = models.OneToOneField(Import, on_delete=models.CASCADE, related_name="api_file")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(
        null=True, help_text="Chosen by the program: its content is gone from then on."
    )
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    @property
    def public_id(self) -> str:
        """What a program calls it."""
        return f"file-{self.key.hex}"


class FineTuningJobQuerySet(models.QuerySet["FineTuningJob"]):
    def for_team(self, team: Team) -> "FineTuningJobQuerySet":
        return self.filter(run__team=team).select_related(
            "run__team__course",
            "run__base_model",
            "run__dataset_version",
            "training_file",
            "validation_file",
        )

    def answering(self) -> "FineTuningJobQuerySet":
        """Whose model can be asked."""
        return self.filter(run__status=RunStatus.SUCCEEDED, model_deleted_at=None)

    def started_by_programs(self) -> "FineTuningJobQuerySet":
        """Without those that a person started with the run form."""
        return self.exclude(training_file=None)

    def whose_model_is(self, name: str) -> "FineTuningJob | None":
        """The one whose model answers to this name."""
        return self.answering().filter(model=name).first()


class FineTuningJob(models.Model):
    """A run that a program started, or a person with the method OpenAI while this platform is its service.

    The run is the truth; this row keeps what only OpenAI's shapes need. A person's run learns from a dataset version, which
    is no file of the API.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.OneToOneField(TrainingRun, on_delete=models.CASCADE, related_name="api_job")
    api_key = models.ForeignKey(
        EndpointKey, on_delete=models.SET_NULL, null=True, related_name="jobs"
    )
    training_file = models.ForeignKey(
        ApiFile,
        on_delete=models.CASCADE,
        null=True,
        related_name="jobs",
        help_text="Empty: started by a person.",
    )
    validation_file = models.ForeignKey(
        ApiFile, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    method = models.CharField(max_length=12, default="supervised")
    hyperparameters: models.JSONField[dict[str, Any]] = models.JSONField(
        help_text="As chosen: n_epochs and so on."
    )
    metadata = models.JSONField(null=True)
    model = models.CharField(
        max_length=200, unique=True, help_text="The name that its model answers to: ft:…"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    model_deleted_at = models.DateTimeField(null=True)

    objects = FineTuningJobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(method__in=["supervised", "dpo"]), name="api_job_method_known"
            )
        ]

    @property
    def public_id(self) -> str:
        """What a program calls it."""
        return f"ftjob-{self.key.hex}"

    @property
    def rows_id(self) -> str:
        """The training file's id. Of a person's run an id that names the dataset version and no file: as after OpenAI's
        own job, whose file was deleted."""
        if self.training_file is not None:
            return self.training_file.public_id
        version = uuid.uuid5(ROWS_OF, f"{self.run.team_id}:{self.run.dataset_version_id}")
        return f"file-{version.hex}"
