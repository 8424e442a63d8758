"""The stand-in for OpenAI is gone. Its models are known by name only, and what it was still working on has failed."""

from django.db import migrations, models
from django.utils import timezone

GONE = {
    "status": "failed",
    "lease": "",
    "lease_until": None,
    "error_code": "stand_in_gone",
    "error_message": "This run was a rehearsal at a stand-in for OpenAI, which this version no longer has.",
    "error_mend": "Start it again with changes: it then trains on this platform, or at the provider that is configured.",
}


def leave_behind(apps, schema_editor):
    base_models = apps.get_model("training", "BaseModel").objects.filter(rehearsal=True)
    base_models.update(hosting="elsewhere", enabled=False)
    runs = apps.get_model("training", "TrainingRun").objects.filter(rehearsal=True)
    runs.update(provider_files=[], missing=[], missing_next=None)
    active = runs.filter(status__in=["queued", "running", "waiting", "cancelling"])
    keys = [f"run-{pk}" for pk in active.values_list("pk", flat=True)]
    # Nothing was held for a rehearsal: its hold is of 0.
    apps.get_model("teams", "Hold").objects.filter(key__in=keys, state="open").update(state="released")
    active.update(finished_at=timezone.now(), **GONE)


class Migration(migrations.Migration):
    dependencies = [("training", "0020_jobs_without_a_file"), ("teams", "0024_archive_exports")]

    operations = [
        migrations.AlterField(
            "basemodel",
            "rehearsal",
            models.BooleanField(default=False, help_text="Of earlier versions: answered by a stand-in that is gone."),
        ),
        migrations.RunPython(leave_behind, migrations.RunPython.noop),
    ]
