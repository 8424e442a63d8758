"""A later version's migration, as hard on a running platform as one can be: the table of runs is made anew, and held.

`CHAOS_HOLD`: a file that is made when the table is locked, and seconds for which it stays so.
"""

import os
import time
from pathlib import Path
from typing import Any

from django.db import migrations, models

HERE = Path(__file__).resolve().parents[4]


def _newest(app: str) -> tuple[str, str]:
    return app, max(path.stem for path in (HERE / app / "migrations").glob("0*.py"))


def rebuild(apps: Any, schema_editor: Any) -> None:
    run = apps.get_model("training", "TrainingRun")
    old = run._meta.get_field("name")
    wider = models.CharField(max_length=old.max_length + 1, blank=old.blank)
    wider.set_attributes_from_name("name")
    wider.model = run
    schema_editor.alter_field(run, old, wider, strict=False)
    schema_editor.alter_field(run, wider, old, strict=False)
    marker, seconds = os.environ["CHAOS_HOLD"].split(":")
    Path(marker).touch()
    time.sleep(float(seconds))


class Migration(migrations.Migration):
    dependencies = [_newest("training"), _newest("evaluation")]
    operations = [migrations.RunPython(rebuild, migrations.RunPython.noop)]
