"""A language model's opinion of an interview: asked only where the instructor wants it, never part of a grade."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from evaluation.models.interview import Interview, Subject
from teams.models import Course, PaidFor, SubjectKind


class JudgeUse(models.TextChoices):
    OFF = "off", "No judge"
    ASKED = "asked", "Only where I ask for it when I start an interview"
    EVERY = "every", "Every standard interview"


class JudgeSetting(models.Model):
    """Whether a course's standard interviews are read by a judge too, and by which model."""

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="judge")
    use = models.CharField(max_length=5, choices=JudgeUse.choices, default=JudgeUse.OFF)
    model = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(use="off") | ~Q(model=""), name="judge_in_use_has_a_model"
            )
        ]


class OpinionStatus(models.TextChoices):
    ASKING = "asking", "Asking"
    GIVEN = "given", "Given"
    FAILED = "failed", "Not given"


class JudgeOpinion(models.Model):
    """What the judge said of the answers in one subject: 1 (a grown-up or a program) to 5 (could be a real child)."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    interview = models.ForeignKey(Interview, on_delete=models.CASCADE, related_name="opinions")
    subject = models.CharField(max_length=8, choices=Subject.choices)
    model = models.CharField(max_length=200)
    prompt_version = models.PositiveSmallIntegerField()
    status = models.CharField(
        max_length=7, choices=OpinionStatus.choices, default=OpinionStatus.ASKING
    )
    score = models.PositiveSmallIntegerField(null=True)
    reason = models.TextField(
        blank=True, help_text="The judge's own words; where none came, ours on why."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["interview", "subject"], name="one_opinion_per_subject"
            ),
            models.CheckConstraint(
                condition=Q(status="given", score__range=(1, 5))
                | (~Q(status="given") & Q(score=None)),
                name="opinion_given_has_a_score",
            ),
        ]

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.JUDGE, self.key)

    @property
    def hold_key(self) -> str:
        return f"judge-{self.key}"
