from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("training", "0025_methods_are_registered")]

    operations = [migrations.RenameField("trainingrun", "error_mend", "error_fix")]
