"""Marks on single answers: evidence that stands beside the criteria. And what the student should have said instead."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction

from evaluation.models import (
    Criterion,
    Grade,
    Grading,
    Turn,
    TurnCorrection,
    TurnTag,
    UnappliedSave,
)
from evaluation.services.clean import clean
from evaluation.services.grades import Marks, Saved, keep_aside

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
    """What one grader left on one answer. `own`: (label, criterion's name or "") of tags in the grader's own words.

    `aside`: better answers that another window wrote from an older state. `seen`: the mark of `correction`.
    """

    labels: set[str] = field(default_factory=set)
    own: list[tuple[str, str]] = field(default_factory=list)
    correction: str = ""
    aside: list[UnappliedSave] = field(default_factory=list)
    seen: str = ""


def marks_by_turn(grading: Grading) -> dict[int, TurnMarks]:
    marked: dict[int, TurnMarks] = defaultdict(TurnMarks)
    for turn_id, label, name in grading.tags.order_by("id").values_list(
        "turn_id", "label", "criterion__name"
    ):
        if label in LABELS:
            marked[turn_id].labels.add(label)
        else:
            marked[turn_id].own.append((label, name or ""))
    for turn_id, answer in grading.corrections.values_list("turn_id", "answer"):
        marked[turn_id].correction = answer
        marked[turn_id].seen = mark_of(grading, answer)
    for kept in UnappliedSave.objects.filter(grade__grading=grading, resolved_at=None).exclude(
        turn=None
    ):
        marked[kept.turn_id or 0].aside.append(kept)
    return marked


def offered(criteria: list[Criterion]) -> list[tuple[str, str]]:
    """The tags that stand ready: (label, names of the criteria of this rubric that it speaks to)."""
    names = {criterion.key: criterion.name for criterion in criteria}
    return [
        (label, ", ".join(names[key] for key in TOUCHES[label] if key in names))
        for label in LABELS
    ]


def put(
    *,
    grading: Grading,
    turn: Turn,
    label: str,
    criterion: Criterion | None = None,
    on: bool | None = None,
) -> bool:
    """Put the tag on the answer (`on`), take it off, or with None what it is not. True when it is on afterwards.

    `criterion` is what a tag in the grader's own words speaks to; the ready ones speak to what TOUCHES says.
    A page says what it wants, so that a click which is sent twice does what one does.
    """
    wanted = " ".join(clean(label).lower().split())[:CUSTOM_MAX_CHARACTERS]
    if not wanted:
        return False
    tied = {"criterion": None if wanted in LABELS else criterion}
    if on is False:
        TurnTag.objects.filter(grading=grading, turn=turn, label=wanted).delete()
        return False
    tag, created = TurnTag.objects.get_or_create(
        grading=grading, turn=turn, label=wanted, defaults=tied
    )
    if not created and on is None:
        tag.delete()
    return created or bool(on)


def mark_of(grading: Grading, answer: str) -> str:
    """Stands for a better answer in the page that shows it: empty for none. Another grader's is another one."""
    return hashlib.sha256(f"{grading.code} {answer}".encode()).hexdigest()[:16] if answer else ""


def correct(
    *, grading: Grading, turn: Turn, answer: str, seen: str = "", before: Sequence[str] = ()
) -> Saved:
    """Keep what the student should have said; nothing in place of it takes the correction back.

    `seen`: the mark of what the page showed; `before` as in `grades.save_score`. Where something else is there by now, this
    one is kept aside, and the grader chooses.
    """
    text, own = _as_kept(answer), [_as_kept(one) for one in before]
    with transaction.atomic():
        grade = Grade.objects.select_for_update().get(
            grading=grading
        )  # two windows: one after the other
        row = TurnCorrection.objects.filter(grading=grading, turn=turn)
        there = row.values_list("answer", flat=True).first() or ""
        if there == text:
            return Saved.SAME
        if mark_of(grading, there) != seen and there not in own:
            return keep_aside(grade, Marks(comment=text), turn=turn)
        row.delete()
        if text:
            TurnCorrection.objects.create(grading=grading, turn=turn, answer=text)
        return Saved.SAVED


def _as_kept(answer: str) -> str:
    return clean(answer).strip()[:CORRECTION_MAX_CHARACTERS]


def evidence(*, grading: Grading, criteria: list[Criterion]) -> dict[int, Evidence]:
    """For each criterion's id: how many answers there are, and the tags that speak to it."""
    answers = Turn.objects.remembered().filter(
        conversation__submission=grading.submission_id,
        conversation__person=grading.grader.person_id,
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
