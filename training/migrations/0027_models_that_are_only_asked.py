import teams.methods
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0026_error_fix'),
    ]

    operations = [
        migrations.AlterField(
            model_name='basemodel',
            name='method',
            field=models.CharField(blank=True, choices=teams.methods.choices, help_text='Empty: of a provider, and only asked, to judge or to draft.', max_length=10),
        ),
    ]
