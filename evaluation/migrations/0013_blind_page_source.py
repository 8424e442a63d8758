"""Random codes for saves that were kept aside; and which standard interviews a grader had held."""

import uuid
from typing import Any

from django.db import migrations, models
from django.db.models import Q

GRADING = "grading"


def draw_codes(apps: Any, schema_editor: Any) -> None:
    saves = apps.get_model("evaluation", "UnappliedSave").objects
    for pk in saves.values_list("pk", flat=True):
        saves.filter(pk=pk).update(code=uuid.uuid4())


def find_graders_interviews(apps: Any, schema_editor: Any) -> None:
    """Their holds say what they were for."""
    held = apps.get_model("teams", "Hold").objects.filter(subject_kind=GRADING, key__startswith="interview-")
    keys = [key.removeprefix("interview-") for key in held.values_list("key", flat=True)]
    for key in keys:
        apps.get_model("evaluation", "Interview").objects.filter(key=key).update(for_grading=True)


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0012_grading_due"), ("teams", "0013_price_revisions")]

    operations = [
        migrations.AddField("unappliedsave", "code", models.UUIDField(default=uuid.uuid4, editable=False, null=True)),
        migrations.RunPython(draw_codes, migrations.RunPython.noop),
        migrations.AlterField(
            "unappliedsave",
            "code",
            models.UUIDField(default=uuid.uuid4, editable=False, help_text="Its name in URLs.", unique=True),
        ),
        migrations.AddField(
            "interview",
            "for_grading",
            models.BooleanField(default=False, help_text="A grader had it held: the team learns no more than the day."),
        ),
        migrations.RunPython(find_graders_interviews, migrations.RunPython.noop),
        migrations.RemoveConstraint("interview", "one_interview_of_a_run_at_a_time"),
        migrations.AddConstraint(
            "interview",
            models.UniqueConstraint(
                condition=Q(status__in=["queued", "running"]),
                fields=("run", "for_grading"),
                name="one_interview_of_a_run_at_a_time",
            ),
        ),
    ]
