"""A class list from a spreadsheet: read leniently, checked line by line, enrolled only after a person saw what will happen."""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from teams.models import Course, Membership, Role, Section, Team, User
from teams.services import audit, courses, identity

MOST_LINES = 2_000
COLUMNS = ("name", "first", "last", "email", "section", "team", "student_id")
HEADERS = {
    "name": ("name", "fullname", "student", "studentname", "displayname"),
    "first": ("first", "firstname", "givenname", "forename"),
    "last": ("last", "lastname", "surname", "familyname"),
    "email": ("email", "emailaddress", "mail", "address", "login"),
    "section": ("section", "class", "period", "lab"),
    "team": ("team", "teamname", "group", "groupname"),
    "student_id": (
        "studentid",
        "studentnumber",
        "studentno",
        "idnumber",
        "sisuserid",
        "universityid",
        "matriculation",
    ),
}
LIMITS = {"name": 120, "section": 60, "team": 60, "student_id": 40}


class RosterUnreadable(Exception):
    """The text is not a list of people; the message says what to do."""


@dataclass
class Line:
    """One person of the list. `number` counts the file's lines from 1; `problems` are sentences; `notes` say what is new."""

    number: int
    name: str
    email: str
    section: str
    team: str
    student_id: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Preview:
    """What enrolling would do. `ignored` are headings that no column is read from."""

    lines: list[Line]
    ignored: list[str]

    @property
    def good(self) -> list[Line]:
        return [line for line in self.lines if not line.problems]

    @property
    def bad(self) -> list[Line]:
        return [line for line in self.lines if line.problems]


@dataclass
class Enrolled:
    """`invited`: new accounts that got an e-mail with a link to set their password."""

    invited: int = 0
    added: int = 0
    changed: int = 0


def decode(data: bytes) -> str:
    """Text of an uploaded file, as spreadsheets write it. Raises RosterUnreadable for what is no text."""
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise RosterUnreadable(
            "This is a spreadsheet file. Save it as CSV (File, Save as, CSV) and choose that."
        )
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise RosterUnreadable("This file is not text. Save the list as CSV and choose that.")
    return text


