"""RQ entry points: ids in, one service call."""

from datasets.models import DatasetVersion
from datasets.services import imports, measure, rework, splitting
from teams.models import User


def check_import(import_id: int, attempt: int) -> None:
    imports.read_import(import_id=import_id, attempt=attempt)


def measure_version(version_id: int) -> None:
    version = DatasetVersion.objects.filter(pk=version_id).first()
    if version is not None:  # deleted meanwhile
        measure.measure(version, with_model=True)


def make_version(version_id: int, person_id: int, work: str, option: str) -> None:
    version = (
        DatasetVersion.objects.select_related("dataset__team__course")
        .filter(pk=version_id)
        .first()
    )
    person = User.objects.filter(pk=person_id).first()
    if version is not None and person is not None:  # deleted meanwhile
        rework.make_and_tell(version=version, person=person, work=work, option=option)


def decide_split(version_id: int, fraction: float, seed: int, person_id: int) -> None:
    version = (
        DatasetVersion.objects.select_related("dataset__team__course")
        .filter(pk=version_id)
        .first()
    )
    person = User.objects.filter(pk=person_id).first()
    if version is not None and person is not None:  # deleted meanwhile
        splitting.decide_and_tell(version=version, fraction=fraction, seed=seed, person=person)
