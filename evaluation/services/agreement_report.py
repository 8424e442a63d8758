"""How far a course's professors agree, criterion by criterion, on their first, independent ratings."""

from dataclasses import dataclass

from evaluation.agreement import FEWEST_FOR_INTERVAL, Icc, Interval, Shares, alpha, icc, jackknife, offsets, shares
from evaluation.models import Criterion, GradeRevision
from teams.models import Course, Membership

FIRST = 1


@dataclass(frozen=True)
class CriterionAgreement:
    """`n` bots with two ratings or more. Figures are None where they are not defined. `offsets` by rater, in levels.
    `few`: too few bots for an interval, and the page says so instead.

    `criterion` is the newest of the rubric versions that the ratings came under, `versions` how many those are.
    """

    criterion: Criterion
    versions: int
    n: int
    shares: Shares | None
    alpha: float | None
    interval: Interval | None
    few: bool
    icc: Icc | None
    offsets: list[float | None]


@dataclass(frozen=True)
class AgreementReport:
    raters: list[Membership]
    criteria: list[CriterionAgreement]


def agreement_of(course: Course) -> AgreementReport:
    """From revision 1 of every committed grade of the course's current submissions: what came before any talk.

    A criterion keeps its key through the rubric's versions: ratings under several versions are one table, as long as the
    scale had the same number of levels.
    """
    revisions = GradeRevision.objects.filter(
        number=FIRST, grade__grading__submission__team__course=course, grade__grading__submission__replaced_at=None
    ).select_related("grade__grading__grader__person", "grade__grading__submission")
    graded = [(revision, revision.grade.grading) for revision in revisions if revision.grade.grading is not None]
    rubrics = {grading.submission.rubric_id for _, grading in graded}
    known = {one.pk: one for one in Criterion.objects.filter(rubric__in=rubrics).prefetch_related("levels")}
    raters: dict[int, Membership] = {}
    tables: dict[tuple[str, int], dict[int, dict[int, float]]] = {}  # scale -> submission -> rater -> level
    newest: dict[tuple[str, int], dict[int, Criterion]] = {}
    for revision, grading in graded:
        raters[grading.grader_id] = grading.grader
        for score in revision.scores:
            if score["level"] is not None and (criterion := known.get(score["criterion"])):
                scale = (criterion.key, len(criterion.levels.all()))
                newest.setdefault(scale, {})[criterion.pk] = criterion
                by_unit = tables.setdefault(scale, {}).setdefault(grading.submission_id, {})
                by_unit[grading.grader_id] = float(score["level"])
    order = sorted(raters)
    rows = [_of_criterion(list(newest[scale].values()), list(table.values()), order) for scale, table in tables.items()]
    rows.sort(key=lambda row: (row.criterion.position, row.criterion.pk))
    return AgreementReport([raters[rater] for rater in order], rows)


def _of_criterion(versions: list[Criterion], units: list[dict[int, float]], order: list[int]) -> CriterionAgreement:
    table = [[unit.get(rater) for rater in order] for unit in units]
    rated_twice = sum(len(unit) > 1 for unit in units)
    figure = alpha(table) if rated_twice > 1 else None  # of one bot alone alpha is 0 whatever was rated
    return CriterionAgreement(
        criterion=max(versions, key=lambda one: one.pk),
        versions=len(versions),
        n=rated_twice,
        shares=shares(table),
        alpha=figure,
        interval=jackknife([unit for unit in table if _is_rated_twice(unit)], alpha) if figure is not None else None,
        few=rated_twice < FEWEST_FOR_INTERVAL,
        icc=icc(table),
        offsets=offsets(table),
    )


def _is_rated_twice(unit: list[float | None]) -> bool:
    return sum(rating is not None for rating in unit) > 1
