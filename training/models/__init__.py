from training.models.base_model import BaseModel, Hosting
from training.models.run import (
    ACTIVE,
    ENDED,
    MOST_ATTEMPTS,
    Artifact,
    InvalidTransition,
    RunEvent,
    RunStatus,
    TrainingRun,
    lease_owner,
)

__all__ = [
    "ACTIVE",
    "ENDED",
    "MOST_ATTEMPTS",
    "Artifact",
    "BaseModel",
    "Hosting",
    "InvalidTransition",
    "RunEvent",
    "RunStatus",
    "TrainingRun",
    "lease_owner",
]
