import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from evaluation.models.chat import Turn
from evaluation.models.presenting import Hearing
from evaluation.models.rubric import Criterion
from evaluation.models.submission import Submission
from teams.models import Course, Membership

UNDO = timedelta(seconds=30)  # in which a submission can be taken back


class GradingQuerySet(models.QuerySet["Grading"]):
    def for_grader(self, membership: Membership) -> "GradingQuerySet":
        """What this professor is assigned to now; never another professor's gradings."""
        return self.filter(
            grader=membership, submission__team__professor_assignments__professor=membership
        )

    def current(self) -> "GradingQuerySet":
        return self.filter(submission__replaced_at=None)


class Grading(models.Model):
    """This professor is to grade this submission. `letter` names the bot for that professor only."""

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="gradings")
    grader = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="gradings")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    letter = models.CharField(max_length=4)
    order = models.PositiveIntegerField(help_text="Random and stable per grader.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GradingQuerySet.as_manager()

    class Meta:
        ordering = ["order", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "grader"], name="grading_once_per_grader"
            ),
            models.UniqueConstraint(
                fields=["grader", "letter"], name="letter_unique_per_grader"
            ),
        ]

    def __str__(self) -> str:
        return f"Bot {self.letter}"


class GradeStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    COMMITTED = "committed", "Committed"


class Grade(models.Model):
    """One professor's marks: for one submission, blind, or for one presentation, of which she knows whose it is.

    `version` counts saves, so that two tabs cannot overwrite each other.
    """

    grading = models.OneToOneField(
        Grading, on_delete=models.CASCADE, null=True, related_name="grade"
    )
    hearing = models.OneToOneField(
        Hearing, on_delete=models.CASCADE, null=True, related_name="grade"
    )
    grader = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="grades")
    status = models.CharField(
        max_length=10, choices=GradeStatus.choices, default=GradeStatus.DRAFT
    )
    comment = models.TextField(blank=True)
    comment_version = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(auto_now=True)
    committed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(grading__isnull=False, hearing=None)
                | Q(grading=None, hearing__isnull=False),
                name="grade_of_a_bot_or_of_a_presentation",
            )
        ]

    @property
    def may_undo(self) -> bool:
        """Just submitted: whoever did it may still take it back."""
        return self._committed and timezone.now() - (self.committed_at or timezone.now()) <= UNDO

    @property
    def past_undo(self) -> bool:
        """Submitted for good. What must not colour a judgement (figures, training rows) is shown from here on only."""
        return self._committed and not self.may_undo

    @property
    def _committed(self) -> bool:
        return self.status == GradeStatus.COMMITTED and self.committed_at is not None

    @property
    def scored(self) -> int:
        """How many criteria have a level or "cannot judge"."""
        return sum(score.level is not None or score.cannot_judge for score in self.scores.all())


class CriterionScore(models.Model):
    """One row per criterion. `level` is empty while unscored or where the grader cannot judge."""

    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="scores")
    criterion = models.ForeignKey(Criterion, on_delete=models.PROTECT, related_name="scores")
    level = models.PositiveSmallIntegerField(null=True)
    cannot_judge = models.BooleanField(default=False)
    comment = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=0, help_text="Counts the saves of this row.")

    class Meta:
        ordering = ["criterion__position"]
        constraints = [
            models.UniqueConstraint(
                fields=["grade", "criterion"], name="score_once_per_criterion"
            ),
            models.CheckConstraint(
                condition=Q(level__isnull=True) | Q(cannot_judge=False),
                name="score_cannot_judge_has_no_level",
            ),
        ]


class UnappliedSave(models.Model):
    """A save that was based on an old state: kept beside what is there, until its author chooses."""

    code = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="Its name in URLs."
    )
    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="unapplied")
    criterion = models.ForeignKey(
        Criterion,
        on_delete=models.PROTECT,
        null=True,
        help_text="Empty: the overall comment, or a better answer.",
    )
    turn = models.ForeignKey(
        Turn, on_delete=models.CASCADE, null=True, help_text="Whose better answer `comment` is."
    )
    level = models.PositiveSmallIntegerField(null=True)
    cannot_judge = models.BooleanField(default=False)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]


