"""Where a dataset is from, and whether children's words in it may be used: asked for before a run or a provider sees them."""

import re
from collections.abc import Iterable, Mapping

from django.db import transaction

from datasets.models import Dataset, DatasetVersion, SourceRecord
from datasets.services.reading import stored_rows
from teams.models import User
from teams.services import audit

COUNTED = "classroom_rows"
_CLASSROOM = re.compile(r"\breal[\s_-]*class(?:room)?\b", re.IGNORECASE)
FIELDS = ("kind", "place", "people", "period", "consent")


def is_marked(labels: Mapping[str, object]) -> bool:
    """Whether a row's own label “source” says that it is from a real classroom."""
    return bool(_CLASSROOM.search(str(labels.get("source", ""))))


def count_marked(rows: Iterable[Mapping[str, object]]) -> int:
    """`rows`: the labels of each."""
    return sum(is_marked(labels) for labels in rows)


def classroom_rows(version: DatasetVersion) -> int:
    """How many rows say so themselves. Counted when the version is measured; here where it was measured before that."""
    counted = version.report.get(COUNTED)
    if isinstance(counted, int):
        return counted
    return count_marked(row.labels for row in stored_rows(version))


def refusal(version: DatasetVersion) -> str | None:
    """Why these rows may not be used yet, with what to do; None where they may."""
    record = SourceRecord.objects.filter(dataset=version.dataset_id).first()
    if record is not None and record.kind == SourceRecord.Kind.CLASSROOM:
        if not record.missing:
            return None
        return (
            f"{version} is from a real classroom, and its source record does not say {_listed(record.missing)}. "
            "Complete it on the dataset's page “Source and consent” first."
        )
    marked = classroom_rows(version)
    if not marked:
        return None
    return (
        f"{marked} row{'' if marked == 1 else 's'} of {version} say that they are from a real classroom. Before children's "
        "words are used, say on the dataset's page “Source and consent” where, when and whose they are, and which consent "
        "or IRB protocol allows it."
    )


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def record(*, dataset: Dataset, person: User, **said: str) -> SourceRecord:
    """Keep what `said` of `FIELDS` says. Every change is on record with what stood there before."""
    with transaction.atomic():
        Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
        found = SourceRecord.objects.filter(dataset=dataset).first()
        before = {name: getattr(found, name) for name in FIELDS} if found else None
        kept, _ = SourceRecord.objects.update_or_create(
            dataset=dataset, defaults={**said, "recorded_by": person}
        )
        audit.record(
            course=dataset.team.course,
            team=dataset.team,
            person=person,
            action="source recorded",
            what=str(dataset),
            before=before,
            after={name: getattr(kept, name) for name in FIELDS},
        )
    return kept
