from django.conf import settings
from django.db import models


class HandOver(models.Model):
    """An instructor gives a course to somebody else. Nothing changes before both have said yes."""

    class State(models.TextChoices):
        OFFERED = "offered", "Offered"
        ACCEPTED = "accepted", "Accepted, to be confirmed"
        DONE = "done", "Handed over"
        ENDED = "ended", "Withdrawn or declined"

    class Becomes(models.TextChoices):
        INSTRUCTOR = "instructor", "stay instructor beside them"
        ASSISTANT = "assistant", "become teaching assistant"
        OUT = "out", "leave the course"

    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, related_name="hand_overs"
    )
    giver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    taker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    becomes = models.CharField(max_length=10, choices=Becomes.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OFFERED)
    offered_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["course"],
                condition=models.Q(state__in=["offered", "accepted"]),
                name="one_open_hand_over",
            )
        ]
