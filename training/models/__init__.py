from training.models.base_model import BaseModel, Hosting
from training.models.run import Artifact, InvalidTransition, RunEvent, RunStatus, TrainingRun

__all__ = ["Artifact", "BaseModel", "Hosting", "InvalidTransition", "RunEvent", "RunStatus", "TrainingRun"]
