"""How far a course's professors agree, criterion by criterion, on their first, independent ratings."""

from collections import Counter
from dataclasses import dataclass, replace

from evaluation.agreement import (
    FEWEST_FOR_INTERVAL,
    Icc,
    Interval,
    Shares,
    alpha,
    icc,
    jackknife,
    offsets,
    shares,
)
from evaluation.models import Criterion, GradeRevision, Submission
from teams.models import Course, Membership

FIRST = 1
# Krippendorff's bounds for alpha
RELIABLE = 0.8
TENTATIVE = 0.67
SENTENCES = (
    (RELIABLE, "You mean the same by these levels."),
    (TENTATIVE, "You mostly mean the same; be careful with single bots."),
    (
        0.0,
        "You agree more often than by chance, and still too seldom. Read the levels together.",
    ),
    (
        float("-inf"),
        "You agree less often than chance would. Talk about what these levels mean.",
    ),
)
Scale = tuple[str, str, int]  # a criterion's key, what its levels mean, how many they are


@dataclass(frozen=True)
class CriterionAgreement:
    """`n` bots with two ratings or more. Figures are None where they are not defined. `offsets` by rater, in levels.
    `few`: too few bots for an interval, and the page says so instead.

    `criterion` is the newest of the rubric versions that the ratings came under, `versions` how many those are, and
    `reworded` says that its levels once meant something else: those ratings have a row of their own.
    """

    criterion: Criterion
    versions: int
    reworded: bool
    n: int
    shares: Shares | None
    alpha: float | None
    interval: Interval | None
    few: bool
    icc: Icc | None
    offsets: list[float | None]

    @property
    def said(self) -> str:
        """The figures in one sentence for a teacher."""
        if self.alpha is None:
            return _why_undefined(self.n)
        return next(sentence for above, sentence in SENTENCES if self.alpha >= above)


@dataclass(frozen=True)
class AgreementReport:
    raters: list[Membership]
    criteria: list[CriterionAgreement]

    def for_rater(self, membership: Membership) -> "AgreementReport":
        """With no other rater's column."""
        places = [place for place, rater in enumerate(self.raters) if rater.pk == membership.pk]
        rows = [
            replace(row, offsets=[row.offsets[place] for place in places])
            for row in self.criteria
        ]
        return AgreementReport([self.raters[place] for place in places], rows)


def is_open_to_professors(course: Course) -> bool:
    """Once every bot that was handed in is released, and one is: before, figures could tell what others gave."""
    current = Submission.objects.filter(team__course=course, replaced_at=None)
    return current.exists() and not current.filter(released_at=None).exists()


def agreement_of(course: Course) -> AgreementReport:
    """From revision 1 of every committed grade of the course's current submissions: what came before any talk.

    A criterion keeps its key through the rubric's versions: ratings under several versions are one table, as long as its
    levels were as many and meant the same.
    """
    revisions = GradeRevision.objects.filter(
        number=FIRST,
        grade__grading__submission__team__course=course,
        grade__grading__submission__replaced_at=None,
    ).select_related("grade__grading__grader__person", "grade__grading__submission")
    graded = [
        (revision, revision.grade.grading)
        for revision in revisions
        if revision.grade.grading is not None
    ]
    rubrics = {grading.submission.rubric_id for _, grading in graded}
    known = {
        one.pk: one
        for one in Criterion.objects.filter(rubric__in=rubrics)
        .select_related("rubric")
        .prefetch_related("levels")
    }
    raters: dict[int, Membership] = {}
    tables: dict[
        Scale, dict[int, dict[int, float]]
    ] = {}  # scale -> submission -> rater -> level
    newest: dict[Scale, dict[int, Criterion]] = {}
    for revision, grading in graded:
        raters[grading.grader_id] = grading.grader
        for score in revision.scores:
            if score["level"] is not None and (criterion := known.get(score["criterion"])):
                scale = (criterion.key, criterion.meaning, len(criterion.levels.all()))
                newest.setdefault(scale, {})[criterion.pk] = criterion
                by_unit = tables.setdefault(scale, {}).setdefault(grading.submission_id, {})
                by_unit[grading.grader_id] = float(score["level"])
    order = sorted(raters)
    scales = Counter(key for key, _, _ in tables)
    rows = [
        _of_criterion(
            list(newest[scale].values()),
            list(table.values()),
            order,
            reworded=scales[scale[0]] > 1,
        )
        for scale, table in tables.items()
    ]
    rows.sort(key=lambda row: (row.criterion.position, row.criterion.pk))
    return AgreementReport([raters[rater] for rater in order], rows)


def _of_criterion(
    versions: list[Criterion], units: list[dict[int, float]], order: list[int], *, reworded: bool
) -> CriterionAgreement:
    table = [[unit.get(rater) for rater in order] for unit in units]
    rated_twice = sum(len(unit) > 1 for unit in units)
    figure = (
        alpha(table) if rated_twice > 1 else None
    )  # of one bot alone alpha is 0 whatever was rated
    return CriterionAgreement(
        criterion=max(versions, key=lambda one: one.pk),
        versions=len(versions),
        reworded=reworded,
        n=rated_twice,
        shares=shares(table),
        alpha=figure,
        interval=jackknife([unit for unit in table if _is_rated_twice(unit)], alpha)
        if figure is not None
        else None,
        few=rated_twice < FEWEST_FOR_INTERVAL,
        icc=icc(table),
        offsets=offsets(table),
    )


def _why_undefined(bots: int) -> str:
    if bots < 2:
        return "Too few bots have two ratings: nothing can be said yet."
    return "All ratings are the same, so they do not show whether you tell bots apart in the same way."


def _is_rated_twice(unit: list[float | None]) -> bool:
    return sum(rating is not None for rating in unit) > 1
