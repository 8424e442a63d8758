"""A course goes to another instructor: offered, accepted by the one, confirmed by the other. Each step is one UPDATE."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from teams.models import Course, HandOver, Membership, Role, User
from teams.services import audit, courses, enrolment
from teams.services.refused import CourseRefused

OPEN = (HandOver.State.OFFERED, HandOver.State.ACCEPTED)


def open_of(course: Course) -> HandOver | None:
    """The one that is under way."""
    rows = HandOver.objects.filter(course=course, state__in=OPEN)
    return rows.select_related("giver", "taker", "course").first()


def candidates(course: Course, person: User) -> list[Membership]:
    """Whom it may go to: people of the course who are more than students, and showed that their address is theirs."""
    rows = course.memberships.filter(active=True, person__is_active=True)
    rows = rows.exclude(role__in=[Role.STUDENT, Role.OBSERVER]).exclude(person=person)
    return list(rows.exclude(person__email_verified_at=None).select_related("person"))


def offer(*, course: Course, giver: User, taker: Membership, becomes: str) -> HandOver:
    """Raises CourseRefused while another one is under way, and for somebody who is no candidate."""
    if taker not in candidates(course, giver):
        raise CourseRefused(
            "Choose somebody who teaches in this course and has confirmed their address."
        )
    try:
        with transaction.atomic():
            made = HandOver.objects.create(
                course=course, giver=giver, taker=taker.person, becomes=HandOver.Becomes(becomes)
            )
            _record(made, giver, "course offered")
    except IntegrityError as error:
        raise CourseRefused(
            "This course is offered to somebody already. Withdraw that first."
        ) from error
    return made


def accept(*, hand_over: HandOver, person: User) -> None:
    """By the one it is offered to. Raises CourseRefused where it was withdrawn meanwhile."""
    if person.pk != hand_over.taker_id:
        raise CourseRefused("This offer is somebody else's.")
    with transaction.atomic():
        _move(hand_over, HandOver.State.OFFERED, HandOver.State.ACCEPTED)
        _record(hand_over, person, "course accepted")


def end(*, hand_over: HandOver, person: User) -> None:
    """Withdrawn by the one or declined by the other. Nothing has changed."""
    with transaction.atomic():
        rows = HandOver.objects.filter(pk=hand_over.pk, state__in=OPEN)
        if rows.update(state=HandOver.State.ENDED, ended_at=timezone.now()):
            _record(hand_over, person, "hand-over ended")


def confirm(*, hand_over: HandOver, person: User) -> None:
    """By the one who gives, after the other accepted: now it happens. Raises CourseRefused where either may not any more."""
    if person.pk != hand_over.giver_id:
        raise CourseRefused("Whoever offered the course confirms it.")
    with transaction.atomic():
        _move(hand_over, HandOver.State.ACCEPTED, HandOver.State.DONE)
        here = hand_over.course.memberships.select_for_update().filter(active=True)
        mine = here.filter(person=hand_over.giver, role=Role.INSTRUCTOR).first()
        theirs = here.filter(person=hand_over.taker).exclude(role=Role.STUDENT).first()
        if mine is None or theirs is None or not hand_over.taker.is_active:
            raise CourseRefused("One of you has left the course meanwhile. Nothing was changed.")
        if theirs.role != Role.INSTRUCTOR:
            theirs.assigned_teams.all().delete()  # who sees all names does not grade blind
            courses.set_role(membership=theirs, role=Role.INSTRUCTOR, person=person)
        if hand_over.becomes == HandOver.Becomes.ASSISTANT:
            courses.set_role(membership=mine, role=Role.ASSISTANT, person=person)
        elif hand_over.becomes == HandOver.Becomes.OUT:
            enrolment.deactivate(membership=mine, person=person)
        _record(hand_over, person, "course handed over")


def _move(hand_over: HandOver, before: HandOver.State, after: HandOver.State) -> None:
    ended = timezone.now() if after == HandOver.State.DONE else None
    rows = HandOver.objects.filter(pk=hand_over.pk, state=before)
    if not rows.update(state=after, ended_at=ended):
        raise CourseRefused("This offer has changed meanwhile. Look at the page again.")


def _record(hand_over: HandOver, person: User, action: str) -> None:
    what = f"from {hand_over.giver} to {hand_over.taker}"
    audit.record(course=hand_over.course, person=person, action=action, what=what)
