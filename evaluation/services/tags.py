"""Marks on single answers: evidence that stands beside the criteria. And what the student should have said instead."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from evaluation.models import Criterion, Grading, Turn, TurnCorrection, TurnTag
from evaluation.services.clean import clean

LABELS = ("too grown-up", "real misconception", "out of character", "great")
TOUCHES = {  # which criteria a tag speaks to, by their key in the built-in rubric and its copies
    "too grown-up": ("vocabulary", "reasoning"),
    "real misconception": ("misconceptions", "understanding"),
    "out of character": ("flow",),
    "great": ("flow", "engagement"),
}
CUSTOM_MAX_CHARACTERS = 40
CORRECTION_MAX_CHARACTERS = 2_000


@dataclass(frozen=True)
class Evidence:
    """What the interview says beside one criterion. `tagged`: (label, count), most frequent first."""

    answers: int
    tagged: list[tuple[str, int]]


@dataclass
class TurnMarks:
    """What one grader left on one answer. `own`: (label, criterion's name or "") of tags in the grader's own words."""

    labels: set[str] = field(default_factory=set)
    own: list[tuple[str, str]] = field(default_factory=list)
    correction: str = ""


def marks_by_turn(grading: Grading) -> dict[int, TurnMarks]:
    marked: dict[int, TurnMarks] = defaultdict(TurnMarks)
    for turn_id, label, name in grading.tags.order_by("id").values_list("turn_id", "label", "criterion__name"):
        if label in LABELS:
            marked[turn_id].labels.add(label)
        else:
            marked[turn_id].own.append((label, name or ""))
    for turn_id, answer in grading.corrections.values_list("turn_id", "answer"):
        marked[turn_id].correction = answer
    return marked


def offered(criteria: list[Criterion]) -> list[tuple[str, str]]:
    """The tags that stand ready: (label, names of the criteria of this rubric that it speaks to)."""
    names = {criterion.key: criterion.name for criterion in criteria}
    return [(label, ", ".join(names[key] for key in TOUCHES[label] if key in names)) for label in LABELS]


def toggle(*, grading: Grading, turn: Turn, label: str, criterion: Criterion | None = None) -> bool:
    """Put the tag on the answer, or take it off. True when it is on afterwards.

    `criterion` is what a tag in the grader's own words speaks to; the ready ones speak to what TOUCHES says.
    """
    wanted = " ".join(clean(label).lower().split())[:CUSTOM_MAX_CHARACTERS]
    if not wanted:
        return False
    tied = {"criterion": None if wanted in LABELS else criterion}
    tag, created = TurnTag.objects.get_or_create(grading=grading, turn=turn, label=wanted, defaults=tied)
    if not created:
        tag.delete()
    return created


def correct(*, grading: Grading, turn: Turn, answer: str) -> None:
    """Keep what the student should have said; nothing in place of it takes the correction back."""
    text = clean(answer).strip()[:CORRECTION_MAX_CHARACTERS]
    if text:
        TurnCorrection.objects.update_or_create(grading=grading, turn=turn, defaults={"answer": text})
    else:
        TurnCorrection.objects.filter(grading=grading, turn=turn).delete()


def evidence(*, grading: Grading, criteria: list[Criterion]) -> dict[int, Evidence]:
    """For each criterion's id: how many answers there are, and the tags that speak to it."""
    answers = Turn.objects.remembered().filter(
        conversation__submission=grading.submission_id, conversation__person=grading.grader.person_id
    )
    marked = grading.tags.filter(turn__replaced_at=None).values_list("label", "criterion_id")
    counted = Counter(marked)
    total = answers.count()
    return {
        criterion.pk: Evidence(
            total,
            [
                (label, number)
                for (label, tied), number in counted.most_common()
                if tied == criterion.pk or criterion.key in TOUCHES.get(label, ())
            ],
        )
        for criterion in criteria
    }
