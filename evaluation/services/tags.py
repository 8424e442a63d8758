"""Marks on single answers: evidence that stands beside the criteria."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from evaluation.models import Criterion, Grading, Turn, TurnTag

LABELS = ("too grown-up", "real misconception", "out of character", "great")
TOUCHES = {  # which criteria a tag speaks to, by their key in the built-in rubric and its copies
    "too grown-up": ("vocabulary", "reasoning"),
    "real misconception": ("misconceptions", "understanding"),
    "out of character": ("flow",),
    "great": ("flow", "engagement"),
}
CUSTOM_MAX_CHARACTERS = 40


@dataclass(frozen=True)
class Evidence:
    """What the interview says beside one criterion. `tagged`: (label, count), most frequent first."""

    answers: int
    tagged: list[tuple[str, int]]


def labels_by_turn(grading: Grading) -> dict[int, set[str]]:
    marked: dict[int, set[str]] = defaultdict(set)
    for turn_id, label in grading.tags.values_list("turn_id", "label"):
        marked[turn_id].add(label)
    return marked


def toggle(*, grading: Grading, turn: Turn, label: str) -> bool:
    """Put the tag on the answer, or take it off. True when it is on afterwards."""
    tag, created = TurnTag.objects.get_or_create(grading=grading, turn=turn, label=label[:CUSTOM_MAX_CHARACTERS])
    if not created:
        tag.delete()
    return created


def evidence(*, grading: Grading, criteria: list[Criterion]) -> dict[int, Evidence]:
    """For each criterion's id: how many answers there are, and the tags that speak to it."""
    answers = Turn.objects.remembered().filter(
        conversation__submission=grading.submission_id, conversation__person=grading.grader.person_id
    )
    counted = Counter(grading.tags.filter(turn__replaced_at=None).values_list("label", flat=True))
    total = answers.count()
    return {
        criterion.pk: Evidence(
            total, [(label, n) for label, n in counted.most_common() if criterion.key in TOUCHES.get(label, ())]
        )
        for criterion in criteria
    }
