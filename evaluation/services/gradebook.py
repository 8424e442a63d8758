"""The grade book of a course as CSV: one row a team and grader, one column a criterion."""

import csv
from datetime import datetime
from typing import TextIO
from zoneinfo import ZoneInfo

from django.utils import timezone

from evaluation.models import Submission
from evaluation.services.deadlines import deadline_of, is_late
from evaluation.services.results import SubmissionResult, results_of
from teams.models import Course
from teams.services.costs import safe_cell

COLUMNS = (
    "team",
    "run",
    "method",
    "submitted",
    "late",
    "released",
    "grader",
    "status",
    "committed",
    "revisions",
)


def current_submissions(course: Course) -> list[Submission]:
    """Every team's, by team name."""
    rows = (
        Submission.objects.current()
        .filter(team__course=course)
        .select_related("team__course", "run", "rubric")
    )
    return list(rows.order_by("team__name"))


def course_results(course: Course) -> list[SubmissionResult]:
    return results_of(current_submissions(course))


def write_gradebook_csv(course: Course, out: TextIO) -> None:
    """Levels as numbers, "cannot judge" in words, empty where nothing was said. `late` is yes or no, empty without a deadline."""
    results, deadline = course_results(course), deadline_of(course)
    newest = sorted(
        (row.criterion for result in results for row in result.criteria), key=lambda one: one.pk
    )
    names = {criterion.key: criterion.name for criterion in newest}
    writer = csv.writer(out)
    header = [*COLUMNS, *names.values(), "mean level", "comment"]
    writer.writerow([safe_cell(name) for name in header])
    for result in results:
        for number, _ in enumerate(result.gradings, start=1):
            writer.writerow(
                [safe_cell(value) for value in _row(result, number, list(names), deadline)]
            )


def _row(
    result: SubmissionResult, number: int, keys: list[str], deadline: datetime | None
) -> list[object]:
    submission, grading = result.submission, result.gradings[number - 1]
    zone = submission.team.course.zone
    cells = {
        row.criterion.key: mark.level.value
        if mark.level
        else "cannot judge"
        if mark.cannot_judge
        else ""
        for row in result.criteria
        for mark in row.marks
        if mark.grader == number
    }
    levels = [value for value in cells.values() if isinstance(value, int)]
    return [
        submission.team.name,
        submission.run.number,
        submission.run.method,
        _told(submission.submitted_at, zone),
        "" if deadline is None else "yes" if is_late(submission, deadline) else "no",
        _told(submission.released_at, zone),
        grading.grader.person.name,
        grading.grade.status,
        _told(grading.grade.committed_at, zone),
        grading.revision_count,  # type: ignore[attr-defined]  # annotated by results_of
        *[cells.get(key, "") for key in keys],
        round(sum(levels) / len(levels), 2) if levels else "",
        grading.grade.comment if cells else "",
    ]


def _told(moment: datetime | None, zone: ZoneInfo) -> str:
    """With the offset of the course's zone."""
    return timezone.localtime(moment, zone).isoformat() if moment else ""
