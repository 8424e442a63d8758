"""Servers of the operator's own that answer for base models on this platform: vLLM, or another of ours on another host."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from training.models.run import TrainingRun


class ModelServerQuerySet(models.QuerySet["ModelServer"]):
    def usable(self) -> "ModelServerQuerySet":
        """Switched on, and healthy when they were last asked."""
        return self.filter(enabled=True, trouble="")

    def for_base(self, weights_sha256: str) -> "ModelServerQuerySet":
        """Those that serve these weights, whatever the base is called there or here."""
        return self.filter(base_sha256=weights_sha256) if weights_sha256 else self.none()


class ModelServer(models.Model):
    """One address that serves one base model, told by the hash of its weights, and adapters on it."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    address = models.URLField(
        max_length=300, unique=True, help_text="Up to /v1, for example http://gpu1:8000/v1."
    )
    sealed_key = models.TextField(
        blank=True, help_text="Sealed (`teams.services.sealing`); empty: it asks for none."
    )
    base_sha256 = models.CharField(max_length=64, help_text="Of the base's weights.")
    served_name = models.CharField(max_length=200, help_text="What this server calls the base.")
    runs_folder = models.CharField(
        max_length=300,
        help_text="Under which this server sees the folders of runs, each with its adapter in it.",
    )
    enabled = models.BooleanField(default=True)
    trouble = models.CharField(
        max_length=300, blank=True, help_text="Why it cannot be used now; empty: healthy."
    )
    checked_at = models.DateTimeField(null=True)
    loaded: Any = models.ManyToManyField(TrainingRun, through="LoadedAdapter")

    objects = ModelServerQuerySet.as_manager()

    class Meta:
        ordering = ["address"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(base_sha256=""), name="model_server_names_its_base"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class LoadedAdapter(models.Model):
    """An adapter that a server has taken. It forgets all of them when it is started again."""

    server = models.ForeignKey(ModelServer, on_delete=models.CASCADE, related_name="adapters")
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="+")
    loaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server", "run"], name="adapter_once_on_a_server")
        ]
