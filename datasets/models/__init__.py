from datasets.models.dataset import Dataset, DatasetVersion, RowBlock, Shape, VersionBlock
from datasets.models.draft import ChangeKind, Draft, DraftChange
from datasets.models.imports import Decision, FixKind, Import, ImportFix, ImportStatus
from datasets.models.machine import MachineText
from datasets.models.privacy import FindingJustification
from datasets.models.review import Review, RowApproval, RowComment
from datasets.models.source import SourceRecord
from datasets.models.split import FrozenSplit

__all__ = [
    "ChangeKind",
    "Dataset",
    "DatasetVersion",
    "Decision",
    "Draft",
    "DraftChange",
    "FindingJustification",
    "FixKind",
    "FrozenSplit",
    "Import",
    "ImportFix",
    "ImportStatus",
    "MachineText",
    "Review",
    "RowApproval",
    "RowBlock",
    "RowComment",
    "Shape",
    "SourceRecord",
    "VersionBlock",
]
