"""Which rubric a course grades with."""

from django.db.models import F

from evaluation.models import Criterion, RubricVersion
from teams.models import Course


def rubric_for(course: Course) -> RubricVersion:
    """The course's own newest rubric, or the built-in one, which the migrations put there."""
    own_first = RubricVersion.objects.filter(course=course) | RubricVersion.objects.filter(course=None)
    return own_first.order_by(F("course").asc(nulls_last=True), "-number")[0]


def criteria_of(rubric: RubricVersion) -> list[Criterion]:
    """In the rubric's order, levels fetched."""
    return list(rubric.criteria.prefetch_related("levels"))
