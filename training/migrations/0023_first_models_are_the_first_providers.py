"""The models that every course had from the start are those of the provider that the environment names."""

from django.db import migrations

SOURCE = "OpenAI's deprecations page, as read in November 2026"


def give(apps, schema_editor):
    first = apps.get_model("teams", "Provider").objects.get(from_environment=True)
    models = apps.get_model("training", "BaseModel").objects.filter(course=None, hosting="provider", provider=None)
    models.exclude(shutdown_on=None).update(shutdown_source=SOURCE)
    models.update(provider=first)


def take(apps, schema_editor):
    apps.get_model("training", "BaseModel").objects.filter(provider__from_environment=True).update(provider=None)


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0022_base_models_name_their_provider'),
    ]

    operations = [
        migrations.RunPython(give, take),
    ]
