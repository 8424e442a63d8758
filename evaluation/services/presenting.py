"""Planning presentations: sessions with a day and a place, the teams in their order, who listens, and how it counts."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from evaluation.models import (
    Counting,
    Hearing,
    Presentation,
    PresentationRule,
    PresentationSession,
    Submission,
)
from evaluation.services.telling import tell_professor
from teams import days
from teams.models import Course, Membership, NoticeKind, Role, Team, User
from teams.services import audit, notices

MINUTES = 15
MOST_MINUTES = 240
# percent
WEIGHT = 20
MOST_WEIGHT = 90
POINTS = 20
MOST_POINTS = 1_000


class CannotPlan(Exception):
    """Nothing was changed; the message says why and what to do."""


@dataclass(frozen=True)
class Rule:
    """How presentations count, see `PresentationRule`."""

    counting: Counting = Counting.NOT
    weight: int = WEIGHT
    points: int = POINTS
    talk_at_once: bool = False

    @property
    def counts(self) -> bool:
        return self.counting != Counting.NOT

    @property
    def said(self) -> str:
        """A sentence for everybody in the course."""
        if self.counting == Counting.WITHIN:
            return (
                f"The presentation makes {self.weight} % of each criterion's level; the blind grade makes the rest. What "
                "nobody could judge in one of them, the other decides alone."
            )
        if self.counting == Counting.APART:
            return f"The presentation is graded by the same criteria, for {self.points} points of its own."
        return "The presentation does not count for the grade."


@dataclass(frozen=True)
class Slot:
    """One team's turn. `number` from 1, of `of` in its session."""

    presentation: Presentation
    number: int
    of: int
    starts_at: datetime

    @property
    def team(self) -> Team:
        return self.presentation.team


def rule_of(course: Course) -> Rule:
    row = PresentationRule.objects.filter(course=course).first()
    return Rule() if row is None else _rule(row)


def rule_in(course: Course) -> Rule:
    """Of a course that was fetched with its `presentation_rule`."""
    row: PresentationRule | None = getattr(course, "presentation_rule", None)
    return Rule() if row is None else _rule(row)


def _rule(row: PresentationRule) -> Rule:
    return Rule(Counting(row.counting), row.weight, row.points, row.talk_at_once)


def set_rule(*, course: Course, rule: Rule, person: User) -> bool:
    """Say how presentations count. Students are told where that changed. False where nothing did."""
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        before = rule_of(course)
        if before == rule:
            return False
        fields = {
            "counting": rule.counting,
            "weight": rule.weight,
            "points": rule.points,
            "talk_at_once": rule.talk_at_once,
        }
        PresentationRule.objects.update_or_create(course=course, defaults=fields)
        said = [f"{one.said} Professors talk with bots {_when(one)}." for one in (before, rule)]
        audit.record(
            course=course,
            person=person,
            action="presentations",
            what=str(course),
            before=said[0],
            after=said[1],
        )
        if before.said != rule.said:
            _tell_students(course, rule)
    return True


def _when(rule: Rule) -> str:
    return "at any time" if rule.talk_at_once else "after their blind grades"


def _tell_students(course: Course, rule: Rule) -> None:
    students = User.objects.filter(
        memberships__course=course, memberships__role=Role.STUDENT, memberships__active=True
    )
    text = f"{rule.said} What was released stays as it is."
    path = reverse("rubric_read", args=[course.pk])
    notices.tell(people=students, course=course, kind=NoticeKind.GRADE, text=text, path=path)


def sessions_of(course: Course) -> list[PresentationSession]:
    """In the order of their days, with teams and listeners fetched."""
    rows = PresentationSession.objects.filter(course=course)
    return list(rows.prefetch_related("presentations__team", "listeners__person"))


def slots_of(session: PresentationSession) -> list[Slot]:
    """The teams' turns, one after the other."""
    rows = list(session.presentations.all())
    step = timedelta(minutes=session.minutes)
    return [
        Slot(row, number, len(rows), session.starts_at + step * (number - 1))
        for number, row in enumerate(rows, start=1)
    ]


def slot_of(team: Team) -> Slot | None:
    """When and where this team presents; None while it has no place."""
    row = Presentation.objects.filter(team=team).select_related("session").first()
    if row is None:
        return None
    found = slots_of(row.session)
    return next(slot for slot in found if slot.presentation.pk == row.pk)


def unplanned(course: Course) -> list[Team]:
    """Teams without a place, by name; a practice team presents nothing."""
    return list(course.teams.filter(practice=False, presentation=None).order_by("name"))


def professors_of(course: Course) -> list[Membership]:
    rows = course.memberships.filter(role=Role.PROFESSOR, active=True).select_related("person")
    return list(rows.order_by("person__name"))


def save_session(
    *,
    course: Course,
    session: PresentationSession | None,
    starts_at: datetime,
    place: str,
    minutes: int,
    listeners: Iterable[Membership],
    person: User,
) -> PresentationSession:
    """A new session, or new words for this one. Raises CannotPlan where a professor would leave who has written something."""
    chosen = list(listeners)
    with transaction.atomic():
        if session is None:
            session = PresentationSession(course=course)
        else:
            _hold(session)
            _check_listeners(session, chosen)
        session.starts_at, session.place, session.minutes = starts_at, place, minutes
        session.save()
        session.listeners.set(chosen)
        _record(session, person, "presentations planned", f"{len(chosen)} listen")
    return session


