"""Sections, who is in and who is out, and teams formed for a whole class at once."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import ForeignObjectRel

from teams.models import Course, Membership, Role, Section, Team, User
from teams.services import audit, identity
from teams.services.courses import CourseRefused, create_team, forget_requests, put_in_team


def create_section(*, course: Course, name: str, person: User) -> Section:
    """Raises CourseRefused when the name is taken."""
    try:
        with transaction.atomic():
            section = Section.objects.create(course=course, name=name)
            audit.record(course=course, person=person, action="section created", what=name)
    except IntegrityError as error:
        raise CourseRefused(f"There is already a section named “{name}”.") from error
    return section


def remove_section(*, section: Section, person: User) -> None:
    """Its people stay in the course, without a section."""
    with transaction.atomic():
        audit.record(
            course=section.course, person=person, action="section removed", what=section.name
        )
        section.delete()


def set_student_id(*, membership: Membership, student_id: str) -> None:
    """The university's number of a student, for grade books. It stands in no log."""
    membership.student_id = student_id.strip()
    membership.save(update_fields=["student_id"])


RIGHTS = ("may_price", "may_release", "may_delete")


def rights_of(membership: Membership) -> list[str]:
    """What was ticked for an assistant, by the names of `RIGHTS`."""
    return [right for right in RIGHTS if getattr(membership, right)]


def set_rights(*, membership: Membership, rights: list[str], person: User) -> None:
    """Exactly these of `RIGHTS` are an assistant's, beyond seeing and helping."""
    before = rights_of(membership)
    wanted = [right for right in RIGHTS if right in rights]
    if before == wanted:
        return
    with transaction.atomic():
        changed = {right: right in wanted for right in RIGHTS}
        Membership.objects.filter(pk=membership.pk).update(**changed)
        audit.record(
            course=membership.course,
            person=person,
            action="assistant's rights changed",
            what=str(membership.person),
            before=before,
            after=wanted,
        )


def put_in_section(*, membership: Membership, section: Section | None, person: User) -> None:
    before = membership.section.name if membership.section else None
    with transaction.atomic():
        membership.section = section
        membership.save(update_fields=["section"])
        audit.record(
            course=membership.course,
            person=person,
            action="moved to a section",
            what=str(membership.person),
            before=before,
            after=section.name if section else None,
        )


def invite(
    *, course: Course, email: str, name: str, role: Role, team: Team | None, person: User
) -> Membership:
    """Enrol one person and mail them; who never proved the address gets the link to a password. Raises CourseRefused."""
    with transaction.atomic():
        account, new = User.objects.get_or_create(
            email=email.strip().lower(), defaults={"name": name}
        )
        if new:
            account.set_unusable_password()
            account.save(update_fields=["password"])
        if not account.is_active:
            raise CourseRefused(
                f"The account of {account} is switched off by whoever runs this platform."
            )
        membership, added = Membership.objects.get_or_create(
            course=course, person=account, defaults={"role": role}
        )
        if not added:
            raise CourseRefused(
                f"{account} is in this course already, as {membership.get_role_display().lower()}."
            )
        if team is not None:
            put_in_team(membership=membership, team=team, person=person)
        audit.record(course=course, person=person, action="invited", what=str(membership))
        identity.give_by_address(account=account, course=course)
    return membership


def take_back(*, membership: Membership, person: User) -> None:
    """An account whose address nobody proved goes to whoever can read its mailbox. Raises CourseRefused."""
    with transaction.atomic():
        account = User.objects.select_for_update().get(pk=membership.person_id)
        if account.is_proven:
            raise CourseRefused(f"{account} has confirmed the address by now.")
        identity.give_by_address(account=account, course=membership.course)
        audit.record(
            course=membership.course,
            person=person,
            action="account taken back",
            what=str(account),
        )


def withdraw(*, membership: Membership, person: User) -> None:
    """Take back an invitation that nobody followed; the link stops working. Raises CourseRefused once they have entered."""
    with transaction.atomic():
        account = User.objects.select_for_update().get(pk=membership.person_id)
        if not account.is_expected:
            raise CourseRefused(
                f"{account} has entered already. You can take them out of the course."
            )
        if _has_worked(account) or _has_worked(membership):
            raise CourseRefused(
                f"Work here hangs on {account}, and would be lost. You can take them out of the course."
            )
        audit.record(
            course=membership.course,
            person=person,
            action="invitation withdrawn",
            what=str(membership),
        )
        membership.delete()
        if not account.memberships.exists():
            account.delete()


