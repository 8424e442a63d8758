import uuid

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from evaluation.models.presenting import Hearing
from evaluation.models.submission import Submission
from teams.models import PaidFor, SubjectKind, Team
from training.models import TrainingRun


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def for_team(self, team: Team) -> "ConversationQuerySet":
        """A team's own talks: never a professor's, nor an answer in a blind comparison."""
        return self.filter(
            run__team=team, submission=None, hearing=None, deleted_at=None, contender=None
        )


class Conversation(models.Model):
    """One person talking with one bot. With a submission it is a professor's interview; with a hearing, her talk at a
    presentation, with the bot as it is that day."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="conversations")
    submission = models.ForeignKey(
        Submission, on_delete=models.CASCADE, null=True, related_name="interviews"
    )
    hearing = models.ForeignKey(
        Hearing, on_delete=models.CASCADE, null=True, related_name="talks"
    )
    untrained = models.BooleanField(
        default=False, help_text="Not the run answers but its base model, as it was before."
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["hearing", "run"], name="one_talk_a_bot_at_a_hearing"
            )
        ]

    @property
    def of_a_professor(self) -> bool:
        """What it costs and when it took place is told to the team by day, from the next day on."""
        return self.submission_id is not None or self.hearing_id is not None


class TurnStatus(models.TextChoices):
    STREAMING = "streaming", "Answering"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


_KEEP_ANSWER = "UPDATE evaluation_turn SET answer = %s WHERE id = %s AND status = 'streaming'"


class TurnQuerySet(models.QuerySet["Turn"]):
    def current(self) -> "TurnQuerySet":
        """Without the turns that a retry or an edited question took the place of."""
        return self.filter(replaced_at=None)

    def remembered(self) -> "TurnQuerySet":
        """What the bot is told of the talk so far: answers that came, whole or until Stop."""
        return (
            self.current()
            .filter(status__in=[TurnStatus.DONE, TurnStatus.STOPPED])
            .exclude(answer="")
        )

    def keep_going(self, answers: dict[int, str]) -> set[int]:
        """Write answers so far, by primary key, and a heartbeat. Those that go on; the others someone stopped or failed."""
        going = self.filter(pk__in=answers, status=TurnStatus.STREAMING)
        with transaction.atomic():
            known = dict(going.values_list("pk", "answer"))
            grown = [(answers[pk], pk) for pk in known if answers[pk] != known[pk]]
            with (
                connection.cursor() as cursor
            ):  # hundreds a second: the ORM takes ten times as long for each
                cursor.executemany(_KEEP_ANSWER, grown)
            going.update(heartbeat_at=timezone.now())
        return set(known)


class Turn(models.Model):
    """What the teacher said and what the student answered. Only `finish` and `keep_going` (for many) move it from where it is."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="turns"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="turns"
    )
    position = models.PositiveIntegerField()
    question = models.TextField()
    answer = models.TextField(blank=True)
    status = models.CharField(
        max_length=10, choices=TurnStatus.choices, default=TurnStatus.STREAMING
    )
    error_message = models.TextField(blank=True)
    left_out = models.PositiveIntegerField(
        default=0, help_text="Earlier turns that no longer fitted."
    )
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    first_token_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(
        default=timezone.now, help_text="The answering process was alive then."
    )
    finished_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)

    objects = TurnQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "position"],
                condition=Q(replaced_at=None),
                name="turn_position_unique",
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status="streaming"),
                name="one_answer_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=TurnStatus.values), name="turn_status_known"
            ),
        ]
        indexes = [models.Index(fields=["status", "heartbeat_at"])]

    @property
    def paid_for(self) -> PaidFor:
        return PaidFor(SubjectKind.TURN, self.key)

    @property
    def hold_key(self) -> str:
        return f"turn-{self.key}"

    @property
    def topic(self) -> str:
        return f"turn-{self.key}"

    @property
    def is_streaming(self) -> bool:
        return self.status == TurnStatus.STREAMING

    def finish(self, status: TurnStatus, **fields: object) -> bool:
        """Move from streaming to `status` with one conditional UPDATE. False for the loser of a race."""
        rows = Turn.objects.filter(pk=self.pk, status=TurnStatus.STREAMING)
        moved = bool(rows.update(status=status, finished_at=timezone.now(), **fields))
        self.refresh_from_db(
            fields=["status", "answer", "error_message", "finished_at"]
        )  # what it belongs to stays loaded
        return moved
