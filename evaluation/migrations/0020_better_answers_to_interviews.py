"""A better answer may stand in place of one of a standard interview, and knows its row and how often it was saved."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0019_better_answers_name_their_run")]
    operations = [
        migrations.AlterField(
            model_name="betteranswer",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="better_answers",
                to="training.trainingrun",
            ),
        ),
        migrations.AddField(
            model_name="betteranswer",
            name="dataset",
            field=models.ForeignKey(
                help_text="Where its row was added.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="datasets.dataset",
            ),
        ),
        migrations.AddField(
            model_name="betteranswer", name="edition", field=models.PositiveIntegerField(default=1)
        ),
        migrations.AddField(
            model_name="betteranswer",
            name="heard",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="better_answer",
                to="evaluation.interviewanswer",
            ),
        ),
        migrations.AddField(
            model_name="betteranswer",
            name="row_id",
            field=models.CharField(
                blank=True, help_text="Of that row; empty where it is not known.", max_length=40, default=""
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="betteranswer",
            name="turn",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="better_answer",
                to="evaluation.turn",
            ),
        ),
        migrations.AddConstraint(
            model_name="betteranswer",
            constraint=models.CheckConstraint(
                condition=Q(turn__isnull=False, heard__isnull=True) | Q(turn__isnull=True, heard__isnull=False),
                name="better_answer_to_one_answer",
            ),
        ),
    ]