class GradeRevision(models.Model):
    """A committed state of a grade. The first is kept for ever; an edit after discussion is a new one."""

    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveSmallIntegerField()
    scores = models.JSONField()
    comment = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["grade", "number"], name="revision_number_unique")
        ]


class TurnTag(models.Model):
    """A grader's mark on one answer: evidence for a criterion."""

    grading = models.ForeignKey(Grading, on_delete=models.CASCADE, related_name="tags")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="tags")
    label = models.CharField(max_length=40)
    criterion = models.ForeignKey(Criterion, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["grading", "turn", "label"], name="tag_once_per_turn"
            )
        ]


class TurnCorrection(models.Model):
    """What the student should have said, in a grader's words. After release the owning team may make it a training row."""

    grading = models.ForeignKey(Grading, on_delete=models.CASCADE, related_name="corrections")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="corrections")
    answer = models.TextField()
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["grading", "turn"], name="correction_once_per_turn")
        ]


class Adjudication(models.Model):
    """The level that settles a disagreement, with its author and reason. Append-only: the newest counts."""

    submission = models.ForeignKey(
        Submission, on_delete=models.CASCADE, related_name="adjudications"
    )
    criterion = models.ForeignKey(
        Criterion, on_delete=models.PROTECT, related_name="adjudications"
    )
    level = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=500)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]


class RegradeStatus(models.TextChoices):
    OPEN = "open", "Waiting for the instructor"
    SECOND_LOOK = "second_look", "Another professor looks at it"
    DECLINED = "declined", "Looked at: the grade stays"
    DECIDED = "decided", "Decided: another level counts"


UNDECIDED = (RegradeStatus.OPEN, RegradeStatus.SECOND_LOOK)


class RegradeRequest(models.Model):
    """A team asks for a second look at one criterion and points at answers. Another professor sees just those, blind.

    It ends in a decision: `level` counts from then on, or, where that is empty, the grade stays. `grading` is of requests
    from before there was `SecondLook`: then the other professor graded the whole bot.
    """

    submission = models.ForeignKey(
        Submission, on_delete=models.CASCADE, related_name="regrade_requests"
    )
    criterion = models.ForeignKey(
        Criterion, on_delete=models.PROTECT, related_name="regrade_requests"
    )
    turns = models.ManyToManyField(Turn, related_name="regrade_requests")
    words = models.TextField(
        help_text="The team's own; shown to the instructor, never to a professor."
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    status = models.CharField(
        max_length=12, choices=RegradeStatus.choices, default=RegradeStatus.OPEN
    )
    grading = models.ForeignKey(
        Grading, on_delete=models.SET_NULL, null=True, related_name="regrade_requests"
    )
    answer = models.CharField(max_length=500, blank=True)
    level = models.PositiveSmallIntegerField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "criterion"],
                condition=Q(status="open"),
                name="one_open_request_per_criterion",
            )
        ]


class SecondLook(models.Model):
    """What another professor says of the answers that a request points at, once; then the instructor decides."""

    request = models.OneToOneField(RegradeRequest, on_delete=models.CASCADE, related_name="look")
    reader = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="second_looks")
    code = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="Its name in URLs."
    )
    level = models.PositiveSmallIntegerField(null=True)
    cannot_judge = models.BooleanField(default=False)
    comment = models.TextField(blank=True)
    given_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(level__isnull=True) | Q(cannot_judge=False),
                name="look_cannot_judge_has_no_level",
            )
        ]


class GradingDue(models.Model):
    """Until when a course's professors are asked to have graded what is in their queue."""

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="grading_due")
    due_on = models.DateField()