def read(text: str) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """((line number, cells by COLUMNS) of each person, headings not understood). Raises RosterUnreadable.

    Comma, semicolon or tab; headings in any order and spelling; without headings, a line is an e-mail address or
    name, e-mail, section, team.
    """
    rows = [
        (number, [cell.strip() for cell in row])
        for number, row in _records(text)
        if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise RosterUnreadable(
            "There is nobody in this list. Put one person a line, with at least an e-mail address."
        )
    if len(rows) > MOST_LINES + 1:
        raise RosterUnreadable(
            f"This list has more than {MOST_LINES} people. Split it in parts."
        )
    columns = [_column(cell) for cell in rows[0][1]]
    if "email" in columns:
        ignored = [
            cell
            for cell, column in zip(rows[0][1], columns, strict=True)
            if column is None and cell
        ]
        return [(number, _cells(columns, row)) for number, row in rows[1:]], ignored
    if not any("@" in cell for cell in rows[0][1]):
        raise RosterUnreadable(
            "The first line names no e-mail column. Use the headings name, email, section, team (only email is needed)."
        )
    return [(number, _cells(_guess(row), row)) for number, row in rows], []


def _records(text: str) -> list[tuple[int, list[str]]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise RosterUnreadable(
            f"Line {reader.line_num} cannot be read: {error}. Check its quotation marks."
        ) from error


def _column(heading: str) -> str | None:
    plain = "".join(letter for letter in heading.lower() if letter.isalpha())
    return next((name for name, known in HEADERS.items() if plain in known), None)


def _guess(row: list[str]) -> list[str | None]:
    """Columns of a line without headings: the e-mail is where the @ is."""
    place = next((number for number, cell in enumerate(row) if "@" in cell), 0)
    rest = iter(("name", "section", "team"))
    return ["email" if number == place else next(rest, None) for number in range(len(row))]


def _cells(columns: list[str | None], row: list[str]) -> dict[str, str]:
    cells = dict.fromkeys(COLUMNS, "")
    for column, cell in zip(columns, row, strict=False):
        if column:
            cells[column] = cell.replace("\0", "")
    cells["name"] = cells["name"] or f"{cells['first']} {cells['last']}".strip()
    cells["email"] = cells["email"].removeprefix("mailto:").lower()
    return cells


def preview(*, course: Course, text: str, role: Role) -> Preview:
    """Check every line against the course; nothing is written. Raises RosterUnreadable."""
    people, ignored = read(text)
    lines = [
        Line(
            number,
            cells["name"],
            cells["email"],
            cells["section"],
            cells["team"],
            cells["student_id"],
        )
        for number, cells in people
    ]
    known = _Known(course, [line.email for line in lines])
    for line in lines:
        known.check(line, role)
    return Preview(lines, ignored)


class _Known:
    """What the course and the earlier lines hold already, in four queries."""

    def __init__(self, course: Course, addresses: list[str]) -> None:
        self.course = course
        self.accounts = {
            person.email: person for person in User.objects.filter(email__in=addresses)
        }
        memberships = course.memberships.select_related("person", "team")
        self.memberships = {membership.person.email: membership for membership in memberships}
        self.sections = set(course.sections.values_list("name", flat=True))
        teams = list(course.teams.all())
        self.practice = {team.name for team in teams if team.practice}
        self.teams = {team.name: 0 for team in teams}
        for membership in self.memberships.values():
            if membership.team and membership.active:
                self.teams[membership.team.name] += 1
        self.seen: dict[str, int] = {}

    def check(self, line: Line, role: Role) -> None:
        self._check_person(line, role)
        for name, limit in LIMITS.items():
            if len(getattr(line, name)) > limit:
                line.problems.append(
                    f"The {name.replace('_', ' ')} has more than {limit} characters."
                )
        if line.team and role != Role.STUDENT:
            line.problems.append("Only students are in teams: leave the team empty.")
        elif line.team and line.team in self.practice:
            line.problems.append(
                f"{line.team} is for everyone to practise in: leave the team empty, or name another."
            )
        elif not line.problems:
            self._check_places(line)

    def _check_person(self, line: Line, role: Role) -> None:
        try:
            validate_email(line.email)
        except ValidationError:
            line.problems.append(
                f"“{line.email}” is not an e-mail address."
                if line.email
                else "The e-mail address is missing."
            )
            return
        if line.email in self.seen:
            line.problems.append(f"The same address stands on line {self.seen[line.email]}.")
        self.seen.setdefault(line.email, line.number)
        account, membership = self.accounts.get(line.email), self.memberships.get(line.email)
        if account is None and not line.name:
            line.problems.append(
                "The name is missing, and nobody has an account with this address yet."
            )
        if account is not None and account.is_staff and not account.is_proven:
            line.problems.append(
                "Runs this platform and has not confirmed the address yet: ask them to, then try again."
            )
        if account is not None and not account.is_active:
            line.problems.append("This account is switched off by whoever runs the platform.")
        if membership is not None and membership.role != role:
            line.problems.append(
                f"Is here already, as {membership.get_role_display().lower()}: change that by hand."
            )
        if membership is not None and not membership.active:
            line.problems.append(
                "Was taken out of this course: let them in again on the people page."
            )

    def _check_places(self, line: Line) -> None:
        membership = self.memberships.get(line.email)
        if line.email not in self.accounts:
            line.notes.append("new account, invited by e-mail")
        elif membership is None:
            line.notes.append("has an account")
        else:
            line.notes.append("is here already")
        if line.section and line.section not in self.sections:
            self.sections.add(line.section)
            line.notes.append(f"new section {line.section}")
        if line.team:
            self._check_team(line, membership)

    def _check_team(self, line: Line, membership: Membership | None) -> None:
        if line.team not in self.teams:
            self.teams[line.team] = 0
            line.notes.append(f"new team {line.team}")
        here = membership.team.name if membership and membership.team else ""
        if here == line.team:
            return
        if self.teams[line.team] >= self.course.team_size:
            line.problems.append(f"{line.team} is full ({self.course.team_size} people).")
            return
        self.teams[line.team] += 1
        if here:
            self.teams[here] -= 1
            line.notes.append(f"moves from {here}")


def enrol(*, course: Course, text: str, role: Role, person: User) -> Enrolled:
    """Enrol the lines without a problem, all or none of them; the rest are left out. Raises RosterUnreadable."""
    done = Enrolled()
    with transaction.atomic():
        Course.objects.select_for_update().get(
            pk=course.pk
        )  # a button pressed twice enrols once
        lines = preview(course=course, text=text, role=role).good
        sections = {section.name: section for section in course.sections.all()}
        teams = {team.name: team for team in course.teams.all()}
        for line in lines:
            _enrol_one(course, line, role, person, sections, teams, done)
        audit.record(
            course=course,
            person=person,
            action="list enrolled",
            what=f"{len(lines)} people",
            after=vars(done),
        )
    return done


def _enrol_one(
    course: Course,
    line: Line,
    role: Role,
    person: User,
    sections: dict[str, Section],
    teams: dict[str, Team],
    done: Enrolled,
) -> None:
    account, new = User.objects.get_or_create(email=line.email, defaults={"name": line.name})
    if new:
        account.set_unusable_password()
        account.save(update_fields=["password"])
        done.invited += 1
    membership, added = Membership.objects.get_or_create(
        course=course, person=account, defaults={"role": role}
    )
    done.added += added
    if added:
        identity.give_by_address(account=account, course=course)
    changes: dict[str, Any] = {}
    if line.section and line.section not in sections:
        sections[line.section] = Section.objects.create(course=course, name=line.section)
    if line.section and membership.section_id != sections[line.section].pk:
        changes["section"] = sections[line.section]
    if line.team and line.team not in teams:
        teams[line.team] = courses.create_team(course=course, name=line.team, person=person)
    if line.team and membership.team_id != teams[line.team].pk:
        changes["team"] = teams[line.team]
    if line.student_id and membership.student_id != line.student_id:
        changes["student_id"] = line.student_id
    if changes:
        _record_moves(membership, changes, person)
        for name, value in changes.items():
            setattr(membership, name, value)
        membership.save(update_fields=list(changes))
        if "team" in changes:
            courses.forget_requests([membership.pk])
        done.changed += not added


def _record_moves(membership: Membership, changes: dict[str, Any], person: User) -> None:
    """A student's number is nobody's business who reads the log."""
    for name, after in changes.items():
        if name == "student_id":
            continue
        before = getattr(membership, name)
        audit.record(
            course=membership.course,
            person=person,
            action=f"moved to a {name}",
            what=str(membership.person),
            before=before.name if before else None,
            after=after.name,
        )
