"""Many teams or people changed at once: all or nothing, each change on record like one made by itself."""

from dataclasses import dataclass

from django.db import transaction

from teams.models import Membership, Section, Team, User
from teams.services import courses, enrolment


@dataclass(frozen=True)
class TeamChange:
    """None: as it is. `limit` in micro-dollars."""

    team: Team
    limit: int | None
    professors: list[Membership] | None


def change_teams(*, wanted: list[TeamChange], person: User) -> int:
    """How many changes were made."""
    count = 0
    with transaction.atomic():
        for one in wanted:
            if one.limit is not None:
                courses.set_budget(team=one.team, limit=one.limit, person=person)
                count += 1
            if one.professors is not None:
                courses.assign_professors(
                    team=one.team, professors=one.professors, person=person
                )
                count += 1
    return count


def change_sections(*, wanted: list[tuple[Membership, Section | None]], person: User) -> int:
    """How many people moved."""
    with transaction.atomic():
        for membership, section in wanted:
            enrolment.put_in_section(membership=membership, section=section, person=person)
    return len(wanted)
