"""Who is told what about grades: in the bar of the page and by mail, each where that person wants it."""

from django.urls import reverse

from evaluation.models import Submission
from teams.models import Course, Membership, NoticeKind, Role, User
from teams.services import notices


def tell_team(submission: Submission, text: str) -> None:
    """Everyone who is in the team now; the link leads to its result."""
    members = submission.team.memberships.filter(active=True).select_related("person")
    notices.tell(
        people=[membership.person for membership in members],
        course=submission.team.course,
        kind=NoticeKind.GRADE,
        text=text,
        path=reverse("submission_detail", args=[submission.team_id]),
    )


def instructors_of(course: Course) -> list[User]:
    rows = course.memberships.filter(role=Role.INSTRUCTOR, active=True).select_related("person")
    return [membership.person for membership in rows]


def tell_instructors(submission: Submission, text: str, *, but: User | None = None) -> None:
    """That something about this bot's grade waits for a decision. `but` is who did it."""
    course = submission.team.course
    notices.tell(
        people=[person for person in instructors_of(course) if person != but],
        course=course,
        kind=NoticeKind.DECISION,
        text=text,
        path=reverse("submission_grades", args=[course.pk, submission.pk]),
    )


def change_waits(submission: Submission, what: str) -> None:
    """A grade changed after its release: nothing moves for the team before an instructor publishes it."""
    if submission.released_at is not None:
        text = (
            f"{submission.team.name}: {what} The team still sees the released version; publish the change or leave it."
        )
        tell_instructors(submission, text)


def tell_professor(membership: Membership, kind: NoticeKind, text: str, path: str) -> None:
    """One professor, if she is in the course now. `text` and `path` name no team."""
    if membership.active:
        notices.tell(people=[membership.person], course=membership.course, kind=kind, text=text, path=path)
