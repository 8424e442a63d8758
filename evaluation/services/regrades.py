"""A second look after release: asked for by the team, taken blind by another professor, decided by the instructor.

The other professor sees exactly the criterion and the answers that the team points at, nothing of the team, the levels or
the words it asked with. Whatever is decided, the request is closed and everybody who had to do with it is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from evaluation.models import (
    Criterion,
    GradeStatus,
    RegradeRequest,
    RegradeStatus,
    SecondLook,
    Submission,
    Turn,
)
from evaluation.models.grading import UNDECIDED
from evaluation.services import releases, telling
from evaluation.services.clean import clean
from evaluation.services.results import adjudicate
from teams.models import Course, Membership, NoticeKind, Role, User
from teams.services import audit

MAX_COMMENT = 2_000
MAX_ANSWER = 500
MAX_WORDS = 2_000


class RegradeRefused(Exception):
    """The message says why and what to do."""


@dataclass(frozen=True)
class Opinion:
    """What the other professor says. `level` is None where she cannot judge."""

    level: int | None
    comment: str


def request_regrade(
    *,
    submission: Submission,
    criterion: Criterion,
    turns: Sequence[Turn],
    words: str,
    person: User,
) -> RegradeRequest:
    """Ask for a second look at one criterion. Raises RegradeRefused before release and while the same is asked already."""
    if submission.released_at is None:
        raise RegradeRefused("There is no released result to ask about.")
    if not words.strip():
        raise RegradeRefused("Say in a sentence or two what the professor may have missed.")
    _ask_once(submission, criterion)
    try:
        with transaction.atomic():
            made = RegradeRequest.objects.create(
                submission=submission,
                criterion=criterion,
                words=words.strip()[:MAX_WORDS],
                person=person,
            )
            made.turns.set(turns)
            what = f"{submission.team.name} asks for a second look at “{criterion.name}”."
            event = f"disputed-{made.pk}"
            telling.tell_instructors(
                submission, what, but=person, kind=NoticeKind.DISPUTED, event=event
            )
            said = f"the team asks for a second look at “{criterion.name}”. The instructor decides; you need do nothing."
            telling.tell_graders(submission, NoticeKind.DISPUTED, said, event=event)
    except IntegrityError as error:
        raise RegradeRefused(
            "You have asked about this criterion already; your instructor has not decided yet."
        ) from error
    return made


def _ask_once(submission: Submission, criterion: Criterion) -> None:
    """Raises RegradeRefused."""
    earlier = RegradeRequest.objects.filter(submission=submission, criterion=criterion)
    if earlier.filter(status__in=UNDECIDED).exists():
        raise RegradeRefused(
            "You have asked about this criterion already; your instructor has not decided yet."
        )
    if earlier.filter(status=RegradeStatus.DECIDED).exists():
        raise RegradeRefused(
            "This criterion was looked at a second time and decided. Talk to your instructor."
        )


def free_professors(submission: Submission) -> list[Membership]:
    """Professors of the course who have not graded this bot, and could sign in now."""
    taken = submission.gradings.values_list("grader_id", flat=True)
    rows = Membership.objects.filter(
        course=submission.team.course_id, role=Role.PROFESSOR, active=True
    )
    return list(rows.exclude(pk__in=taken).select_related("person"))


def send_for_second_look(
    *, request: RegradeRequest, professor: Membership, person: User
) -> SecondLook:
    """Have another professor look, or another one instead while the first has not answered. Raises RegradeRefused."""
    submission = request.submission
    if professor.pk not in {free.pk for free in free_professors(submission)}:
        raise RegradeRefused(
            "This professor has graded the bot already, or left the course. Choose another one."
        )
    with transaction.atomic():
        _move(request, RegradeStatus.SECOND_LOOK)
        SecondLook.objects.filter(request=request, given_at=None).delete()
        if SecondLook.objects.filter(request=request).exists():
            raise RegradeRefused(
                "A professor has answered already. Read what she says, then decide."
            )
        look = SecondLook.objects.create(request=request, reader=professor)
        telling.tell_professor(
            professor,
            NoticeKind.WAITING,
            f"A second look at one criterion waits for you: {request.criterion.name}.",
            reverse("second_look", args=[professor.course_id, look.code]),
        )
        _log(request, person, "regrade sent", after={"to": str(professor.person)})
    return look


def looks_of(reader: Membership) -> list[SecondLook]:
    """What waits for this professor, and what she has answered: those last."""
    rows = SecondLook.objects.filter(reader=reader).select_related("request__criterion")
    return sorted(rows, key=lambda one: (one.given_at is not None, str(one.code)))


def exchanges_for(look: SecondLook) -> list[Turn]:
    """The answers that it is about, in the order in which they were given; where the team named none, all that were marked
    or, where none was, all that were given."""
    chosen = list(look.request.turns.select_related("conversation"))
    if not chosen:
        talks = Turn.objects.remembered().filter(
            conversation__submission=look.request.submission_id,
            conversation__submission__gradings__grade__status=GradeStatus.COMMITTED,
        )
        rows = list(talks.distinct().select_related("conversation").prefetch_related("tags"))
        chosen = [turn for turn in rows if turn.tags.all()] or rows
    return sorted(chosen, key=lambda turn: (turn.conversation.key, turn.position))


def give(*, look: SecondLook, opinion: Opinion) -> None:
    """The other professor's answer, once. Raises RegradeRefused after that, and when the request was decided without it."""
    comment = clean(opinion.comment).strip()[:MAX_COMMENT]
    if not comment:
        raise RegradeRefused("Say in a sentence what you hear in these answers.")
    with transaction.atomic():
        open_look = SecondLook.objects.filter(
            pk=look.pk, given_at=None, request__status=RegradeStatus.SECOND_LOOK
        )
        fields = {
            "level": opinion.level,
            "cannot_judge": opinion.level is None,
            "comment": comment,
        }
        if not open_look.update(given_at=timezone.now(), **fields):
            raise RegradeRefused(
                "This was answered or decided already; what you wrote is still in the box below."
            )
        submission = Submission.objects.select_related("team__course").get(
            pk=look.request.submission_id
        )
        name = look.request.criterion.name
        telling.tell_instructors(
            submission,
            f"{submission.team.name}: the second look at “{name}” is done. Please decide.",
        )


