"""Who is told what about grades: in the bar of the page and by mail, each where that person wants it."""

from collections import defaultdict

from django.urls import reverse

from evaluation.models import GradeStatus, Grading, Submission
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


def tell_instructors(
    submission: Submission,
    text: str,
    *,
    but: User | None = None,
    kind: NoticeKind = NoticeKind.DECISION,
    event: str = "",
) -> None:
    """That something about this bot's grade waits for a decision. `but` is who did it; `event` as with `notices.tell`."""
    course = submission.team.course
    notices.tell(
        people=[person for person in instructors_of(course) if person != but],
        course=course,
        kind=kind,
        text=text,
        path=reverse("submission_grades", args=[course.pk, submission.pk]),
        event=event,
    )


def change_waits(submission: Submission, what: str) -> None:
    """A grade changed after its release: nothing moves for the team before an instructor publishes it."""
    if submission.released_at is not None:
        text = f"{submission.team.name}: {what} The team still sees the released version; publish the change or leave it."
        tell_instructors(submission, text)


def tell_professor(
    membership: Membership, kind: NoticeKind, text: str, path: str, *, event: str = ""
) -> None:
    """One professor, if she is in the course now. `text` and `path` name no team; `event` as with `notices.tell`."""
    if membership.active:
        notices.tell(
            people=[membership.person],
            course=membership.course,
            kind=kind,
            text=text,
            path=path,
            event=event,
        )


def tell_graders(submission: Submission, kind: NoticeKind, what: str, *, event: str) -> None:
    """Each professor who submitted a grade, by the letter under which she knows the bot."""
    done = submission.gradings.filter(grade__status=GradeStatus.COMMITTED)
    for grading in done.select_related("grader__person", "grader__course"):
        path = reverse("grading_detail", args=[grading.grader.course_id, grading.code])
        tell_professor(grading.grader, kind, f"{grading}: {what}", path, event=event)


def bots_wait(opened: list[Grading]) -> None:
    """Bots that professors are to grade from now on: one notice for each professor, however many came at once.

    It names no letter: a letter beside the minute would say which team's bot it is.
    """
    by_grader: dict[int, list[Grading]] = defaultdict(list)
    for grading in opened:
        by_grader[grading.grader_id].append(grading)
    for mine in by_grader.values():
        grader = mine[0].grader
        replaced = [one for one in mine if _replaces(one)]
        if replaced and notices.wants(person=grader.person, kind=NoticeKind.REPLACED):
            mine = [
                one for one in mine if one not in replaced
            ]  # its own notice says that a newer one waits
        if mine:
            text = (
                "A bot waits for your grade."
                if len(mine) == 1
                else f"{len(mine)} bots wait for your grade."
            )
            event = f"waiting-{min(str(one.code) for one in mine)}"
            tell_professor(grader, NoticeKind.WAITING, text, _queue(grader), event=event)


def _replaces(grading: Grading) -> bool:
    earlier = Grading.objects.filter(
        grader=grading.grader, submission__team=grading.submission.team_id
    )
    return earlier.exclude(pk=grading.pk).exists()


def _queue(grader: Membership) -> str:
    return reverse("grading_queue", args=[grader.course_id])


def bot_replaced(submission: Submission) -> None:
    """Its team handed in another one in its place: for those who were to grade it."""
    for grading in submission.gradings.select_related("grader__person", "grader__course"):
        text = (
            f"{grading} was withdrawn: its team handed in another bot, which waits in your list. What you wrote about it is"
            " kept."
        )
        tell_professor(
            grading.grader,
            NoticeKind.REPLACED,
            text,
            _queue(grading.grader),
            event=f"replaced-{grading.code}",
        )
