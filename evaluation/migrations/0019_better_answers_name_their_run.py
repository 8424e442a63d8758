"""Each better answer names the run whose bot it corrects. In a migration of its own: PostgreSQL alters no table with rows half written."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def name_the_run(apps: Any, schema_editor: Any) -> None:
    better = apps.get_model("evaluation", "BetterAnswer")
    talk = models.OuterRef("turn__conversation_id")
    runs = apps.get_model("evaluation", "Conversation").objects.filter(pk=talk).values("run_id")[:1]
    for one in better.objects.annotate(of_run=models.Subquery(runs)).iterator():
        better.objects.filter(pk=one.pk).update(run_id=one.of_run)


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0006_pseudonyms_kept"),
        ("training", "0019_merged_model"),
        ("evaluation", "0018_calibration_rule"),
    ]
    operations = [
        migrations.AddField(
            model_name="betteranswer",
            name="run",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="better_answers",
                to="training.trainingrun",
            ),
        ),
        migrations.RunPython(name_the_run, migrations.RunPython.noop),
    ]