def decide(*, request: RegradeRequest, level: int | None, answer: str, person: User) -> None:
    """End it: with the level that counts from now on, or None where the grade stays. `answer` goes to the team.

    A new level is an adjudication, and published at once as a version in which nothing else has changed.
    Raises RegradeRefused.
    """
    said = answer.strip()[:MAX_ANSWER]
    if not said:
        raise RegradeRefused("Tell the team why, in a sentence.")
    status = RegradeStatus.DECLINED if level is None else RegradeStatus.DECIDED
    submission, criterion = request.submission, request.criterion
    with transaction.atomic():
        _move(
            request,
            status,
            answer=said,
            level=level,
            decided_by=person,
            decided_at=timezone.now(),
        )
        _log(request, person, f"regrade {status}", after={"level": level, "answer": said})
        if level is not None:
            adjudicate(
                submission=submission,
                criterion=criterion,
                level=level,
                reason=said,
                person=person,
            )
            _publish(submission, criterion, said, person)
        _tell_everybody(request, level, said, person)


def _publish(submission: Submission, criterion: Criterion, said: str, person: User) -> None:
    if submission.released_at is None:
        return  # hidden meanwhile: it waits as a draft
    try:
        reason = f"Second look at “{criterion.name}”: {said}"
        releases.publish(submission=submission, person=person, reason=reason, only=criterion.key)
    except releases.NothingChanged:
        return  # just this level, for just this reason, counts already
    except releases.CannotRelease as error:
        raise RegradeRefused(str(error)) from error


def _tell_everybody(request: RegradeRequest, level: int | None, said: str, person: User) -> None:
    """The team, the other instructors, who graded the bot and who looked again; professors by the letter they know."""
    submission, name = request.submission, request.criterion.name
    what = f"level {level} counts" if level is not None else "the grade stays as it is"
    telling.tell_team(submission, f"Your second look at “{name}” is decided: {what}. {said}")
    closed = f"{submission.team.name}: the second look at “{name}” is decided: {what}."
    telling.tell_instructors(submission, closed, but=person)
    for grading in submission.gradings.filter(
        grade__status=GradeStatus.COMMITTED
    ).select_related("grader__person", "grader__course"):
        path = reverse("grading_detail", args=[grading.grader.course_id, grading.code])
        text = f"{grading}: a second look at “{name}” is decided: {what}."
        telling.tell_professor(grading.grader, NoticeKind.GRADE, text, path)
    look = (
        SecondLook.objects.filter(request=request)
        .select_related("reader__person", "reader__course")
        .first()
    )
    if look is not None:
        path = reverse("second_look", args=[look.reader.course_id, look.code])
        text = f"Your second look at “{name}” is decided: {what}. Thank you."
        telling.tell_professor(look.reader, NoticeKind.GRADE, text, path)


def _move(request: RegradeRequest, status: RegradeStatus, **fields: object) -> None:
    """One conditional UPDATE from a state that waits. Raises RegradeRefused for the loser of a race."""
    waiting = RegradeRequest.objects.filter(pk=request.pk, status__in=UNDECIDED)
    if not waiting.update(status=status, **fields):
        raise RegradeRefused("This request was decided already.")
    request.refresh_from_db(fields=["status", *fields])


def _log(request: RegradeRequest, person: User, action: str, *, after: object) -> None:
    team = request.submission.team
    course: Course = team.course
    what = f"{team.name}, {request.criterion.name}"
    audit.record(course=course, person=person, team=team, action=action, what=what, after=after)
