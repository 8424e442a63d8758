"""RQ entry points: ids in, one service call."""

from courseplatform.course_archive import bringing


def read_course_archive(import_id: int, attempt: int) -> str:
    return bringing.read_course_archive(import_id=import_id, attempt=attempt)
