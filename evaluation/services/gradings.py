"""Who grades what, under which letter. A letter and an order are drawn at random, so that neither tells who was first."""

import secrets
from dataclasses import dataclass
from itertools import product
from string import ascii_uppercase

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q

from evaluation.models import (
    Conversation,
    CriterionScore,
    Grade,
    GradeStatus,
    Grading,
    Submission,
)
from evaluation.services import telling
from teams.models import Course, Membership, ProfessorAssignment

ORDER_RANGE = 2**31 - 1


def ensure_gradings(*, course: Course) -> None:
    """Open the missing gradings: one for each current submission and each professor assigned to its team. Idempotent."""
    opened = []
    wanted = ProfessorAssignment.objects.filter(
        team__course=course, team__submissions__replaced_at=None
    )
    there = Grading.objects.filter(
        submission__team=OuterRef("team"),
        submission__replaced_at=None,
        grader=OuterRef("professor"),
    )
    for assignment in (
        wanted.filter(team__submissions__isnull=False)
        .exclude(Exists(there))
        .select_related("professor__person", "professor__course")
    ):
        submission = (
            Submission.objects.current()
            .select_related("rubric", "run")
            .get(team=assignment.team_id)
        )
        try:
            with transaction.atomic():
                opened.append(_open(submission, assignment.professor))
        except IntegrityError:
            continue  # another request opened it at the same moment
    telling.bots_wait(opened)


def _open(submission: Submission, grader: Membership) -> Grading:
    grading = Grading.objects.create(
        submission=submission,
        grader=grader,
        letter=_free_letter(grader),
        order=secrets.randbelow(ORDER_RANGE),
    )
    grade = Grade.objects.create(grading=grading, grader=grader)
    CriterionScore.objects.bulk_create(
        CriterionScore(grade=grade, criterion=criterion)
        for criterion in submission.rubric.criteria.all()
    )
    Conversation.objects.create(
        run=submission.run, submission=submission, person_id=grader.person_id
    )
    return grading


def _free_letter(grader: Membership) -> str:
    taken = set(Grading.objects.filter(grader=grader).values_list("letter", flat=True))
    for length in (1, 2, 3):
        free = sorted(
            {"".join(letters) for letters in product(ascii_uppercase, repeat=length)} - taken
        )
        if free:
            return secrets.choice(free)
    raise AssertionError("18,000 gradings for one professor")


@dataclass(frozen=True)
class QueueEntry:
    """One bot in a professor's queue; `scored` of `criteria` have a level or "cannot judge"."""

    grading: Grading
    scored: int
    criteria: int
    questions: int


def queue_for(membership: Membership) -> list[QueueEntry]:
    """The professor's bots in their stable random order, withdrawn ones left out. Names nobody."""
    ensure_gradings(course=membership.course)
    rows = (
        Grading.objects.for_grader(membership)
        .current()
        .select_related("grade")
        .prefetch_related("grade__scores")
    )
    asked = dict(
        Conversation.objects.filter(
            person=membership.person_id, submission__gradings__grader=membership
        )
        .annotate(questions=Count("turns", filter=Q(turns__replaced_at=None), distinct=True))
        .values_list("submission_id", "questions")
    )
    return [
        QueueEntry(
            row, row.grade.scored, len(row.grade.scores.all()), asked.get(row.submission_id, 0)
        )
        for row in rows
    ]


def first_criterion(grading: Grading) -> str:
    """The key of the first criterion of its rubric."""
    return str(grading.grade.scores.values_list("criterion__key", flat=True)[0])


def withdrawn_for(membership: Membership) -> list[Grading]:
    """Bots that their teams replaced before they were graded: what was written about them is kept."""
    rows = Grading.objects.for_grader(membership).exclude(submission__replaced_at=None)
    return list(rows.select_related("grade"))


def interview_of(grading: Grading) -> Conversation:
    return Conversation.objects.select_related(
        "run__team__course", "run__base_model", "submission"
    ).get(submission=grading.submission_id, person=grading.grader.person_id)


def next_after(grading: Grading) -> Grading | None:
    """The next bot of this professor that waits for her, in her own order, from the beginning after the last."""
    waiting = list(
        Grading.objects.for_grader(grading.grader)
        .current()
        .filter(grade__status=GradeStatus.DRAFT)
        .exclude(pk=grading.pk)
        .order_by("order", "id")
    )
    here = (grading.order, grading.pk)
    return next(
        (one for one in waiting if (one.order, one.pk) > here), waiting[0] if waiting else None
    )


def questions_asked(grading: Grading) -> int:
    """In her own interview; what she asked anew counts once."""
    return interview_of(grading).turns.current().count()
