"""A professor at a presentation: what she may open, her notes and levels, and when she may talk with the bot.

Blindness is lifted for this part only. Nothing here says which of the bots in her queue is this team's: not whether it has
handed one in, not who grades it. And because one who has heard a bot may recognise its answers, she talks with it only when
nothing blind waits for her any more, unless the course allows it at once.
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from evaluation.models import (
    Conversation,
    CriterionScore,
    Grade,
    GradeStatus,
    Grading,
    Hearing,
    Presentation,
    PresentationSession,
    RegradeStatus,
    SecondLook,
)
from evaluation.models.grading import UNDO
from evaluation.services import presenting, rubrics
from evaluation.services.gradings import ensure_gradings
from evaluation.services.presenting import Slot
from teams.models import Membership


@dataclass(frozen=True)
class ToHear:
    """One presentation in a professor's list."""

    slot: Slot
    hearing: Hearing


def heard_by(listener: Membership) -> list[tuple[PresentationSession, list[ToHear]]]:
    """Her sessions with their presentations, each with what she wrote. Opens what is missing; idempotent."""
    sessions = listener.presentation_sessions.filter(course=listener.course_id).prefetch_related(
        "presentations__team"
    )
    found = []
    for session in sessions:
        slots = presenting.slots_of(session)
        found.append(
            (session, [ToHear(slot, _opened(slot.presentation, listener)) for slot in slots])
        )
    return found


def _opened(presentation: Presentation, listener: Membership) -> Hearing:
    mine = (
        Hearing.objects.filter(presentation=presentation, listener=listener)
        .select_related("grade")
        .first()
    )
    if mine is not None:
        return mine
    try:
        with transaction.atomic():
            return _open(presentation, listener)
    except IntegrityError:  # another window opened it at the same moment
        return Hearing.objects.select_related("grade").get(
            presentation=presentation, listener=listener
        )


def _open(presentation: Presentation, listener: Membership) -> Hearing:
    """With a row for each criterion of the course's rubric: the version by which this team's bot is graded would tell it
    from bots that were handed in before or after a change."""
    rubric = rubrics.rubric_for(listener.course)
    hearing = Hearing.objects.create(presentation=presentation, listener=listener)
    grade = Grade.objects.create(hearing=hearing, grader=listener)
    rows = [
        CriterionScore(grade=grade, criterion=criterion) for criterion in rubric.criteria.all()
    ]
    CriterionScore.objects.bulk_create(rows)
    return hearing


def blind_work_of(listener: Membership) -> int:
    """How many bots and second looks still wait for her blind judgement, also those she could still take back."""
    ensure_gradings(course=listener.course)
    since = timezone.now() - UNDO
    current = Grading.objects.for_grader(listener).current()
    settled = current.filter(grade__status=GradeStatus.COMMITTED, grade__committed_at__lt=since)
    looks = SecondLook.objects.filter(
        reader=listener, given_at=None, request__status=RegradeStatus.SECOND_LOOK
    )
    return current.count() - settled.count() + looks.count()


def may_talk(hearing: Hearing) -> bool:
    """Whether she may hear the bot now: reading what it said before counts as hearing it."""
    listener = hearing.listener
    return presenting.rule_of(listener.course).talk_at_once or not blind_work_of(listener)


def talk_of(hearing: Hearing) -> Conversation | None:
    """Her talk with the bot that the team has handed in now; None where it has none."""
    bot = presenting.bot_of(hearing.presentation.team)
    if bot is None:
        return None
    talk, _ = Conversation.objects.get_or_create(
        hearing=hearing, run=bot.run, defaults={"person_id": hearing.listener.person_id}
    )
    talk.run = bot.run  # with its team and base fetched
    return talk
