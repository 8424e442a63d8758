"""How far a course's professors agree, criterion by criterion, on their first, independent ratings."""

from dataclasses import dataclass

from evaluation.agreement import Icc, Interval, Shares, alpha, bootstrap, icc, offsets, shares
from evaluation.models import Criterion, GradeRevision
from teams.models import Course, Membership

FIRST = 1
REPEATS = 300  # enough for an interval of two digits, and quick enough for a page


@dataclass(frozen=True)
class CriterionAgreement:
    """`n` bots with two ratings or more. Figures are None where they are not defined. `offsets` by rater, in levels."""

    criterion: Criterion
    n: int
    shares: Shares | None
    alpha: float | None
    interval: Interval | None
    icc: Icc | None
    offsets: list[float | None]


@dataclass(frozen=True)
class AgreementReport:
    raters: list[Membership]
    criteria: list[CriterionAgreement]


def agreement_of(course: Course) -> AgreementReport:
    """From revision 1 of every committed grade of the course's current submissions: what came before any talk."""
    revisions = GradeRevision.objects.filter(
        number=FIRST, grade__grading__submission__team__course=course, grade__grading__submission__replaced_at=None
    ).select_related("grade__grading__grader__person")
    raters: dict[int, Membership] = {}
    levels: dict[int, dict[int, dict[int, float]]] = {}  # criterion -> submission -> rater -> level
    for revision in revisions:
        grading = revision.grade.grading
        raters[grading.grader_id] = grading.grader
        for score in revision.scores:
            if score["level"] is not None:
                by_unit = levels.setdefault(score["criterion"], {}).setdefault(grading.submission_id, {})
                by_unit[grading.grader_id] = float(score["level"])
    order = sorted(raters)
    criteria = Criterion.objects.filter(pk__in=levels).order_by("rubric_id", "position")
    return AgreementReport(
        [raters[rater] for rater in order],
        [_of_criterion(criterion, list(levels[criterion.pk].values()), order) for criterion in criteria],
    )


def _of_criterion(criterion: Criterion, units: list[dict[int, float]], order: list[int]) -> CriterionAgreement:
    table = [[unit.get(rater) for rater in order] for unit in units]
    rated_twice = sum(len(unit) > 1 for unit in units)
    figure = alpha(table) if rated_twice > 1 else None  # of one bot alone alpha is 0 whatever was rated
    return CriterionAgreement(
        criterion=criterion,
        n=rated_twice,
        shares=shares(table),
        alpha=figure,
        interval=bootstrap(table, alpha, repeats=REPEATS) if figure is not None else None,
        icc=icc(table),
        offsets=offsets(table),
    )
