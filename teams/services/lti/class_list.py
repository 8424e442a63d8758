"""The people of an LMS course (NRPS): shown first, enrolled as a class list when the instructor says so.

Nothing of the list is kept but, for who is in the course, the name under which the LMS knows them.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from teams.models import LmsCourse, LmsSeat, Membership, Role, User
from teams.services import enrolment, roster
from teams.services.lti import claims
from teams.services.lti.asking import Caller, LmsFailed
from teams.services.lti.claims import ASSISTANT, LEARNER, STAFF, text
from teams.services.lti.connections import LtiRefused
from teams.services.refused import CourseRefused
from teams.services.roster import Enrolled, Preview

MEDIA = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
MOST_PAGES = 200


@dataclass(frozen=True)
class Member:
    """Somebody of the LMS course who is active there. `role` as in `claims`."""

    subject: str
    name: str
    email: str
    student_id: str
    role: str


@dataclass(frozen=True)
class Shown:
    """What enrolling would do. `mark`: of just this list. `gone`: members here whom the LMS course does not have any more.

    `nameless`: so many have no e-mail address. `assistants`: so many are invited by hand.
    """

    preview: Preview | None
    mark: str
    gone: list[Membership]
    nameless: int
    assistants: int


def fetch(place: LmsCourse) -> list[Member]:
    """All pages. Raises LtiRefused where the LMS does not tell, in a sentence."""
    url = place.context.memberships_url
    if not url:
        raise LtiRefused(
            f"{place.connection} did not say where its class list is. Allow this tool names and roles in the LMS, then open "
            "the link there once more."
        )
    found: dict[str, Member] = {}
    caller, pages = Caller(place.connection), 0
    while url:
        pages += 1
        if pages > MOST_PAGES or len(found) > roster.MOST_LINES:
            raise LtiRefused(
                f"The list of {place.connection} has more than {roster.MOST_LINES} people."
            )
        try:
            said = caller.ask("GET", url, scopes=[claims.MEMBERS_SCOPE], kind=MEDIA)
        except LmsFailed as error:
            raise LtiRefused(f"The class list could not be read: {error}") from error
        for one in _members(said.body):
            found[one.subject] = one
        url = said.after
    return list(found.values())


def _members(body: object) -> list[Member]:
    rows = body.get("members") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise LtiRefused("The class list could not be read: the LMS answered something else.")
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or row.get("status", "Active") != "Active":
            continue
        subject = text(row.get("user_id"), claims.LONGEST_ID)
        if subject:
            found.append(_member(subject, row))
    return found


def _member(subject: str, row: Mapping[str, object]) -> Member:
    name = claims.name_in(row)
    number = text(row.get("lis_person_sourcedid"), 40)
    return Member(
        subject, name, claims.address_in(row), number, claims.role_in(row.get("roles"))
    )


def show(*, place: LmsCourse, role: Role) -> Shown:
    """For students, or for instructors of the LMS course. Asks the LMS; writes nothing. Raises LtiRefused."""
    return _show(place, role, fetch(place))


def _show(place: LmsCourse, role: Role, members: list[Member]) -> Shown:
    wanted = [one for one in members if one.role == (LEARNER if role == Role.STUDENT else STAFF)]
    named = [one for one in wanted if one.email]
    listed = _as_text(named)
    shown = roster.preview(course=place.course, text=listed, role=role) if named else None
    return Shown(
        preview=shown,
        mark=hashlib.sha256(listed.encode()).hexdigest()[:16],
        gone=_gone(place, members) if role == Role.STUDENT else [],
        nameless=len(wanted) - len(named),
        assistants=sum(one.role == ASSISTANT for one in members),
    )


def _as_text(members: list[Member]) -> str:
    """As a class list is pasted: names here are text of a stranger's, so every line is written by the csv module."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["name", "email", "student id"])
    for one in sorted(members, key=lambda member: member.email):
        writer.writerow([one.name, one.email, one.student_id])
    return out.getvalue()


def _gone(place: LmsCourse, members: list[Member]) -> list[Membership]:
    """Students who came from there, and whom the list does not name any more. An empty list names nobody: it is a mistake."""
    there = {one.subject for one in members}
    if not there:
        return []
    seats = place.seats.filter(membership__role=Role.STUDENT, membership__active=True)
    gone = seats.exclude(subject__in=there).select_related(
        "membership__person", "membership__team"
    )
    return [seat.membership for seat in gone]


def enrol(*, place: LmsCourse, role: Role, seen: str, person: User) -> Enrolled:
    """What was shown under the mark `seen`. Raises LtiRefused where the list is another by now."""
    members = fetch(place)
    shown = _show(place, role, members)
    if shown.preview is None or shown.mark != seen:
        raise LtiRefused("The list in the LMS changed since you looked at it. Look once more.")
    wanted = LEARNER if role == Role.STUDENT else STAFF
    named = [one for one in members if one.role == wanted and one.email]
    done = roster.enrol(course=place.course, text=_as_text(named), role=role, person=person)
    _take_seats(place, named)
    return done


def _take_seats(place: LmsCourse, members: list[Member]) -> None:
    """For who has none yet: who launched is known by that."""
    by_address = {one.email: one for one in members}
    seated = set(place.seats.values_list("subject", flat=True))
    waiting = place.course.memberships.exclude(lms_seats__lms_course=place)
    for membership in waiting.filter(person__email__in=by_address).select_related("person"):
        subject = by_address[membership.person.email].subject
        if subject not in seated:
            LmsSeat.objects.get_or_create(
                lms_course=place, membership=membership, defaults={"subject": subject}
            )


def take_out(*, place: LmsCourse, chosen: list[str], person: User) -> int:
    """Those of `chosen` (membership ids) who are gone from the LMS course. Their work stays. Raises LtiRefused."""
    gone = {str(one.pk): one for one in _gone(place, fetch(place))}
    done = 0
    with transaction.atomic():
        for name in chosen:
            if name not in gone:
                continue
            try:
                enrolment.deactivate(membership=gone[name], person=person)
            except CourseRefused as error:
                raise LtiRefused(str(error)) from error
            done += 1
    return done
