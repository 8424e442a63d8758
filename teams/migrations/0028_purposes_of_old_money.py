"""What holds and charges from before there were purposes are for: read out of their keys, for the last time."""

from uuid import UUID

from django.db import migrations
from django.db.models import CharField
from django.db.models.functions import Cast

AT_ONCE = 500
OF_ROWS = {"run", "turn", "interview", "judge", "endpoint"}


def tie_corrections(apps, schema_editor):
    """A correction named the entry that it corrects by its number, as text."""
    Entry = apps.get_model("teams", "LedgerEntry")
    for entry in Entry.objects.filter(subject_kind="correction", corrects=None).order_by("pk"):
        if not entry.subject_id.isdecimal():
            continue
        corrected = Entry.objects.filter(pk=int(entry.subject_id), account=entry.account_id).first()
        if corrected is not None and not Entry.objects.filter(corrects=corrected).exists():
            Entry.objects.filter(pk=entry.pk).update(corrects=corrected, subject_id=corrected.subject_id)


def name_corrected(apps, schema_editor):
    """The way back: a correction names its entry by number again, so that coming forward finds it."""
    corrections = apps.get_model("teams", "LedgerEntry").objects.filter(corrects__isnull=False)
    corrections.update(subject_id=Cast("corrects_id", CharField()))


def name_purposes(apps, schema_editor):
    """A hold and its charge named what they are for in their common key: `run-<number of the row>`, `turn-<its public name>`,
    with more behind that where a part was carved out. A charge has the public name in `subject_id` too, also of what was
    deleted since."""
    Hold, Entry = apps.get_model("teams", "Hold"), apps.get_model("teams", "LedgerEntry")
    runs = dict(apps.get_model("training", "TrainingRun").objects.values_list("pk", "key"))
    entries = Entry.objects.filter(purpose=None, corrects=None).exclude(subject_kind="correction")
    names = dict(entries.values_list("key", "subject_id"))
    for model, rows in ((Entry, entries), (Hold, Hold.objects.filter(purpose=None))):
        found = rows.order_by("pk").values_list("pk", "key", "account__team_id")
        wanted = [(pk, team, _what(key, names.get(key, ""), runs)) for pk, key, team in found.iterator(2_000)]
        _write(apps, model, [(pk, team, what) for pk, team, what in wanted if what is not None])
    corrections = Entry.objects.filter(corrects__purpose__isnull=False, purpose=None)
    for entry in corrections.select_related("corrects"):
        Entry.objects.filter(pk=entry.pk).update(purpose=entry.corrects.purpose_id)


def _what(key, subject_id, runs):
    """(kind, public key), None where the key says neither."""
    kind, _, rest = key.partition("-")
    if kind not in OF_ROWS:
        return None
    name = _uuid(subject_id) or _uuid(rest[:36])
    number = rest.partition("-")[0]
    if name is None and kind == "run" and number.isdecimal():
        name = runs.get(int(number))
    return None if name is None else (kind, name)


def _uuid(text):
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _write(apps, model, wanted):
    Purpose = apps.get_model("teams", "Purpose")
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        made = {what: Purpose(team_id=team, kind=what[0], key=what[1]) for _, team, what in some}
        Purpose.objects.bulk_create(made.values(), ignore_conflicts=True)
        there = Purpose.objects.filter(key__in=[key for _, key in made])
        by_what = {(one.kind, one.key): one.pk for one in there}
        rows = [model(pk=pk, purpose_id=by_what[what]) for pk, _, what in some]
        model.objects.bulk_update(rows, ["purpose"])


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0027_money_names_its_purpose'),
        ('training', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(tie_corrections, name_corrected, elidable=True),
        migrations.RunPython(name_purposes, migrations.RunPython.noop, elidable=True),
    ]
