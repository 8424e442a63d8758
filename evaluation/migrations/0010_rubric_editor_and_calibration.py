from typing import Any

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from evaluation.models.rubric import new_criterion_key

BUILT_IN_KEYS = (
    "vocabulary",
    "reasoning",
    "misconceptions",
    "flow",
    "curriculum",
    "progression",
    "understanding",
    "engagement",
)


def give_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Until now every rubric was the built-in one or a copy of it, so the place tells which criterion it is."""
    criterion: Any = apps.get_model("evaluation", "Criterion")
    for row in criterion.objects.all():
        known = row.position <= len(BUILT_IN_KEYS)
        row.key = BUILT_IN_KEYS[row.position - 1] if known else new_criterion_key()
        row.save(update_fields=["key"])


def numbered(model: str, what: str) -> list[migrations.operations.base.Operation]:
    """SQLite ignores NULLS NOT DISTINCT: one rule for a course's own numbers, one for those that ship."""
    return [
        migrations.RemoveConstraint(model_name=model, name=f"{what}_number_unique"),
        migrations.AddConstraint(
            model_name=model,
            constraint=models.UniqueConstraint(
                fields=["course", "number"],
                condition=models.Q(course__isnull=False),
                name=f"{what}_number_unique_in_course",
            ),
        ),
        migrations.AddConstraint(
            model_name=model,
            constraint=models.UniqueConstraint(
                fields=["number"], condition=models.Q(course__isnull=True), name=f"{what}_number_unique_built_in"
            ),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0009_comparisons"), ("teams", "0001_initial")]

    operations = [
        *numbered("rubricversion", "rubric"),
        *numbered("interviewscript", "script"),
        migrations.AddField("criterion", "key", models.CharField(max_length=40, default="")),
        migrations.RunPython(give_keys, migrations.RunPython.noop),
        migrations.AlterField("criterion", "key", models.CharField(max_length=40, default=new_criterion_key)),
        migrations.AddConstraint(
            model_name="criterion",
            constraint=models.UniqueConstraint(fields=["rubric", "key"], name="criterion_key_unique"),
        ),
        migrations.CreateModel(
            name="Calibration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("transcript", models.SlugField(max_length=20)),
                ("committed_at", models.DateTimeField(auto_now_add=True)),
                (
                    "grader",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="calibrations", to="teams.membership"
                    ),
                ),
            ],
            options={
                "ordering": ["committed_at", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=["grader", "transcript"], name="calibration_once_per_transcript")
                ],
            },
        ),
        migrations.CreateModel(
            name="CalibrationLevel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("criterion_key", models.CharField(max_length=40)),
                ("level", models.PositiveSmallIntegerField()),
                (
                    "calibration",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="levels", to="evaluation.calibration"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["calibration", "criterion_key"], name="calibration_level_once_per_criterion"
                    )
                ]
            },
        ),
    ]
