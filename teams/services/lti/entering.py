"""Who comes in from an LMS: as which account, and into which course.

An account is found by the LMS's own lasting name for the person, never by the e-mail address that the LMS says: that is a
claim of whoever runs the LMS. Who has an account signs in to it once and says that the LMS may open it. Who has none gets one
without a password, and keeps it until somebody shows by a mailed link that its address is theirs.
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from teams.models import (
    Course,
    LmsCourse,
    LmsIdentity,
    LmsLaunch,
    LmsSeat,
    Membership,
    Role,
    User,
)
from teams.services import audit, first_account
from teams.services.lti.claims import ASSISTANT, LEARNER, STAFF
from teams.services.lti.connections import LtiRefused
from teams.services.lti.launching import AGAIN, hashed


def launch_of(ticket: str) -> LmsLaunch:
    """The launch that this browser came with. Raises LtiRefused where it is none, or was entered or swept."""
    rows = LmsLaunch.objects.select_related(
        "connection__course", "connection__registration", "context"
    )
    found = rows.filter(ticket_hash=hashed(ticket), entered_at=None).first() if ticket else None
    # A choice of links was made in a frame, without the cookie that tells whose browser it is: it enters nothing.
    if found is None or found.asks or not found.connection.is_on:
        raise LtiRefused(f"This launch is over. {AGAIN}")
    return found


def person_of(launch: LmsLaunch) -> User | None:
    """Whose account this person of the LMS opens. Raises LtiRefused where it is switched off."""
    kept = (
        LmsIdentity.objects.select_related("person")
        .filter(connection=launch.connection, subject=launch.subject)
        .first()
    )
    if kept is None:
        return None
    if not kept.person.is_active:
        raise LtiRefused("This account is switched off. Ask your instructor.")
    if kept.person.is_staff:
        return None  # became somebody who runs the platform: an LMS opens no such account
    return kept.person


def linked(launch: LmsLaunch) -> LmsCourse | None:
    """The course of ours that is meant; None while no instructor has linked one."""
    found = LmsCourse.objects.select_related("course").filter(context=launch.context).first()
    return found if found and found.connection_id == launch.connection_id else None


def link(*, launch: LmsLaunch, person: User) -> None:
    """The signed-in owner of an account says that this person of the LMS opens it. Raises LtiRefused."""
    if person.is_staff:
        raise LtiRefused(
            "This account runs the platform, and no LMS opens such an account. It goes on for this once."
        )
    try:
        with transaction.atomic():
            LmsIdentity.objects.update_or_create(
                connection=launch.connection,
                subject=launch.subject,
                defaults={"person": person, "consented": True},
            )
            audit.record(
                course=launch.connection.course,
                person=person,
                action="sign-in linked",
                what=f"{person}: {launch.connection}",
            )
    except IntegrityError as error:
        raise LtiRefused(
            f"Your account is linked with another person at {launch.connection} already. Sign out here, and sign in with the "
            "account that belongs to this launch, or ask your instructor."
        ) from error


def has_account(launch: LmsLaunch) -> bool:
    """Somebody has an account with the address that the LMS says: they sign in to it, and nobody gets it by a launch."""
    return bool(launch.email) and User.objects.filter(email__iexact=launch.email).exists()


def create(*, launch: LmsLaunch, place: LmsCourse) -> User:
    """An account without a password, for somebody new. Raises LtiRefused."""
    check_new(launch, place)
    name = launch.name or launch.email.partition("@")[0]
    try:
        with transaction.atomic():
            person = User.objects.create_user(launch.email, None, name=name)
            LmsIdentity.objects.create(
                connection=launch.connection, subject=launch.subject, person=person
            )
            audit.record(
                course=place.course,
                person=person,
                action="account made",
                what=f"{person}: {launch.connection}",
            )
    except IntegrityError as error:
        raise LtiRefused(_HAS_ACCOUNT) from error
    return person


_HAS_ACCOUNT = "There is an account with this address already. Sign in to it once, and the LMS opens it from then on."


def check_new(launch: LmsLaunch, place: LmsCourse) -> None:
    """Whether somebody new may be made an account. Raises LtiRefused."""
    if first_account.wanted():
        raise LtiRefused(
            "This platform is not set up yet. Its first account is made on the sign-in page."
        )
    if not launch.email:
        raise LtiRefused(
            f"{launch.connection} did not say your e-mail address, and an account needs one. Ask your instructor to let the "
            "LMS share name and e-mail with this tool."
        )
    if has_account(launch):
        raise LtiRefused(_HAS_ACCOUNT)
    role_for(launch, place)


def role_for(launch: LmsLaunch, place: LmsCourse) -> Role:
    """What somebody new becomes in this course. Raises LtiRefused where that is nobody."""
    if not place.takes_in:
        raise LtiRefused(
            f"{place.course} takes in nobody new from {launch.connection} at the moment. Ask your instructor."
        )
    if launch.role == LEARNER:
        return Role.STUDENT
    if launch.role == STAFF:
        return Role(place.staff_role)
    if launch.role == ASSISTANT:
        raise LtiRefused(
            "You are a teaching assistant in the LMS. The instructor decides what you may do here: ask to be invited from "
            "the course's people page."
        )
    raise LtiRefused(
        f"In {launch.connection} you are neither a student nor an instructor of this course, so nothing here is yours to "
        "open. Ask your instructor to invite you."
    )


@dataclass(frozen=True)
class Entered:
    """`path`: where to go. `is_new`: the person was not in the course before."""

    membership: Membership
    path: str
    is_new: bool


def enter(*, launch: LmsLaunch, person: User, place: LmsCourse) -> Entered:
    """Into the course, in the role that the person has there already, or gets now. Uses the launch up. Raises LtiRefused."""
    course = place.course
    with transaction.atomic():
        membership = Membership.objects.filter(course=course, person=person).first()
        is_new = membership is None
        if membership is None:
            role = role_for(launch, place)
            membership, _ = Membership.objects.get_or_create(
                course=course, person=person, defaults={"role": role}
            )
            audit.record(
                course=course,
                person=person,
                action="joined",
                what=f"{membership.get_role_display()}, from {launch.connection}",
            )
        if not membership.active:
            raise LtiRefused(
                f"You were taken out of {course}. Ask your instructor to let you in again."
            )
        if not LmsLaunch.objects.filter(pk=launch.pk, entered_at=None).update(
            entered_at=timezone.now(), name="", email=""
        ):
            raise LtiRefused(f"This launch is over. {AGAIN}")
        take_seat(place, membership, launch.subject)
        if launch.student_id and not membership.student_id and membership.role == Role.STUDENT:
            membership.student_id = launch.student_id
            membership.save(update_fields=["student_id"])
    return Entered(membership, path_for(membership, launch.target), is_new)


def take_seat(place: LmsCourse, membership: Membership, subject: str) -> None:
    """Remember under which name the LMS knows this member. The newest launch is right."""
    LmsSeat.objects.filter(lms_course=place, subject=subject).exclude(
        membership=membership
    ).delete()
    LmsSeat.objects.update_or_create(
        lms_course=place, membership=membership, defaults={"subject": subject}
    )


def path_for(membership: Membership, target: str) -> str:
    """The page that a link of the LMS means for this person. A student without a team chooses one first."""
    course, team = [membership.course_id], membership.team_id
    if membership.role == Role.PROFESSOR:
        return reverse("grading_queue", args=course)
    if membership.role in (Role.ASSISTANT, Role.OBSERVER):
        return reverse("course_home", args=course)
    if membership.role == Role.INSTRUCTOR:
        pages = {
            "plan": "course_plan",
            "submission": "course_grades",
            "grading": "course_grades",
        }
        return reverse(pages.get(target, "course_home"), args=course)
    if target == "plan":
        return reverse("course_plan", args=course)
    if team is None:
        return reverse("course_home", args=course)
    pages = {
        "dataset": "dataset_list",
        "submission": "submission_detail",
        "grading": "submission_detail",
    }
    return reverse(pages.get(target, "team_home"), args=[team])


def candidates(launch: LmsLaunch, person: User) -> list[Course]:
    """Courses of this person that the LMS course can be linked to; none for who is no instructor there."""
    if launch.role != STAFF:
        return []
    mine = Course.objects.filter(
        memberships__person=person, memberships__role=Role.INSTRUCTOR, memberships__active=True
    )
    if launch.connection.course_id is not None:
        mine = mine.filter(pk=launch.connection.course_id)
    return list(mine)


def connect(*, launch: LmsLaunch, person: User, course: Course) -> LmsCourse:
    """This LMS course is that course of ours from now on. Raises LtiRefused."""
    if course not in candidates(launch, person):
        raise LtiRefused("Only who is an instructor of both courses can link them.")
    if not person.is_proven:
        raise LtiRefused(
            "Confirm your e-mail address first: the bar on top of the page sends you the link."
        )
    try:
        with transaction.atomic():
            made = LmsCourse.objects.create(
                context=launch.context,
                connection=launch.connection,
                course=course,
                linked_by=person,
            )
            audit.record(
                course=course,
                person=person,
                action="LMS course linked",
                what=f"{launch.context}, {launch.connection}",
            )
    except IntegrityError as error:
        raise LtiRefused(
            f"{launch.context} was linked a moment ago. Press the link in the LMS once more."
        ) from error
    return made


def change(*, place: LmsCourse, person: User, changed: list[str]) -> None:
    """Keep what a form set on `place`: the fields named in `changed`."""
    if not changed:
        return
    with transaction.atomic():
        place.save(update_fields=changed)
        audit.record(
            course=place.course,
            person=person,
            action="LMS course changed",
            what=str(place),
            after={name: getattr(place, name) for name in changed},
        )


def unlink(*, place: LmsCourse, person: User) -> None:
    """Nobody comes in from this LMS course any more. Who is in the course stays in, and what was sent stays sent."""
    with transaction.atomic():
        audit.record(
            course=place.course, person=person, action="LMS course unlinked", what=str(place)
        )
        place.delete()