GOES_ALONG = frozenset(
    {"membership", "notice", "mailchoice", "outgoingmail", "professorassignment", "lmsseat"}
)  # what an invitation alone makes


def _has_worked(row: User | Membership) -> bool:
    """Any table refers to it: the people of an imported course have no password here, but chats and grades."""
    back = [
        one
        for one in row._meta.get_fields(include_hidden=True)
        if isinstance(one, ForeignObjectRel)
    ]
    names = [
        (one.related_model, one.field.name) for one in back if one.one_to_many or one.one_to_one
    ]
    return any(
        model._base_manager.filter(**{name: row.pk}).exists()
        for model, name in names
        if model._meta.model_name not in GOES_ALONG
    )


def deactivate(*, membership: Membership, person: User) -> None:
    """The person can no longer enter the course; all their work stays. Raises CourseRefused for the last instructor or oneself."""
    if membership.person_id == person.pk:
        raise CourseRefused(
            "You cannot take yourself out. Ask another instructor of the course."
        )
    instructors = Membership.objects.filter(
        course=membership.course, role=Role.INSTRUCTOR, active=True
    )
    if membership.role == Role.INSTRUCTOR and instructors.count() == 1:
        raise CourseRefused("A course needs an instructor: make somebody else instructor first.")
    _set_active(membership, False, person)


def reactivate(*, membership: Membership, person: User) -> None:
    """Let a person in again. Raises CourseRefused when their team has become full: move them out of it first."""
    team = membership.team
    if (
        team is not None
        and team.memberships.filter(active=True).count() >= membership.course.team_size
    ):
        raise CourseRefused(
            f"{team.name} is full by now. Take {membership.person} out of that team first."
        )
    _set_active(membership, True, person)


def _set_active(membership: Membership, active: bool, person: User) -> None:
    with transaction.atomic():
        if Membership.objects.filter(pk=membership.pk, active=not active).update(active=active):
            action = "let in again" if active else "taken out"
            audit.record(
                course=membership.course,
                person=person,
                action=action,
                what=str(membership.person),
            )
    membership.active = active


@dataclass(frozen=True)
class Group:
    """A team to be: where it is from (empty for the whole class), its name and its members."""

    section: str
    name: str
    members: list[Membership]


def propose_teams(*, course: Course, size: int, by_section: bool, seed: int) -> list[Group]:
    """Students without a team in even random groups of at most `size`; the same seed gives the same groups.

    Sizes differ by at most one. With `by_section` nobody shares a team with another section.
    """
    waiting = course.memberships.filter(role=Role.STUDENT, active=True, team=None)
    students = list(waiting.select_related("person", "section").order_by("pk"))
    parts: dict[str, list[Membership]] = {}
    for student in students:
        name = student.section.name if by_section and student.section else ""
        parts.setdefault(name, []).append(student)
    taken, groups, number = set(course.teams.values_list("name", flat=True)), [], 1
    for section, members in sorted(parts.items()):
        random.Random(f"{seed}-{section}").shuffle(members)  # noqa: S311  (a fair draw, not a secret)
        for group in _even(members, size):
            while f"Team {number}" in taken:
                number += 1
            groups.append(Group(section, f"Team {number}", group))
            number += 1
    return groups


def _even(members: Sequence[Membership], size: int) -> list[list[Membership]]:
    count = -(-len(members) // size)
    return [list(members[start::count]) for start in range(count)]


class DrawChanged(Exception):
    """Since the draw was shown, somebody came, went or got a team; the text says so."""


def mark_of(groups: list[Group]) -> str:
    """The same for the same people in the same teams."""
    drawn = [(group.name, [member.pk for member in group.members]) for group in groups]
    return hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]


def form_teams(
    *, course: Course, size: int, by_section: bool, seed: int, shown: str, person: User
) -> list[Group]:
    """Make the teams of the draw whose `mark_of` is `shown`. Raises DrawChanged where the same numbers now draw others."""
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        groups = propose_teams(course=course, size=size, by_section=by_section, seed=seed)
        if mark_of(groups) != shown:
            raise DrawChanged(
                "Nothing was made: these are not the teams that you looked at. The numbers were changed, or somebody came, "
                "went or got a team meanwhile. Look once more."
            )
        for group in groups:
            team = create_team(course=course, name=group.name, person=person)
            members = [member.pk for member in group.members]
            Membership.objects.filter(pk__in=members).update(team=team)
            forget_requests(members)
        what = f"{len(groups)} teams of up to {size}, seed {seed}"
        made = {group.name: [str(member.person) for member in group.members] for group in groups}
        audit.record(course=course, person=person, action="teams formed", what=what, after=made)
    return groups
