"""RQ entry points: ids in, one service call."""

from courseplatform import archive, erasing_rows, person_data
from courseplatform.course_archive import bringing
from datasets.models import DatasetVersion
from teams.models import User
from teams.services import archive_exports, person_exports


def read_course_archive(import_id: int, attempt: int) -> str:
    return bringing.read_course_archive(import_id=import_id, attempt=attempt)


def write_course_archive(export_id: int, attempt: int) -> str:
    return archive_exports.write(
        export_id=export_id,
        attempt=attempt,
        into=lambda export, out: archive.write(export.course, out),
    )


def write_person_export(export_id: int) -> bool:
    return person_exports.write(export_id, person_data.write)


def erase_row(version_id: int, row_id: str, person_id: int, reason: str) -> None:
    version = (
        DatasetVersion.objects.select_related("dataset__team__course")
        .filter(pk=version_id)
        .first()
    )
    person = User.objects.filter(pk=person_id).first()
    if version is not None and person is not None:  # deleted meanwhile
        erasing_rows.erase_and_tell(version=version, row_id=row_id, person=person, reason=reason)
