from django.conf import settings
from django.db import models
from django.utils import timezone


class MailKind(models.TextChoices):
    NOTICE = "notice", "A notice"
    ENROLLED = "enrolled", "Word of an enrolment"
    INVITATION = "invitation", "An invitation"
    PASSWORD = "password", "A link to set a password"
    CONFIRM = "confirm", "A link to confirm the address"
    JOIN = "join", "A link to enter a course"


class MailState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Not delivered"


class OutgoingMail(models.Model):
    """One mail to one address. The row is the truth; the queue only wakes the worker that sends it.

    A link that opens something is never kept here: it is made when the mail leaves. `person` is None while it is not
    known, and does not matter, whether the address has an account. What the mail says is erased once it was sent.
    """

    kind = models.CharField(max_length=12, choices=MailKind.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="mails"
    )
    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, null=True, related_name="mails"
    )
    address = models.EmailField()
    subject = models.CharField(max_length=120, blank=True)
    text = models.TextField(blank=True)
    details = models.JSONField(
        default=dict, blank=True, help_text="What the text is made of, by name; no secrets."
    )
    state = models.CharField(max_length=8, choices=MailState.choices, default=MailState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["state", "next_try_at"], name="mail_due"),
            models.Index(fields=["address", "kind"], name="mail_to_an_address"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.address}"
