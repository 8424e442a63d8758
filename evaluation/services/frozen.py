"""A result as it is kept in a release, and read out of it again.

Criteria and answers are named by their keys, levels by their numbers; what the rubric's version says of them never changes.
Final levels, weights and points are kept as they were, so that no later rule, weight or mark moves what was released.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from evaluation.models import Counting, Criterion, ResultRelease, Submission, Turn
from evaluation.services.presented import Heard, HeardMark, HeardRow
from evaluation.services.presenting import Rule
from evaluation.services.results import (
    CriterionResult,
    Mark,
    MarkedTurn,
    Settled,
    SubmissionResult,
    Tag,
    criteria_by_rubric,
    in_order,
    mean_level,
    points_for,
)
from evaluation.services.scales import Scale


class FrozenMark(TypedDict):
    grader: int
    level: int | None
    cannot_judge: bool
    comment: str


class FrozenSettled(TypedDict):
    level: int
    reason: str


class FrozenCriterion(TypedDict):
    key: str
    weight: int
    final: float | None
    settled: FrozenSettled | None
    marks: list[FrozenMark]
    blind: NotRequired[float | None]
    heard: NotRequired[float]


class FrozenHeard(TypedDict):
    """One criterion of a presentation."""

    key: str
    weight: int
    marks: list[FrozenMark]


class FrozenComment(TypedDict):
    grader: int
    comment: str


class FrozenTag(TypedDict):
    """`criterion` is a key, or empty."""

    label: str
    criterion: str


class FrozenTurn(TypedDict):
    turn: str
    tags: list[FrozenTag]
    better: list[str]


class FrozenPresentation(TypedDict):
    """`counting` is one of `Counting`; `weight` in percent, `points` of its own."""

    counting: str
    weight: int
    points: int
    criteria: list[FrozenHeard]
    comments: list[FrozenComment]


class Content(TypedDict):
    """`shares` in percent of the points for each level; empty for even steps. `presentation` where one counted."""

    points: int
    shares: list[float]
    criteria: list[FrozenCriterion]
    comments: list[FrozenComment]
    marked: list[FrozenTurn]
    presentation: NotRequired[FrozenPresentation]


def freeze(result: SubmissionResult, marked: Iterable[MarkedTurn]) -> Content:
    content: Content = {
        "points": result.scale.points,
        "shares": result.scale.shares,
        "criteria": [_criterion(row) for row in result.criteria],
        "comments": [
            {"grader": number, "comment": comment} for number, comment in result.comments
        ],
        "marked": [_turn(one) for one in marked],
    }
    if result.presentation is not None and result.presentation.marked:
        content["presentation"] = _presentation(result.presentation)
    return content


def _presentation(heard: Heard) -> FrozenPresentation:
    return {
        "counting": heard.rule.counting,
        "weight": heard.rule.weight,
        "points": heard.rule.points,
        "criteria": [
            {
                "key": row.criterion.key,
                "weight": row.weight,
                "marks": [_heard_mark(mark) for mark in row.marks],
            }
            for row in heard.rows
        ],
        "comments": [
            {"grader": number, "comment": comment} for number, comment in heard.comments
        ],
    }


def _heard_mark(mark: HeardMark) -> FrozenMark:
    level = mark.level.value if mark.level else None
    return {
        "grader": mark.listener,
        "level": level,
        "cannot_judge": mark.cannot_judge,
        "comment": mark.notes,
    }


def _criterion(row: CriterionResult) -> FrozenCriterion:
    settled = row.settled
    frozen: FrozenCriterion = {
        "key": row.criterion.key,
        "weight": row.weight,
        "final": row.final,
        "settled": None
        if settled is None
        else {"level": settled.level, "reason": settled.reason},
        "marks": [
            {
                "grader": mark.grader,
                "level": mark.level.value if mark.level else None,
                "cannot_judge": mark.cannot_judge,
                "comment": mark.comment,
            }
            for mark in row.marks
        ],
    }
    if row.heard is not None:
        frozen |= {"blind": row.blind, "heard": row.heard}
    return frozen


def _turn(one: MarkedTurn) -> FrozenTurn:
    tags: list[FrozenTag] = [
        {"label": tag.label, "criterion": tag.criterion.key if tag.criterion else ""}
        for tag in one.tags
    ]
    return {"turn": str(one.turn.key), "tags": tags, "better": list(one.better)}


def same(one: Any, other: Any) -> bool:
    """As the database keeps them: 3 and 3.0 are one level."""
    return bool(json.loads(json.dumps(one)) == json.loads(json.dumps(other)))


@dataclass(frozen=True)
class ReleasedResult:
    """What a team reads: one version of its result. For templates it speaks as `SubmissionResult` does."""

    release: ResultRelease
    criteria: list[CriterionResult]
    comments: list[tuple[int, str]]
    marked: list[MarkedTurn]
    scale: Scale
    presentation: Heard | None = None

    @property
    def graders(self) -> int:
        return len(self.comments)

    @property
    def top_level(self) -> int:
        return max((row.top for row in self.criteria), default=0)

    @property
    def overall(self) -> float | None:
        return mean_level(self.criteria)

    @property
    def points(self) -> float | None:
        return points_for(self.criteria, self.scale)


def thaw(releases: Iterable[ResultRelease]) -> list[ReleasedResult]:
    """In the same order, `release.submission` fetched. Three queries for all of them."""
    wanted = list(releases)
    rubrics = criteria_by_rubric(one.submission for one in wanted)
    keys = {marked["turn"] for one in wanted for marked in one.content["marked"]}
    found = Turn.objects.filter(key__in=keys).select_related("conversation")
    turns = {str(turn.key): turn for turn in found}
    return [_thaw(one, rubrics.get(one.submission.rubric_id, []), turns) for one in wanted]


def _thaw(
    release: ResultRelease, rubric: list[Criterion], turns: dict[str, Turn]
) -> ReleasedResult:
    content: Content = release.content
    by_key = {criterion.key: criterion for criterion in rubric}
    rows = [
        _result(by_key[one["key"]], one) for one in content["criteria"] if one["key"] in by_key
    ]
    comments = [(one["grader"], one["comment"]) for one in content["comments"]]
    marked = [
        MarkedTurn(
            turns[one["turn"]],
            [Tag(tag["label"], by_key.get(tag["criterion"])) for tag in one["tags"]],
            one["better"],
        )
        for one in content["marked"]
        if one["turn"] in turns
    ]
    scale = Scale(points=content["points"], shares=content["shares"])
    presentation = _thaw_presentation(content.get("presentation"), by_key, scale)
    return ReleasedResult(release, rows, comments, in_order(marked), scale, presentation)


def _thaw_presentation(
    kept: FrozenPresentation | None, by_key: dict[str, Criterion], scale: Scale
) -> Heard | None:
    """Its criteria are read by the words of the submission's rubric; what that does not have is left out."""
    if kept is None:
        return None
    rows = []
    for one in kept["criteria"]:
        criterion = by_key.get(one["key"])
        if criterion is None:
            continue
        levels = {level.value: level for level in criterion.levels.all()}
        marks = [
            HeardMark(
                mark["grader"],
                levels.get(mark["level"] or 0),
                mark["cannot_judge"],
                mark["comment"],
            )
            for mark in one["marks"]
        ]
        rows.append(HeardRow(criterion, marks, one["weight"]))
    rule = Rule(Counting(kept["counting"]), kept["weight"], kept["points"])
    comments = [(one["grader"], one["comment"]) for one in kept["comments"]]
    return Heard(rule, scale, rows, comments, [])


def _result(criterion: Criterion, one: FrozenCriterion) -> CriterionResult:
    levels = {level.value: level for level in criterion.levels.all()}
    marks = [
        Mark(
            mark["grader"], levels.get(mark["level"] or 0), mark["cannot_judge"], mark["comment"]
        )
        for mark in one["marks"]
    ]
    settled = one["settled"]
    decided = Settled(settled["level"], settled["reason"]) if settled else None
    return CriterionResult(
        criterion,
        marks,
        decided,
        one["final"],
        one["weight"],
        one.get("blind"),
        one.get("heard"),
    )


def current_of(submission: Submission) -> ReleasedResult | None:
    """What the team may read now; None before a release, and while it is hidden."""
    newest = (
        submission.releases.select_related("submission").last()
        if submission.released_at
        else None
    )
    return thaw([newest])[0] if newest else None
