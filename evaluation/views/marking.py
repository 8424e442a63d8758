"""What marking is on every page that has it: the desk, one criterion across bots, and a presentation. Each saves in one way."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from evaluation.forms import CommentForm, MarksForm, ReasonForm, sent_before
from evaluation.models import CriterionScore, Grade, UnappliedSave
from evaluation.services import grades
from teams.access import SignedInRequest

MOST_DIGITS = 10
Cards = list[dict[str, Any]]
"""Each criterion with its `score`, as a page shows it."""


@dataclass(frozen=True)
class Kept:
    """What a save left. `aside`: another window had saved something else, and both are kept."""

    score: CriterionScore
    aside: bool


def not_saved() -> HttpResponse:
    """For what no page of ours sends."""
    return HttpResponse("Not saved: load the page again.", status=422, content_type="text/plain")


def scored(cards: Cards) -> int:
    """How many have a level or "cannot judge"."""
    return sum(card["score"].level is not None or card["score"].cannot_judge for card in cards)


def card_of(cards: Cards, score: CriterionScore) -> dict[str, Any]:
    return next(card for card in cards if card["score"].pk == score.pk)


def seen_version(request: SignedInRequest) -> int:
    """The version that the page showed; -1, which no grade has, for anything else."""
    seen = request.POST.get("version", "")
    return int(seen) if seen.isdecimal() and len(seen) < MOST_DIGITS else -1


def save_marks(request: SignedInRequest, grade: Grade, criterion: str) -> Kept | None:
    """Autosave of one criterion's level and comment. None for what is no mark: nothing was saved."""
    score = get_object_or_404(
        grade.scores.select_related("criterion", "grade"), criterion__key=criterion
    )
    form = MarksForm(request.POST, score=score)
    if not form.is_valid():
        return None
    version = form.cleaned_data["version"]
    saved = grades.save_score(
        score=score, marks=form.marks(), version=version, before=form.before()
    )
    return Kept(score, saved is grades.Saved.KEPT_ASIDE)


def save_comment(request: SignedInRequest, grade: Grade) -> bool | None:
    """Autosave of the comment on the whole. Whether it was kept aside; None for what is no comment."""
    form = CommentForm(request.POST)
    if not form.is_valid():
        return None
    before = [one.get("comment", "") for one in sent_before(request.POST)]
    saved = grades.save_comment(grade=grade, **form.cleaned_data, before=before)
    return saved is grades.Saved.KEPT_ASIDE


def choose(request: SignedInRequest, grade: Grade, kept: UUID) -> None:
    """End a conflict between two windows."""
    unapplied = get_object_or_404(
        UnappliedSave.objects.select_related("grade"), code=kept, grade=grade
    )
    grades.choose(unapplied=unapplied, use_it=request.POST.get("use") == "kept")


def revise(request: SignedInRequest, grade: Grade, cards: Cards) -> ReasonForm | None:
    """Change what was submitted: a new revision with a reason. None where that was done.

    Else the form to show, and on each card as `sent` what was sent of it.
    """
    form = ReasonForm(request.POST or None)
    parts = {
        card["score"]: MarksForm(
            request.POST or None, score=card["score"], prefix=card["score"].criterion.key
        )
        for card in cards
    }
    if (
        request.method == "POST"
        and form.is_valid()
        and all(part.is_valid() for part in parts.values())
    ):
        grades.revise(
            grade=grade,
            marks={score.criterion_id: part.marks() for score, part in parts.items()},
            comment=request.POST.get("comment", ""),
            reason=form.cleaned_data["reason"],
            person=request.user,
        )
        return None
    if request.method == "POST":
        for card in cards:
            card["sent"] = parts[card["score"]]
            card["sent_comment"] = card["sent"]["comment"].value() or ""
    return form
