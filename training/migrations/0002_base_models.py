"""The base models that every course offers from the start. Prices are rows of their own (`teams`)."""

import datetime

from django.db import migrations

SHUTDOWN = datetime.date(2027, 1, 14)
PROVIDER_MODELS = [
    ("gpt-4o-mini-2024-07-18", "GPT-4o mini"),
    ("gpt-4.1-mini-2025-04-14", "GPT-4.1 mini"),
    ("gpt-4.1-2025-04-14", "GPT-4.1"),
]


def rows():
    yield {"method": "lora", "name": "tiny-student", "label": "Tiny student (comes with the platform)", "hosting": "bundled"}
    for method in ("dspy", "openai"):
        for name, label in PROVIDER_MODELS:
            yield {
                "method": method, "name": name, "label": label, "hosting": "provider", "shutdown_on": SHUTDOWN,
            }
            yield {
                "method": method, "name": f"rehearsal-{name}", "label": f"{label} (rehearsal)", "hosting": "provider",
                "rehearsal": True,
            }


def add(apps, schema_editor):
    BaseModel = apps.get_model("training", "BaseModel")
    BaseModel.objects.bulk_create([BaseModel(**row) for row in rows()])


def remove(apps, schema_editor):
    apps.get_model("training", "BaseModel").objects.filter(course=None, runs=None).delete()


class Migration(migrations.Migration):
    dependencies = [("training", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
