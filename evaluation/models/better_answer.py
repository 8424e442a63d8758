"""What a team would rather have heard from its bot: the answer that it wrote when it made a training row of one."""

from django.conf import settings
from django.db import models

from evaluation.models.chat import Turn


class BetterAnswer(models.Model):
    """The team's own words in place of an answer; with the answer that the bot gave they are a pair. The newest counts."""

    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="better_answer")
    answer = models.TextField()
    with_earlier = models.BooleanField(default=False, help_text="What was said before belongs to it.")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
