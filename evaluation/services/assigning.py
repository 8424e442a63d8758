"""Sharing graders out over the teams, evenly. What is assigned already stays."""

import secrets
from collections import Counter
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count

from evaluation.services.gradings import ensure_gradings
from teams.models import Course, Membership, ProfessorAssignment, Role, Team, User
from teams.services import audit


@dataclass(frozen=True)
class SharedOut:
    """`made`: new assignments. `short`: teams with fewer graders than wanted, because there are no more."""

    made: int
    short: list[Team]


def share_out(*, course: Course, per_team: int, by_section: bool, person: User) -> SharedOut:
    """Give each team `per_team` professors, always the one with the fewest teams, drawn at random among equals.

    By section: professors of a section grade its teams only; who is in no section grades any team.
    """
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        professors = list(course.memberships.filter(role=Role.PROFESSOR, active=True))
        load = Counter(dict.fromkeys((one.pk for one in professors), 0))
        teams = list(
            course.teams.filter(practice=False).prefetch_related("professor_assignments")
        )
        assigned = {
            team.pk: {one.professor_id for one in team.professor_assignments.all()}
            for team in teams
        }
        for graders in assigned.values():
            load.update(graders)
        sections = _sections(course) if by_section else {}
        new: list[ProfessorAssignment] = []
        short = []
        for team in sorted(
            teams,
            key=lambda one: (_choice(professors, sections.get(one.pk)), secrets.randbits(32)),
        ):
            free = [
                one
                for one in professors
                if _may(one, sections.get(team.pk)) and one.pk not in assigned[team.pk]
            ]
            free.sort(key=lambda one: (load[one.pk], secrets.randbits(32)))
            wanted = max(0, per_team - len(assigned[team.pk]))
            for one in free[:wanted]:
                load[one.pk] += 1
                new.append(ProfessorAssignment(team=team, professor=one))
            if len(free) < wanted:
                short.append(team)
        ProfessorAssignment.objects.bulk_create(new, ignore_conflicts=True)
        after = {"assignments": len(new), "per team": per_team, "by section": by_section}
        audit.record(
            course=course,
            person=person,
            action="professors assigned",
            what="shared out evenly",
            after=after,
        )
    ensure_gradings(course=course)
    return SharedOut(len(new), sorted(short, key=lambda team: team.name))


def _may(professor: Membership, section: int | None) -> bool:
    return section is None or professor.section_id in (None, section)


def _choice(professors: list[Membership], section: int | None) -> int:
    """Teams with the fewest possible graders come first, so that others leave those free."""
    return sum(_may(one, section) for one in professors)


def _sections(course: Course) -> dict[int, int]:
    """By team: the section that most of its students are in."""
    students = course.memberships.filter(active=True).exclude(team=None).exclude(section=None)
    counted = (
        students.values_list("team_id", "section_id")
        .annotate(n=Count("pk"))
        .order_by("n", "-section_id")
    )
    return {team_id: section_id for team_id, section_id, _ in counted}
