"""The university's learning management system (LMS): who is connected by LTI 1.3, which course of theirs is which of ours.

Registrations, deployments, contexts, line items and our keys are django-lti's tables; what is said here is what belongs to
this platform. No name and no address of a person is kept beside the account, but for the minutes that a launch takes.
"""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from teams.models.course import Course, Membership, Role

LAUNCH_MINUTES = 15


class LmsConnection(models.Model):
    """One registration of this platform in an LMS. Its key stands in the addresses that the LMS is given.

    With a course it was made by an instructor and opens that course alone. Without one it was made by whoever runs this
    platform, and opens every course that is linked to a course of the LMS.
    """

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=60)
    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, null=True, blank=True, related_name="lms_connections"
    )
    registration: Any = models.OneToOneField(
        "lti_tool.LtiRegistration",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="connection",
    )
    is_on = models.BooleanField(
        default=False, help_text="Whether people may come in through it."
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    register_hash = models.CharField(
        max_length=64, blank=True, help_text="Of the one-time token of dynamic registration."
    )
    register_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class LmsCourse(models.Model):
    """A course of an LMS is this course of ours. An instructor of ours said so, who came from there as an instructor."""

    context: Any = models.OneToOneField(
        "lti_tool.LtiContext", on_delete=models.CASCADE, related_name="linked"
    )
    connection = models.ForeignKey(
        LmsConnection, on_delete=models.CASCADE, related_name="courses"
    )
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="lms_courses")
    staff_role = models.CharField(
        max_length=12,
        choices=[
            (Role.PROFESSOR, "Professors, who grade blind"),
            (Role.INSTRUCTOR, "Instructors"),
        ],
        default=Role.PROFESSOR,
        help_text="What instructors of the LMS course become who are new here.",
    )
    takes_in = models.BooleanField(
        default=True, help_text="People of the LMS course who are new here may enter."
    )
    sends_grades = models.BooleanField(
        default=True, help_text="Published grades are sent to the LMS by themselves."
    )
    sending_until = models.DateTimeField(
        null=True, help_text="While one process sends grades, or until it counts as lost."
    )
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.context)


class LmsIdentity(models.Model):
    """This account enters when that person of the LMS launches.

    `consented`: the owner said so while signed in here. Without it the account was made by the launch itself, and whoever
    shows by a mailed link that its address is theirs takes the account from the LMS (`services/identity.py`).
    """

    connection = models.ForeignKey(
        LmsConnection, on_delete=models.CASCADE, related_name="identities"
    )
    subject = models.CharField(max_length=255)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lms_identities"
    )
    consented = models.BooleanField(default=False)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "subject"], name="lms_identity_one_person"
            ),
            models.UniqueConstraint(
                fields=["connection", "person"], name="lms_identity_one_in_a_lms"
            ),
        ]


class LmsSeat(models.Model):
    """Under which name the LMS course knows this member: grades are sent to it."""

    lms_course = models.ForeignKey(LmsCourse, on_delete=models.CASCADE, related_name="seats")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="lms_seats"
    )
    subject = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lms_course", "membership"], name="lms_seat_one_for_a_member"
            ),
            models.UniqueConstraint(
                fields=["lms_course", "subject"], name="lms_seat_one_for_a_subject"
            ),
        ]


class LmsLaunch(models.Model):
    """One way from the LMS to here: begun, come back with a signed message, entered. Each step once; swept after an hour.

    What must stay secret is kept as a SHA-256: the state, the nonce, and what the browser's two cookies say.
    """

    connection = models.ForeignKey(
        LmsConnection, on_delete=models.CASCADE, related_name="launches"
    )
    state_hash = models.CharField(max_length=64, unique=True)
    nonce_hash = models.CharField(max_length=64)
    browser_hash = models.CharField(max_length=64)
    begun_at = models.DateTimeField(default=timezone.now)
    came_back_at = models.DateTimeField(null=True)
    ticket_hash = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  (unique where there is one)
    entered_at = models.DateTimeField(null=True)
    subject = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    student_id = models.CharField(max_length=40, blank=True)
    context: Any = models.ForeignKey(
        "lti_tool.LtiContext", on_delete=models.CASCADE, null=True, related_name="+"
    )
    role = models.CharField(
        max_length=12, blank=True, help_text="learner, staff, assistant or empty"
    )
    target = models.CharField(max_length=20, blank=True)
    asks = models.JSONField(default=dict, help_text="The settings of a deep linking request.")

    class Meta:
        indexes = [models.Index(fields=["begun_at"], name="lms_launch_begun")]
