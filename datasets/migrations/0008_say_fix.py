"""What a report and an import's problems say to do is called `fix`, and a rule that was applied `fixed_<code>`."""

from django.db import migrations, models

BATCH = 200


def renamed(found, before, after):
    """One problem as it is stored, with its key and its code in the other word."""
    code = str(found.get("code", ""))
    if code.startswith(f"{before[1]}_"):
        found["code"] = f"{after[1]}_{code.removeprefix(f'{before[1]}_')}"
    if before[0] in found:
        found[after[0]] = found.pop(before[0])
    return found


def rename(apps, before, after):
    versions = apps.get_model("datasets", "DatasetVersion").objects.exclude(measured_at=None)
    for version in versions.only("pk", "report").iterator(BATCH):
        findings = (version.report.get("quality") or {}).get("findings") or []
        if findings:
            for found in findings:
                renamed(found, before, after)
            version.save(update_fields=["report"])
    imports = apps.get_model("datasets", "Import").objects.exclude(problem_groups=[])
    for one in imports.only("pk", "problem_groups").iterator(BATCH):
        one.problem_groups = [renamed(group, before, after) for group in one.problem_groups]
        one.save(update_fields=["problem_groups"])


OLD, NEW = ("mend", "mended"), ("fix", "fixed")


def forwards(apps, schema_editor):
    rename(apps, OLD, NEW)


def backwards(apps, schema_editor):
    rename(apps, NEW, OLD)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0007_import_fixes")]

    operations = [
        migrations.RenameField("import", "mends", "rule_fixes"),
        migrations.AlterField(
            "import",
            "problem_groups",
            models.JSONField(
                default=list, help_text="[{code, severity, message, fix, fixable, count}], worst first."
            ),
        ),
        migrations.RunPython(forwards, backwards, elidable=True),
    ]
