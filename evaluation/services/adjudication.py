"""What lies on the table where graders disagree: each one's level, comment and interview, with the marks that speak to it."""

from dataclasses import dataclass

from evaluation.models import (
    Conversation,
    Criterion,
    GradeRevision,
    GradeStatus,
    Grading,
    Submission,
    Turn,
)
from evaluation.services.grades import FIRST_REVISION
from evaluation.services.results import CriterionResult, Mark, SubmissionResult, results_of
from evaluation.services.tags import TOUCHES


@dataclass(frozen=True)
class Exchange:
    """A question and its answer. `tags`: (label, whether it speaks to the criterion); `better`: the grader's own answer."""

    turn: Turn
    tags: list[tuple[str, bool]]
    better: str

    @property
    def speaks(self) -> bool:
        """Whether a mark on it is evidence for the criterion."""
        return any(speaks for _, speaks in self.tags)


@dataclass(frozen=True)
class Side:
    """One grader's. `mark` is None where she has not submitted; then nothing of her interview is shown either."""

    number: int
    grading: Grading
    mark: Mark | None
    exchanges: list[Exchange]
    revisions: list[GradeRevision]

    @property
    def marked(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.speaks]


@dataclass(frozen=True)
class Case:
    """One criterion of one bot, as everyone who graded it saw it."""

    result: SubmissionResult
    row: CriterionResult
    sides: list[Side]


def case_of(submission: Submission, criterion: Criterion) -> Case:
    result = results_of([submission])[0]
    row = next(one for one in result.criteria if one.criterion.pk == criterion.pk)
    marks = {mark.grader: mark for mark in row.marks}
    sides = [
        _side(number, grading, marks.get(number), criterion)
        for number, grading in enumerate(result.gradings, start=1)
    ]
    return Case(result, row, sides)


def _side(number: int, grading: Grading, mark: Mark | None, criterion: Criterion) -> Side:
    if grading.grade.status != GradeStatus.COMMITTED:
        return Side(number, grading, None, [], [])
    return Side(
        number,
        grading,
        mark,
        exchanges_of(grading, criterion),
        list(grading.grade.revisions.all()),
    )


def exchanges_of(grading: Grading, criterion: Criterion) -> list[Exchange]:
    """The whole interview of this grader, in its order."""
    talks = Conversation.objects.filter(
        submission=grading.submission_id, person=grading.grader.person_id
    )
    turns = (
        Turn.objects.remembered()
        .filter(conversation__in=talks)
        .order_by("conversation", "position")
    )
    tagged: dict[int, list[tuple[str, bool]]] = {}
    for tag in grading.tags.order_by("label"):
        speaks = tag.criterion_id == criterion.pk or criterion.key in TOUCHES.get(tag.label, ())
        tagged.setdefault(tag.turn_id, []).append((tag.label, speaks))
    better = dict(grading.corrections.values_list("turn_id", "answer"))
    return [Exchange(turn, tagged.get(turn.pk, []), better.get(turn.pk, "")) for turn in turns]


def revisions_with_reasons(result: SubmissionResult) -> list[tuple[int, GradeRevision]]:
    """(the grader's number, what she changed after she had submitted), oldest first."""
    numbers = {
        grading.grade.pk: number for number, grading in enumerate(result.gradings, start=1)
    }
    rows = (
        GradeRevision.objects.filter(grade__in=numbers)
        .exclude(number=FIRST_REVISION)
        .order_by("created_at", "pk")
    )
    return [(numbers[one.grade_id], one) for one in rows]
