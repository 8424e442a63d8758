"""Mark the charges of graders' interviews: their teams are told the day only."""

from typing import Any

from django.db import migrations, models

GRADING = "grading"
BATCH = 500


def mark(apps: Any, schema_editor: Any) -> None:
    """A charge has the key of its hold, and the hold says what it was for."""
    entries = apps.get_model("teams", "LedgerEntry").objects
    held = apps.get_model("teams", "Hold").objects.filter(subject_kind=GRADING)
    keys = list(held.values_list("key", flat=True))
    for start in range(0, len(keys), BATCH):
        entries.filter(key__in=keys[start : start + BATCH]).update(subject_kind=GRADING)


class Migration(migrations.Migration):
    dependencies = [("teams", "0018_charges_stop_at_the_hold")]

    operations = [
        migrations.AlterField(
            "ledgerentry",
            "subject_kind",
            models.CharField(
                help_text="What was paid for: run, turn, interview, endpoint, judge, grading, correction.", max_length=20
            ),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
