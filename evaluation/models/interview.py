import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from teams.days import start_of_today
from teams.models import Course, PaidFor, SubjectKind, Team
from training.models import TrainingRun


class Subject(models.TextChoices):
    MATH = "math", "Math"
    SCIENCE = "science", "Science"
    READING = "reading", "Reading"
    SOCIAL = "social", "Social studies"
    PERSONA = "persona", "About the child"


class Expectation(models.TextChoices):
    KNOWN = "known", "A second-grader usually knows it"
    SHAKY = "shaky", "Many second-graders get it wrong"
    BEYOND = "beyond", "Comes later than second grade"


class InterviewScript(models.Model):
    """Teacher questions that are put to every bot in the same words. Without a course: the one that ships."""

    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, null=True, blank=True, related_name="interview_scripts"
    )
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "number"],
                condition=Q(course__isnull=False),
                name="script_number_unique_in_course",
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=Q(course__isnull=True),
                name="script_number_unique_built_in",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, version {self.number}"


class InterviewQuestion(models.Model):
    """One question in two wordings, with a follow-up. `right` and `mistaken` are phrases that give a stance away."""

    script = models.ForeignKey(
        InterviewScript, on_delete=models.CASCADE, related_name="questions"
    )
    position = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=8, choices=Subject.choices)
    expectation = models.CharField(max_length=6, choices=Expectation.choices)
    question = models.TextField()
    paraphrase = models.TextField()
    follow_up = models.TextField(blank=True)
    right = models.JSONField(default=list)
    mistaken = models.JSONField(default=list)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["script", "position"], name="question_position_unique"
            )
        ]


class InterviewStatus(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Asking"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


ACTIVE_INTERVIEW = (InterviewStatus.QUEUED, InterviewStatus.RUNNING)


class InterviewQuerySet(models.QuerySet["Interview"]):
    def for_team(self, team: Team) -> "InterviewQuerySet":
        """What the team may see of its bots: its own, and a grader's from the day after it ended, so that no minute is
        told. Without those of untrained base models."""
        return self.with_bases(team).filter(untrained=False)

    def with_bases(self, team: Team) -> "InterviewQuerySet":
        """As `for_team`, and those of base models."""
        return self.filter(
            Q(for_grading=False) | Q(finished_at__lt=start_of_today(team.course)), run__team=team
        )

    def before(self, interview: "Interview") -> "InterviewQuerySet":
        """Finished interviews of the same base model, untrained, by the same script, that the team had held."""
        run = interview.run
        same = self.filter(
            run__team_id=run.team_id,
            run__base_model_id=run.base_model_id,
            script_id=interview.script_id,
        )
        return same.filter(untrained=True, status=InterviewStatus.DONE)

    def active(self) -> "InterviewQuerySet":
        return self.filter(status__in=ACTIVE_INTERVIEW)


class Interview(models.Model):
    """The standard interview of one run: all questions of a script, each asked anew, and what the answers show.

    `untrained`: of the run's base model, to see what training changed.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="interviews")
    script = models.ForeignKey(
        InterviewScript, on_delete=models.PROTECT, related_name="interviews"
    )
    repeats = models.PositiveSmallIntegerField(default=1)
    for_grading = models.BooleanField(
        default=False, help_text="A grader had it held: the team learns no more than the day."
    )
    untrained = models.BooleanField(
        default=False, help_text="The run's base model was asked, not the run."
    )
    status = models.CharField(
        max_length=8, choices=InterviewStatus.choices, default=InterviewStatus.QUEUED
    )
    error_message = models.TextField(blank=True)
    metrics = models.JSONField(default=dict, help_text="See evaluation.metrics.Metrics.")
    in_training = models.PositiveIntegerField(
        default=0, help_text="Script questions found in the training rows."
    )
    judge_model = models.CharField(
        max_length=200, blank=True, help_text="Who judges; empty: nobody was asked to."
    )
    judge_note = models.TextField(
        blank=True, help_text="Why the judge was not asked, or not about everything."
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = InterviewQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "for_grading", "untrained"],
                condition=Q(status__in=["queued", "running"]),
                name="one_interview_of_a_run_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=InterviewStatus.values), name="interview_status_known"
            ),
        ]

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.INTERVIEW, self.key)

    @property
    def hold_key(self) -> str:
        return f"interview-{self.key}"

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE_INTERVIEW

    def move_to(self, status: InterviewStatus, **fields: object) -> bool:
        """One conditional UPDATE from an active status. False for the loser of a race."""
        moved = bool(
            Interview.objects.filter(pk=self.pk, status__in=ACTIVE_INTERVIEW).update(
                status=status, **fields
            )
        )
        self.refresh_from_db()
        return moved


class Wording(models.TextChoices):
    QUESTION = "question", "as written"
    PARAPHRASE = "paraphrase", "in other words"
    FOLLOW_UP = "follow_up", "asked on"
    TARGETED = "targeted", "after feedback on this mistake"
    MISALIGNED = "misaligned", "after feedback on another mistake"
    GENERIC = "generic", "after “that is wrong”"


class InterviewAnswer(models.Model):
    interview = models.ForeignKey(Interview, on_delete=models.CASCADE, related_name="answers")
    question = models.ForeignKey(
        InterviewQuestion, on_delete=models.PROTECT, related_name="answers"
    )
    wording = models.CharField(max_length=10, choices=Wording.choices)
    repeat = models.PositiveSmallIntegerField(default=1)
    answer = models.TextField(blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["question__position", "repeat", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["interview", "question", "wording", "repeat"],
                name="each_wording_answered_once",
            )
        ]
