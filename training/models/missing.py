from django.db import models


class Missing(models.TextChoices):
    """What a run that succeeded at its provider could not read there yet. It can be talked to all the same."""

    EVENTS = "events", "the loss curve"
    TABLE = "table", "the result file"
    CHECKPOINTS = "checkpoints", "the checkpoints"
    TOKENS = "tokens", "how many tokens were trained on"
    PAGE = "page", "when the provider switches the model off"
    FILES = "files", "the files in its folder here"
    DEPLOYMENT = "deployment", "its deployment, without which it cannot be asked"
