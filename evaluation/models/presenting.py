import uuid

from django.db import models

from teams.models import Course, Membership, Team


class Counting(models.TextChoices):
    NOT = "not", "It does not count; notes only"
    WITHIN = "within", "Within the rubric: a part of every criterion's level"
    APART = "apart", "As a grade of its own, with points of its own"


class PresentationRule(models.Model):
    """How presentations count in a course. Without a row they do not.

    `weight`, in percent, is the presentation's part of a criterion's level (counting within); `points` what a perfect one
    is worth (counting apart). `talk_at_once`: a professor may talk with a team's bot before her blind grades are all in.
    """

    course = models.OneToOneField(
        Course, on_delete=models.CASCADE, related_name="presentation_rule"
    )
    counting = models.CharField(max_length=6, choices=Counting.choices, default=Counting.NOT)
    weight = models.PositiveSmallIntegerField()
    points = models.PositiveSmallIntegerField()
    talk_at_once = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)


class PresentationSession(models.Model):
    """Teams present one after the other, each for `minutes`, to the professors who listen.

    Who listens is chosen here and not derived from who grades blind: otherwise a list of presentations would be a list of
    whose bots are in a professor's queue.
    """

    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, related_name="presentation_sessions"
    )
    starts_at = models.DateTimeField()
    place = models.CharField(max_length=200)
    minutes = models.PositiveSmallIntegerField(help_text="For each team.")
    listeners = models.ManyToManyField(Membership, related_name="presentation_sessions")

    class Meta:
        ordering = ["starts_at", "id"]


class Presentation(models.Model):
    """A team's place in a session, from 1. A team presents once."""

    session = models.ForeignKey(
        PresentationSession, on_delete=models.CASCADE, related_name="presentations"
    )
    team = models.OneToOneField(Team, on_delete=models.CASCADE, related_name="presentation")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position", "id"]


class Hearing(models.Model):
    """One professor at one presentation; her notes and levels are its grade. `code` is its name in URLs."""

    presentation = models.ForeignKey(
        Presentation, on_delete=models.CASCADE, related_name="hearings"
    )
    listener = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="hearings")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["presentation", "listener"], name="hearing_once_per_listener"
            )
        ]
