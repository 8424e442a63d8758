"""The grade book by student: what was released, as a spreadsheet, as Canvas or as Moodle reads it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from evaluation.models import Counting, Criterion
from evaluation.services import frozen, presenting, releases
from evaluation.services.deadlines import deadline_of, is_late
from evaluation.services.frozen import ReleasedResult
from evaluation.services.gradebook import current_submissions
from evaluation.services.presenting import Rule
from evaluation.services.releases import Draft
from evaluation.services.scales import Scale, scale_of
from teams.models import Course, Membership, Role
from teams.services.costs import safe_cell

PLAIN, CANVAS, MOODLE = LAYOUTS = ("plain", "canvas", "moodle")
CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
CANVAS_POINTS_ROW = "    Points Possible"  # with these blanks Canvas writes it itself, and takes it for no student
MOODLE_COLUMNS = ("First name", "Last name", "ID number", "Email address")
PLAIN_COLUMNS = ("Name", "E-mail", "Student ID", "Section", "Team")
Cell = str | int | float


@dataclass(frozen=True)
class StudentGrade:
    """One student. `result` is the newest version, also while it is hidden; None where nothing was released.

    `late` is None without a submission or a deadline.
    """

    membership: Membership
    draft: Draft | None
    result: ReleasedResult | None
    late: bool | None

    @property
    def state(self) -> str:
        if self.membership.team is None:
            return "in no team"
        if self.draft is None:
            return "nothing handed in"
        if self.result is None:
            return "not released"
        said = str(self.result.release)
        if self.draft.result.submission.released_at is None:
            said += ", hidden"
        return f"{said}, changes wait" if self.draft.waits else said

    def points(self, scale: Scale) -> float | str:
        """Of `scale.points`, also where the version was released while there were more or fewer; empty without a grade."""
        if self.result is None or self.result.points is None:
            return ""
        return round(self.result.points * scale.points / self.result.scale.points, 2)

    def presentation_points(self, of: int) -> float | str:
        """Of `of`; empty where no presentation was released as a grade of its own."""
        heard = self.result.presentation if self.result else None
        if heard is None or heard.points is None:
            return ""
        return round(heard.points * of / heard.rule.points, 2)


def grades_of(course: Course) -> list[StudentGrade]:
    """Of every active student, by name. A constant number of queries."""
    drafts = {
        one.result.submission.team_id: one
        for one in releases.drafts_of(current_submissions(course))
    }
    before = [draft.before for draft in drafts.values() if draft.before is not None]
    shown = {one.release.submission_id: one for one in frozen.thaw(before)}
    deadline = deadline_of(course)
    students = course.memberships.filter(role=Role.STUDENT, active=True).select_related(
        "person", "team", "section"
    )
    found = []
    for student in students.order_by("person__name", "person__email"):
        draft = drafts.get(student.team_id or 0)
        submission = draft.result.submission if draft else None
        late = is_late(submission, deadline) if submission and deadline else None
        found.append(
            StudentGrade(student, draft, shown.get(submission.pk) if submission else None, late)
        )
    return found


def write_csv(course: Course, layout: str, out: TextIO) -> None:
    """`layout` is one of LAYOUTS. Nothing in it runs as a formula."""
    grades, scale, rule = grades_of(course), scale_of(course), presenting.rule_of(course)
    rows = {PLAIN: _plain, CANVAS: _canvas, MOODLE: _moodle}[layout](grades, scale, rule)
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])


def _plain(grades: list[StudentGrade], scale: Scale, rule: Rule) -> Iterator[list[Cell]]:
    """A column for each criterion, under its newest name; two for a presentation with points of its own."""
    criteria: dict[str, Criterion] = {}
    for grade in grades:
        for row in grade.result.criteria if grade.result else ():
            newest = criteria.get(row.criterion.key)
            if newest is None or newest.pk < row.criterion.pk:
                criteria[row.criterion.key] = row.criterion
    ordered = sorted(criteria.values(), key=lambda one: (one.position, one.pk))
    own = ["Presentation points", "Presentation of"] if rule.counting == Counting.APART else []
    yield [
        *PLAIN_COLUMNS,
        *(one.name for one in ordered),
        "Mean level",
        "Points",
        "Of",
        *own,
        "Late",
        "State",
    ]
    for grade in grades:
        said = _presentation(grade) if own else []
        yield [
            *_who(grade),
            *_levels(grade, ordered),
            *_final(grade),
            *said,
            _late(grade),
            grade.state,
        ]


def _presentation(grade: StudentGrade) -> list[Cell]:
    heard = grade.result.presentation if grade.result else None
    if heard is None or heard.points is None:
        return ["", ""]
    return [round(heard.points, 2), heard.rule.points]


def _column(scale: Scale, rule: Rule) -> list[Cell]:
    """The heading of a presentation's own column, where it has one."""
    return [f"{scale.title}: presentation"] if rule.counting == Counting.APART else []


def _who(grade: StudentGrade) -> list[Cell]:
    student = grade.membership
    section = student.section.name if student.section else ""
    team = student.team.name if student.team else ""
    return [student.person.name, student.person.email, student.student_id, section, team]


def _levels(grade: StudentGrade, criteria: list[Criterion]) -> list[Cell]:
    finals = (
        {row.criterion.key: row.final for row in grade.result.criteria} if grade.result else {}
    )
    return [
        "" if (final := finals.get(one.key)) is None else round(final, 2) for one in criteria
    ]


def _final(grade: StudentGrade) -> list[Cell]:
    if grade.result is None or grade.result.points is None or grade.result.overall is None:
        return ["", "", ""]
    return [
        round(grade.result.overall, 2),
        round(grade.result.points, 2),
        grade.result.scale.points,
    ]


def _late(grade: StudentGrade) -> str:
    return "" if grade.late is None else "yes" if grade.late else "no"


def _canvas(grades: list[StudentGrade], scale: Scale, rule: Rule) -> Iterator[list[Cell]]:
    """Canvas finds a student by SIS User ID or SIS Login ID; its own ID, which we do not know, stays empty."""
    own = _column(scale, rule)
    yield [*CANVAS_COLUMNS, scale.title, *own]
    yield [CANVAS_POINTS_ROW, "", "", "", "", scale.points, *([rule.points] if own else [])]
    for grade in grades:
        first, last = _names(grade)
        student = grade.membership
        section = student.section.name if student.section else ""
        name = f"{last}, {first}" if first else last
        heard = [grade.presentation_points(rule.points)] if own else []
        yield [
            name,
            "",
            student.student_id,
            student.person.email,
            section,
            grade.points(scale),
            *heard,
        ]


def _moodle(grades: list[StudentGrade], scale: Scale, rule: Rule) -> Iterator[list[Cell]]:
    own = _column(scale, rule)
    yield [*MOODLE_COLUMNS, scale.title, *own]
    for grade in grades:
        student = grade.membership
        heard = [grade.presentation_points(rule.points)] if own else []
        yield [
            *_names(grade),
            student.student_id,
            student.person.email,
            grade.points(scale),
            *heard,
        ]


def _names(grade: StudentGrade) -> tuple[str, str]:
    """(first, last): the last word is taken for the last name. Both systems find a student by number or address."""
    first, _, last = grade.membership.person.name.rpartition(" ")
    return first, last
