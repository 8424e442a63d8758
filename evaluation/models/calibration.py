from django.db import models

from teams.models import Course, Membership


class CalibrationQuerySet(models.QuerySet["Calibration"]):
    def for_grader(self, membership: Membership) -> "CalibrationQuerySet":
        return self.filter(grader=membership)


class Calibration(models.Model):
    """One professor's levels for one anchor interview (`evaluation.anchor_interviews`), from her first choice on."""

    grader = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="calibrations")
    transcript = models.SlugField(max_length=20)
    committed_at = models.DateTimeField(auto_now_add=True)

    objects = CalibrationQuerySet.as_manager()

    class Meta:
        ordering = ["committed_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["grader", "transcript"], name="calibration_once_per_transcript"
            )
        ]


class CalibrationLevel(models.Model):
    """What she chose for one criterion, once: the first impression stays."""

    calibration = models.ForeignKey(Calibration, on_delete=models.CASCADE, related_name="levels")
    criterion_key = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["calibration", "criterion_key"],
                name="calibration_level_once_per_criterion",
            )
        ]


class CalibrationRule(models.Model):
    """In a course that has one, a professor calibrates before she grades."""

    course = models.OneToOneField(
        Course, on_delete=models.CASCADE, related_name="calibration_rule"
    )
    since = models.DateTimeField(auto_now_add=True)
