"""RQ entry points: ids in, one service call."""

from datasets.models import DatasetVersion
from datasets.services import imports, measure


def check_import(import_id: int, attempt: int) -> None:
    imports.read_import(import_id=import_id, attempt=attempt)


def measure_version(version_id: int) -> None:
    version = DatasetVersion.objects.filter(pk=version_id).first()
    if version is not None:  # deleted meanwhile
        measure.measure(version)
