from django.conf import settings
from django.db import models


class Announcement(models.Model):
    """What an instructor tells everyone in the course."""

    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, related_name="announcements"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    text = models.TextField(max_length=2000)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]


class NoticeKind(models.TextChoices):
    RUN = "run", "A run finished or failed"
    GRADE = "grade", "A grade was released or decided"
    WAITING = "waiting", "A bot or a second look waits for you"
    REPLACED = "replaced", "A team replaced a bot that you were to grade"
    DUE = "due", "Grades or a bot are due in two days"
    DISPUTED = "disputed", "A grade is disputed"
    DECISION = "decision", "Grades that wait for your decision"
    DATASET = "dataset", "A dataset version is ready"
    BUDGET = "budget", "Budget alerts and requests"
    COMMENT = "comment", "Comments on your work"
    TEAM = "team", "Requests to be in a team"
    ANNOUNCEMENT = "announcement", "Announcements"


class Notice(models.Model):
    """One thing that one person should know, in the bar of every page until it is read."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices"
    )
    course = models.ForeignKey("teams.Course", on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=14, choices=NoticeKind.choices)
    text = models.CharField(max_length=300)
    path = models.CharField(max_length=200, help_text="The page where it can be seen.")
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["person", "read_at"])]

    @property
    def tells_its_minute(self) -> bool:
        """Not where the minute would tell a professor who handed in, or a team who wrote: grading is blind."""
        return self.kind not in (
            NoticeKind.COMMENT,
            NoticeKind.WAITING,
            NoticeKind.REPLACED,
            NoticeKind.DISPUTED,
        )


class ToldOnce(models.Model):
    """This person was told of this event: whoever comes upon it again, at the same moment too, says nothing."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    course = models.ForeignKey("teams.Course", on_delete=models.CASCADE, related_name="+")
    event = models.CharField(
        max_length=100, help_text="What happened, and to what: due-2026-12-04."
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "course", "event"], name="told_once")
        ]


class MailChoice(models.Model):
    """Where a person wants notices of one kind: in the app, by e-mail. Without a row: in both places."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choices"
    )
    kind = models.CharField(max_length=14, choices=NoticeKind.choices)
    wanted = models.BooleanField(default=True)
    in_app = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind"], name="mail_choice_once")
        ]
