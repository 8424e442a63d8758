import secrets

from django.db import models
from django.db.models import Q

from teams.models import Course


class Part(models.TextChoices):
    AUTHENTICITY = "authenticity", "Student simulation authenticity"
    EDUCATION = "education", "Educational value"


class Unit(models.TextChoices):
    TURN = "turn", "Turns and episodes"
    BOT = "bot", "The bot as a whole"


def new_criterion_key() -> str:
    return secrets.token_hex(6)


class RubricVersion(models.Model):
    """A rubric as it was at one moment; an edit is a new version. Without a course: the built-in one."""

    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, null=True, blank=True, related_name="rubrics"
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
                name="rubric_number_unique_in_course",
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=Q(course__isnull=True),
                name="rubric_number_unique_built_in",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, version {self.number}"


class Criterion(models.Model):
    """`key` stays with a criterion through all versions and courses, whatever its name or place."""

    rubric = models.ForeignKey(RubricVersion, on_delete=models.CASCADE, related_name="criteria")
    key = models.CharField(max_length=40, default=new_criterion_key)
    position = models.PositiveSmallIntegerField()
    part = models.CharField(max_length=14, choices=Part.choices)
    unit = models.CharField(max_length=5, choices=Unit.choices)
    name = models.CharField(max_length=120)
    explanation = models.TextField(blank=True)
    weight = models.PositiveSmallIntegerField(default=1)
    meaning = models.CharField(
        max_length=24,
        blank=True,
        default="",
        help_text="The same in all versions whose levels mean the same: only their scores are compared.",
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["rubric", "position"], name="criterion_position_unique"
            ),
            models.UniqueConstraint(fields=["rubric", "key"], name="criterion_key_unique"),
        ]


class Level(models.Model):
    criterion = models.ForeignKey(Criterion, on_delete=models.CASCADE, related_name="levels")
    value = models.PositiveSmallIntegerField()
    label = models.CharField(max_length=40)
    anchor = models.TextField(help_text="What a bot at this level sounds like.")

    class Meta:
        ordering = ["value"]
        constraints = [
            models.UniqueConstraint(
                fields=["criterion", "value"], name="level_unique_in_criterion"
            ),
            models.CheckConstraint(condition=Q(value__gte=1), name="level_from_one"),
        ]
