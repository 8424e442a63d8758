import secrets
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models
from django.utils import timezone

from teams.models.second_factor import SecondFactorPolicy

if TYPE_CHECKING:
    pass

CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that is misread on a whiteboard


def new_code() -> str:
    """A join code of 8 characters, about 39 bits."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(8))


class Role(models.TextChoices):
    INSTRUCTOR = "instructor", "Instructor"
    PROFESSOR = "professor", "Professor"
    STUDENT = "student", "Student"
    ASSISTANT = "assistant", "Teaching assistant"
    OBSERVER = "observer", "Observer"


class Course(models.Model):
    name = models.CharField(max_length=120)
    term = models.CharField(max_length=60, blank=True)
    student_code = models.CharField(max_length=12, unique=True, default=new_code)
    professor_code = models.CharField(max_length=12, unique=True, default=new_code)
    student_code_open = models.BooleanField(
        default=True, help_text="Whether the code lets new students in."
    )
    professor_code_open = models.BooleanField(
        default=True, help_text="Whether the code lets new professors in."
    )
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    team_budget = models.BigIntegerField(
        default=25_000_000, help_text="Micro-dollars each new team may spend."
    )
    compute_rate = models.BigIntegerField(
        default=0, help_text="Micro-dollars for one hour of local LoRA training."
    )
    spending_frozen = models.BooleanField(
        default=False, help_text="Nothing that costs money starts while this is on."
    )
    daily_chat_cap = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Micro-dollars one person may spend on chat in a day; empty means no cap.",
    )
    team_size = models.PositiveSmallIntegerField(default=5, help_text="Most people in one team.")
    keep_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Days after the last day until students' names and addresses are removed; empty keeps them.",
    )
    second_factor = models.CharField(
        max_length=10,
        blank=True,
        default=SecondFactorPolicy.NOBODY,
        choices=SecondFactorPolicy.choices,
        help_text="Who needs a second factor before they spend, grade or change this course.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Times of the course are told in it, and days end by it; empty: the platform's.",
    )
    erasure_told_for = models.DateField(
        null=True, help_text="The last day of keeping names that everybody was told of."
    )
    erasure_told_at = models.DateField(null=True, help_text="When they were told.")
    practice_open = models.BooleanField(
        default=False, help_text="Students may enter the practice team."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(team_budget__gte=0), name="course_team_budget_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(compute_rate__gte=0), name="course_compute_rate_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.term}" if self.term else self.name

    @property
    def zone(self) -> ZoneInfo:
        """Of its times and days. One that this machine does not know any more is the platform's."""
        try:
            return ZoneInfo(self.time_zone or settings.TIME_ZONE)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo(settings.TIME_ZONE)

    def is_over(self) -> bool:
        """Its last day is past. What stands on the pages stays; programs stop asking."""
        return self.ends_on is not None and self.ends_on < timezone.localdate(timezone=self.zone)


class Section(models.Model):
    """A part of a course that meets together; teams and graders can be shared out by section."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="sections")
    name = models.CharField(max_length=60)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "name"], name="section_name_unique_in_course"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Milestone(models.Model):
    """One step of the course's plan: the guide's weeks, with dates and what shows that a team has done it."""

    class Goal(models.TextChoices):
        DATASET = "dataset", "A dataset is uploaded"
        DSPY = "dspy", "A DSPy run is done"
        OPENAI = "openai", "An OpenAI run is done"
        LORA = "lora", "A LoRA run is done"
        SUBMISSION = "submission", "A bot is submitted"

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="milestones")
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=80)
    goal = models.CharField(max_length=12, choices=Goal.choices)
    due_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "position"], name="milestone_position_unique"
            )
        ]

    def __str__(self) -> str:
        return self.title


class Team(models.Model):
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="teams")
    name = models.CharField(max_length=60)
    practice = models.BooleanField(
        default=False,
        help_text="A sandbox that every student of the course may enter; never graded.",
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="started_teams",
        help_text="The student who made it; empty where an instructor or a class list did.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "name"], name="team_name_unique_in_course"
            ),
            models.UniqueConstraint(
                fields=["course"],
                condition=models.Q(practice=True),
                name="one_practice_team_per_course",
            ),
            # Each team brings a budget of its own: nobody gets a second one by being quick.
            models.UniqueConstraint(
                fields=["course", "started_by"], name="one_started_team_per_person"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person in one course, in one role; a student may be in one team of that course."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=12, choices=Role.choices)
    team = models.ForeignKey(
        Team, on_delete=models.SET_NULL, null=True, blank=True, related_name="memberships"
    )
    section = models.ForeignKey(
        Section, on_delete=models.SET_NULL, null=True, blank=True, related_name="memberships"
    )
    active = models.BooleanField(
        default=True, help_text="Off: the person keeps the work done and can no longer enter."
    )
    may_price = models.BooleanField(
        default=False, help_text="An assistant who may set budgets and prices."
    )
    may_release = models.BooleanField(
        default=False, help_text="An assistant who may decide and release grades."
    )
    may_delete = models.BooleanField(
        default=False, help_text="An assistant who may delete what teams made."
    )
    imported_email = models.EmailField(
        blank=True,
        help_text="The address that an imported course names for this person. Nobody here is linked to it.",
    )
    student_id = models.CharField(
        max_length=40,
        blank=True,
        help_text="The university's number for this student, for grade books.",
    )
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["person__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "person"], name="membership_unique_in_course"
            ),
            models.CheckConstraint(
                condition=models.Q(team__isnull=True) | models.Q(role=Role.STUDENT),
                name="membership_only_students_in_teams",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} ({self.get_role_display()})"

    @property
    def looks_on(self) -> bool:
        """Sees every team of the course without being in one."""
        return self.role in (Role.INSTRUCTOR, Role.ASSISTANT)

    @property
    def is_instructor(self) -> bool:
        return self.role == Role.INSTRUCTOR

    @property
    def prices(self) -> bool:
        """May set budgets and prices."""
        return self.is_instructor or (self.role == Role.ASSISTANT and self.may_price)

    @property
    def releases(self) -> bool:
        """May decide and release grades."""
        return self.is_instructor or (self.role == Role.ASSISTANT and self.may_release)

    @property
    def deletes(self) -> bool:
        """May delete what is not one's own team's."""
        return self.is_instructor or (self.role == Role.ASSISTANT and self.may_delete)

    def may_enter(self, team: Team) -> bool:
        """Whether the pages of `team`, of the same course, are this person's to use, if the membership is active.

        An open practice team has every student of the course for a member. Professors are strangers: they grade blind.
        """
        if self.looks_on or self.team_id == team.pk:
            return True
        return team.practice and team.course.practice_open and self.role == Role.STUDENT


class TeamRequest(models.Model):
    """A student asks to be in a team. Somebody of the team, or the instructor, says yes or no; nobody is in unasked."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="requests")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="team_requests"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(state="waiting"),
                name="one_waiting_team_request",
            )
        ]

    def __str__(self) -> str:
        return f"{self.membership.person} asks to be in {self.team}"


class ProfessorAssignment(models.Model):
    """This professor interviews and grades what this team submits. The professor never sees this row."""

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="professor_assignments"
    )
    professor = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="assigned_teams"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "professor"], name="professor_assigned_once_to_a_team"
            )
        ]
