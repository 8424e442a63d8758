"""One teacher prompt put to several bots side by side, and which answer people liked better before they knew whose it was."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from evaluation.models.chat import Conversation, Turn
from teams.models import Team
from training.models import TrainingRun

SIDES = "ABC"


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def for_team(self, team: Team) -> "ComparisonQuerySet":
        return self.filter(team=team).select_related("team", "asked_by")

    def between(self, *runs: TrainingRun) -> "ComparisonQuerySet":
        """In which each of these bots stands, as it was trained."""
        found = self
        for run in runs:
            beside = Contender.objects.filter(
                conversation__run=run, conversation__untrained=False
            )
            found = found.filter(pk__in=beside.values("comparison_id"))
        return found


class Comparison(models.Model):
    """The prompt. Its contenders stand on sides that were drawn at random."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="comparisons")
    question = models.TextField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]


class Contender(models.Model):
    """One bot on one side. Its conversation says which bot it is and holds the answer."""

    comparison = models.ForeignKey(
        Comparison, on_delete=models.CASCADE, related_name="contenders"
    )
    position = models.PositiveSmallIntegerField(help_text="0 stands on side A.")
    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, related_name="contender"
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "position"], name="one_contender_on_a_side"
            ),
            models.CheckConstraint(
                condition=Q(position__lt=len(SIDES)), name="contender_side_known"
            ),
        ]

    @property
    def side(self) -> str:
        return SIDES[self.position]

    @property
    def turn(self) -> Turn:
        """The answer as it is now; reads a prefetched `conversation.turns` where there is one."""
        return next(turn for turn in self.conversation.turns.all() if turn.replaced_at is None)


class Vote(models.Model):
    """One person's judgement, given blind and once. `better` is empty where the answers were equally good."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="votes")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    better = models.ForeignKey(
        Contender, on_delete=models.CASCADE, null=True, related_name="votes"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "person"], name="one_vote_per_person")
        ]
