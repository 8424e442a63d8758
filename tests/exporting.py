"""A course taken along as its instructor does it: asked for, written by the worker, downloaded."""

from typing import Any

from django.test import Client

from courseplatform.jobs import write_course_archive
from teams.models import ArchiveExport, Course


def download(browser: Client, course: Course) -> bytes:
    """The file that comes down."""
    address = f"/courses/{course.pk}/export/"
    browser.post(address)
    export = ArchiveExport.objects.filter(course=course, team=None)[0]
    assert write_course_archive(export.pk, export.attempt) == "ready"
    answer: Any = browser.get(f"{address}file/")
    assert answer["Content-Type"] == "application/zip"
    return b"".join(answer.streaming_content)
