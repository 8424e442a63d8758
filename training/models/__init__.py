from training.models.base_model import NOT_FIT, BaseModel, Hosting, Trial
from training.models.deleted_run import DeletedRun
from training.models.drafting import AT_WORK, DraftedRow, Drafting, DraftingStatus, RowState
from training.models.endpoint import CallStatus, Deployment, EndpointCall, EndpointKey
from training.models.fine_tuning import ApiFile, FineTuningJob
from training.models.host import Host
from training.models.lease import lease_owner
from training.models.merged import MERGING, MergedModel, MergeStatus
from training.models.missing import Missing
from training.models.model_server import LoadedAdapter, ModelServer
from training.models.origin import Origin
from training.models.pace import PaceTrial
from training.models.policy import MOST_RUNS_AT_ONCE, USUAL_RUNS_AT_ONCE, TrainingPolicy
from training.models.run import (
    ACTIVE,
    AT_PROVIDER,
    CREATING,
    ENDED,
    MOST_ATTEMPTS,
    Artifact,
    InvalidTransition,
    RunEvent,
    RunStatus,
    TrainingRun,
)
from training.models.sweep import Sweep
from training.models.verdict import RunVerdict

__all__ = [
    "ACTIVE",
    "AT_PROVIDER",
    "AT_WORK",
    "CREATING",
    "ENDED",
    "MERGING",
    "MOST_ATTEMPTS",
    "MOST_RUNS_AT_ONCE",
    "NOT_FIT",
    "USUAL_RUNS_AT_ONCE",
    "ApiFile",
    "Artifact",
    "BaseModel",
    "CallStatus",
    "DeletedRun",
    "Deployment",
    "DraftedRow",
    "Drafting",
    "DraftingStatus",
    "EndpointCall",
    "EndpointKey",
    "FineTuningJob",
    "Host",
    "Hosting",
    "InvalidTransition",
    "LoadedAdapter",
    "MergeStatus",
    "MergedModel",
    "Missing",
    "ModelServer",
    "Origin",
    "PaceTrial",
    "RowState",
    "RunEvent",
    "RunStatus",
    "RunVerdict",
    "Sweep",
    "TrainingPolicy",
    "TrainingRun",
    "Trial",
    "lease_owner",
]
