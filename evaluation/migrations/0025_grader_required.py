import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0024_fill_graders")]

    operations = [
        migrations.AlterField(
            model_name="grade",
            name="grader",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="grades", to="teams.membership"
            ),
        ),
    ]
