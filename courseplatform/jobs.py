"""RQ entry points: ids in, one service call."""

from courseplatform import archive
from courseplatform.course_archive import bringing
from teams.services import archive_exports


def read_course_archive(import_id: int, attempt: int) -> str:
    return bringing.read_course_archive(import_id=import_id, attempt=attempt)


def write_course_archive(export_id: int, attempt: int) -> str:
    return archive_exports.write(
        export_id=export_id, attempt=attempt, into=lambda export, out: archive.write(export.course, out)
    )
