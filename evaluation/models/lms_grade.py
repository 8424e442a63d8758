"""What was sent to an LMS about a student's grade, and what it answered. A row is one number that was sent or is to be."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from evaluation.models.release import ResultRelease
from teams.models import LmsCourse, Membership


class SendState(models.TextChoices):
    WAITING = "waiting", "waits"
    SENT = "sent", "sent"
    FAILED = "failed", "not sent"


class LmsGrade(models.Model):
    """`points` of `maximum`, of this released version. The newest row of a student says what the LMS has."""

    lms_course = models.ForeignKey(LmsCourse, on_delete=models.CASCADE, related_name="grades")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="lms_grades"
    )
    release = models.ForeignKey(
        ResultRelease, on_delete=models.CASCADE, related_name="lms_grades"
    )
    points = models.FloatField()
    maximum = models.FloatField()
    state = models.CharField(max_length=8, choices=SendState.choices, default=SendState.WAITING)
    answer = models.CharField(
        max_length=400, blank=True, help_text="A sentence, as the page says it."
    )
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who pressed “send again”; empty where it was sent by itself.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["lms_course", "membership"],
                condition=models.Q(state="waiting"),
                name="lms_grade_one_waits",
            )
        ]
        indexes = [models.Index(fields=["state", "next_try_at"], name="lms_grade_due")]

    def __str__(self) -> str:
        return f"{self.points:g} of {self.maximum:g}"
