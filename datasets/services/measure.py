"""What the checks say about a version, kept on the version. Big versions are measured by the quick worker."""

import logging
from typing import Any

import django_rq
import msgspec
import redis.exceptions
from django.db import transaction
from django.utils import timezone

from datasets import checks, formats
from datasets.models import DatasetVersion, FindingJustification
from datasets.services import token_sizes
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows

log = logging.getLogger(__name__)

INLINE_ROWS = 300
MEASURED_ROWS = 10_000
"""Rows that the quality checks look at; of a bigger version an even sample. Privacy is always checked in every row."""
PRIVACY_BATCH = 2_000
KEPT_FINDINGS = 2_000
LONGEST_FIELD, LONGEST_TEXT = 200, 500  # of `FindingJustification`; an extra column's name may be longer

FindingKey = tuple[str, str, str]
"""(row id, field, text): what a justification of a single finding is about."""


def finding_key(row_id: str, field: str, text: str) -> FindingKey:
    """As it is stored."""
    return row_id, field[:LONGEST_FIELD], text[:LONGEST_TEXT]


def start(version: DatasetVersion) -> None:
    """Measure now, or have the quick worker do it where that would make a person wait."""
    if version.row_count <= INLINE_ROWS:
        measure(version)
    else:
        transaction.on_commit(lambda: _enqueue(version))


def _enqueue(version: DatasetVersion) -> None:
    try:
        django_rq.get_queue("quick").enqueue(
            "datasets.jobs.measure_version", version.pk, job_id=f"measure-{version.pk}", result_ttl=0
        )
    except redis.exceptions.RedisError as error:
        log.warning("version %s waits to be measured, the queue can't be reached: %s", version.pk, error)


def measure(version: DatasetVersion) -> None:
    """Run all checks and write what they found. The rows stay what they are."""
    step = -(-version.row_count // MEASURED_ROWS)
    sample: list[formats.Row] = []
    counted: list[tuple[int, StoredRow]] = []
    findings: list[dict[str, Any]] = []
    batch: list[formats.Row] = []
    ids: list[str] = []
    for position, stored in enumerate(stored_rows(version)):
        row = plain(stored)
        row.line = position + 1  # the checks name rows by line; for a version that is the row's number
        if position % step == 0:
            sample.append(row)
            counted.append((position + 1, stored))
        batch.append(row)
        ids.append(stored.id)
        if len(batch) == PRIVACY_BATCH:
            findings += _private(batch, ids)
            batch = []
    findings += _private(batch, ids)
    report = {
        "quality": checks.report(sample).quality,
        "privacy": findings[:KEPT_FINDINGS],
        "sampled": len(sample) if step > 1 else 0,
        "token_sizes": token_sizes.measure(counted, version.row_count),
    }
    version.report, version.measured_at = report, timezone.now()
    with transaction.atomic():  # a finding judged between the count and its writing would be counted wrongly
        DatasetVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        version.open_privacy_findings = len(findings) - _justified(version, findings)
        version.save(update_fields=["report", "measured_at", "open_privacy_findings"])


def _private(rows: list[formats.Row], ids: list[str]) -> list[dict[str, Any]]:
    """Findings as plain data. `rows` are the last of those that `ids` names; `index` counts from the first of all."""
    first, found = len(ids) - len(rows), []
    for finding in checks.find_private(rows):
        index = first + finding.index
        found.append({**msgspec.to_builtins(finding), "index": index, "row_id": ids[index]})
    return found


def _justified(version: DatasetVersion, findings: list[dict[str, Any]]) -> int:
    """How many of the findings a person has found harmless in this or an earlier version."""
    said = FindingJustification.objects.filter(dataset=version.dataset).values_list("row_id", "field", "text")
    known = set(said)
    keys = (finding_key(finding["row_id"], finding["field"], finding["text"]) for finding in findings)
    return sum(key in known for key in keys)
