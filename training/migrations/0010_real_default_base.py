"""SmolLM2-135M-Instruct becomes the base that every course starts from; the tiny model stays for tests and old runs."""

from django.db import migrations, models

NAME = "smollm2-135m-instruct"
LABEL = "SmolLM2 135M Instruct (comes with the platform)"


def add(apps, schema_editor):
    base_model = apps.get_model("training", "BaseModel")
    base_model.objects.create(method="lora", name=NAME, label=LABEL, hosting="bundled", enabled=False)
    base_model.objects.filter(course=None, name="tiny-student").update(
        enabled=False, label="Tiny student (for tests, and for runs of earlier versions)"
    )


def remove(apps, schema_editor):
    base_model = apps.get_model("training", "BaseModel")
    base_model.objects.filter(course=None, name=NAME, runs=None).delete()
    base_model.objects.filter(course=None, name="tiny-student").update(
        enabled=True, label="Tiny student (comes with the platform)"
    )


class Migration(migrations.Migration):
    dependencies = [("training", "0009_imported_runs")]
    operations = [
        migrations.AddField(
            "basemodel",
            "trouble",
            models.CharField(
                blank=True,
                default="",
                help_text="Why it could not be installed, and what to do.",
                max_length=500,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "basemodel",
            "weights_sha256",
            models.CharField(blank=True, default="", help_text="Of the weights that lie here.", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(add, remove),
    ]
