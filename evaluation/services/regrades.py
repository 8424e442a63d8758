"""A second look after release: asked for by the team, decided by the instructor, taken by another professor, blind."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from evaluation.models import Criterion, Grading, RegradeRequest, RegradeStatus, Submission, Turn
from evaluation.services.gradings import ensure_gradings
from teams.models import Membership, ProfessorAssignment, Role, User
from teams.services import audit


class RegradeRefused(Exception):
    """The message says why and what to do."""


def request_regrade(
    *, submission: Submission, criterion: Criterion, turns: Sequence[Turn], words: str, person: User
) -> RegradeRequest:
    """Ask for a second look at one criterion. Raises RegradeRefused before release and while the same is asked already."""
    if submission.released_at is None:
        raise RegradeRefused("There is no released result to ask about.")
    if not words.strip():
        raise RegradeRefused("Say in a sentence or two what the professor may have missed.")
    try:
        with transaction.atomic():
            made = RegradeRequest.objects.create(
                submission=submission, criterion=criterion, words=words.strip()[:2000], person=person
            )
            made.turns.set(turns)
    except IntegrityError as error:
        raise RegradeRefused(
            "You have asked about this criterion already; your instructor has not decided yet."
        ) from error
    return made


def free_professors(submission: Submission) -> list[Membership]:
    """Professors of the course who have not graded this bot."""
    taken = submission.gradings.values_list("grader_id", flat=True)
    people = Membership.objects.filter(course=submission.team.course_id, role=Role.PROFESSOR).exclude(pk__in=taken)
    return list(people.select_related("person"))


def send_for_second_look(*, request: RegradeRequest, professor: Membership, person: User) -> Grading:
    """Give the bot to another professor, who sees it as any other bot. Raises RegradeRefused."""
    submission = request.submission
    if professor.pk not in {free.pk for free in free_professors(submission)}:
        raise RegradeRefused("This professor has graded the bot already. Choose another one.")
    with transaction.atomic():
        ProfessorAssignment.objects.get_or_create(team=submission.team, professor=professor)
        ensure_gradings(course=submission.team.course)
        grading = Grading.objects.get(submission=submission, grader=professor)
        _decide(request, RegradeStatus.SECOND_LOOK, person, grading=grading)
    return grading


def decline(*, request: RegradeRequest, answer: str, person: User) -> None:
    """Leave the grade as it is, with an answer for the team. Raises RegradeRefused without one."""
    if not answer.strip():
        raise RegradeRefused("Tell the team why, in a sentence.")
    _decide(request, RegradeStatus.DECLINED, person, answer=answer.strip()[:500])


def _decide(request: RegradeRequest, status: RegradeStatus, person: User, **fields: object) -> None:
    still_open = RegradeRequest.objects.filter(pk=request.pk, status=RegradeStatus.OPEN)
    if not still_open.update(status=status, decided_by=person, decided_at=timezone.now(), **fields):
        raise RegradeRefused("This request was decided already.")
    team = request.submission.team
    what = f"{team.name}, {request.criterion.name}"
    audit.record(course=team.course, person=person, team=team, action=f"regrade {status}", what=what)
