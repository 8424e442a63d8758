from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Subquery


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Until now every grade is of a grading; whose that is, the grade says itself from here on."""
    grade: Any = apps.get_model("evaluation", "Grade")
    grading: Any = apps.get_model("evaluation", "Grading")
    of_its_grading = grading.objects.filter(pk=OuterRef("grading_id")).values("grader_id")[:1]
    grade.objects.filter(grader=None).update(grader_id=Subquery(of_its_grading))


class Migration(migrations.Migration):
    """On its own: PostgreSQL alters no table in the transaction that has just filled it."""

    dependencies = [("evaluation", "0023_graders_of_grades")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