def _check_listeners(session: PresentationSession, chosen: list[Membership]) -> None:
    for hearing in _written(Hearing.objects.filter(presentation__session=session)):
        if hearing.listener not in chosen:
            raise CannotPlan(
                f"{hearing.listener.person} has written something in this session already and stays in it."
            )


def _written(hearings: QuerySet[Hearing]) -> list[Hearing]:
    """Those in which something was entered, or the bot was talked with."""
    found = hearings.filter(Q(grade__version__gt=0) | Q(talks__turns__isnull=False)).distinct()
    return list(found.select_related("listener__person", "presentation__team"))


def _hold(session: PresentationSession) -> None:
    """Two instructors do not plan the same session at the same moment. Raises CannotPlan where it is gone."""
    if PresentationSession.objects.select_for_update().filter(pk=session.pk).first() is None:
        raise CannotPlan(
            "Somebody else has removed this session meanwhile. Go back to the plan."
        )


def add_team(*, session: PresentationSession, team: Team, person: User) -> None:
    """At the end of the session. Raises CannotPlan for a team that has a place already."""
    with transaction.atomic():
        _hold(session)
        if Presentation.objects.filter(team=team).exists():
            raise CannotPlan(f"{team.name} has a place already. Remove it there first.")
        Presentation.objects.create(
            session=session, team=team, position=session.presentations.count() + 1
        )
        _record(session, person, "presentation added", team.name)


def fill(*, session: PresentationSession, person: User) -> int:
    """Add every team without a place, in an order that is drawn by lot. How many there were."""
    waiting = unplanned(session.course)
    secrets.SystemRandom().shuffle(waiting)
    for team in waiting:
        add_team(session=session, team=team, person=person)
    return len(waiting)


def move(*, presentation: Presentation, by: int) -> None:
    """One place earlier (-1) or later (1); at either end nothing happens."""
    with transaction.atomic():
        _hold(presentation.session)
        rows = list(presentation.session.presentations.all())
        at = next((place for place, row in enumerate(rows) if row.pk == presentation.pk), None)
        if at is None or not 0 <= at + by < len(rows):
            return
        rows[at], rows[at + by] = rows[at + by], rows[at]
        _number(rows)


def _number(rows: list[Presentation]) -> None:
    for position, row in enumerate(rows, start=1):
        Presentation.objects.filter(pk=row.pk).update(position=position)


def remove_team(*, presentation: Presentation, person: User) -> None:
    """Out of the plan. Raises CannotPlan where a professor has written something of it."""
    session = presentation.session
    with transaction.atomic():
        _hold(session)
        _check_unwritten(Hearing.objects.filter(presentation=presentation))
        Presentation.objects.filter(pk=presentation.pk).delete()
        _number(list(session.presentations.all()))
        _record(session, person, "presentation removed", presentation.team.name)


def remove_session(*, session: PresentationSession, person: User) -> None:
    """With all its places. Raises CannotPlan where a professor has written something of one of them."""
    with transaction.atomic():
        _hold(session)
        _check_unwritten(Hearing.objects.filter(presentation__session=session))
        _record(
            session,
            person,
            "presentations removed",
            ", ".join(slot.team.name for slot in slots_of(session)),
        )
        session.delete()


def _check_unwritten(hearings: QuerySet[Hearing]) -> None:
    for hearing in _written(hearings):
        raise CannotPlan(
            f"{hearing.listener.person} has written something about {hearing.presentation.team.name} already. It stays, so "
            "that nothing is lost."
        )


def tell(*, session: PresentationSession, person: User) -> int:
    """Send day, place and turn to each team, and the day to those who listen. How many teams were told."""
    slots = slots_of(session)
    for slot in slots:
        members = slot.team.memberships.filter(active=True).select_related("person")
        text = (
            f"Your team presents on {_said(slot.starts_at, session)}, {session.place}, as number {slot.number} of {slot.of}. You "
            f"have {session.minutes} minutes."
        )
        people = [membership.person for membership in members]
        path = reverse("presentation_list", args=[session.course_id])
        notices.tell(
            people=people,
            course=session.course,
            kind=NoticeKind.ANNOUNCEMENT,
            text=text,
            path=path,
        )
    for listener in session.listeners.select_related("person", "course"):
        text = f"You hear {len(slots)} presentations on {_said(session.starts_at, session)}, {session.place}."
        path = reverse("presentation_list", args=[session.course_id])
        tell_professor(listener, NoticeKind.ANNOUNCEMENT, text, path)
    _record(session, person, "presentations announced", f"{len(slots)} teams")
    return len(slots)


def _said(moment: datetime, session: PresentationSession) -> str:
    return days.at(moment, "l, M j, H:i", session.course.zone)


def _record(session: PresentationSession, person: User, action: str, after: str) -> None:
    what = f"{_said(session.starts_at, session)}, {session.place}"
    audit.record(course=session.course, person=person, action=action, what=what, after=after)


def bot_of(team: Team) -> Submission | None:
    """What a team has handed in: the bot that it presents."""
    rows = Submission.objects.current().filter(team=team)
    return rows.select_related(
        "run__team__course", "run__base_model", "rubric", "team__course"
    ).first()
