from django.db import migrations, models


def let_the_environments_draft(apps, schema_editor):
    """It could be asked for everything until now, and what is drafted there is priced and held like the rest."""
    apps.get_model("teams", "Provider").objects.filter(from_environment=True).update(for_drafting=True)


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0028_purposes_of_old_money'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='for_drafting',
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(let_the_environments_draft, migrations.RunPython.noop),
    ]
