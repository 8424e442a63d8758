"""What the checks say about a version, kept on the version. Big versions are measured by the files worker.

Nothing is measured inside a transaction: whoever else wants to write would wait for it. Until a version is measured nothing is
known of its privacy, and what needs to know (`privacy.cloud_refusal`) refuses.
"""

import logging
from functools import partial
from typing import Any

import django_rq
import msgspec
import redis.exceptions
import zstandard
from django.db import connection, transaction
from django.utils import timezone

from datasets import checks, formats
from datasets.checks.privacy import RULES_VERSION
from datasets.models import DatasetVersion, FindingJustification
from datasets.services import machine_rows, name_model, sources, token_sizes
from datasets.services.blocks import StoredRow
from datasets.services.reading import places, plain, stored_rows
from teams import queues

log = logging.getLogger(__name__)

INLINE_ROWS = 300
INLINE_BYTES = 200_000
"""What a request measures itself, after its transaction: a fraction of a second, whatever the rows say. More goes to the worker."""
MEASURED_ROWS = 10_000
"""Rows that the quality checks look at; of a bigger version an even sample. Privacy is always checked in every row."""
PRIVACY_BATCH = 2_000
KEPT_FINDINGS = 2_000
# of `FindingJustification`; an extra column's name may be longer
LONGEST_FIELD = 200
LONGEST_TEXT = 500

FindingKey = tuple[str, str, str]
"""(row id, field, text): what a justification of a single finding is about."""


def finding_key(row_id: str, field: str, text: str) -> FindingKey:
    """As it is stored."""
    return row_id, field[:LONGEST_FIELD], text[:LONGEST_TEXT]


class InsideTransaction(Exception):
    """Measuring was asked for while a transaction is open."""


def start(version: DatasetVersion) -> None:
    """Measure once the version is committed, or have the files worker do it where that would make a person wait."""
    # robust: the version is kept whatever the checks run into; its page offers to start them again.
    transaction.on_commit(partial(begin, version), robust=True)


def begin(version: DatasetVersion) -> None:
    """What `start` does, with no transaction open. The rules look at a small version at once, the name model in the worker."""
    small = is_small(version)
    if small:
        measure(version)
    if not small or name_model.is_here():
        _enqueue(version)


def is_small(version: DatasetVersion) -> bool:
    """Whether a request may measure it. The bytes are those of all that the rows hold, labels and other keys too."""
    if version.row_count > INLINE_ROWS:
        return False
    try:
        sizes = [
            zstandard.frame_content_size(bytes(place.block.rows)) for place in places(version)
        ]
    except zstandard.ZstdError:  # a block of before November 2026 says no size
        return False
    return sum(sizes) <= INLINE_BYTES


def _enqueue(version: DatasetVersion) -> None:
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "datasets.jobs.measure_version",
            version.pk,
            job_id=f"measure-{version.pk}",
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning(
            "version %s waits to be measured, the queue can't be reached: %s", version.pk, error
        )


def measure(version: DatasetVersion, *, with_model: bool = False) -> None:
    """Run all checks and write what they found. The rows stay what they are. Raises InsideTransaction.

    The name model takes seconds at least: `with_model` is for the worker.
    """
    if _in_transaction():
        raise InsideTransaction(f"{version} would be measured while others wait to write.")
    looked, named = _named(version, with_model)
    step = -(-version.row_count // MEASURED_ROWS)
    sample: list[formats.Row] = []
    counted: list[tuple[int, StoredRow]] = []
    findings = _Findings(version, named)
    classroom = 0
    by_machine = machine_rows.Counter(version.dataset.team)
    batch: list[formats.Row] = []
    ids: list[str] = []
    for position, stored in enumerate(stored_rows(version)):
        row = plain(stored)
        by_machine.look(row)
        row.line = (
            position + 1
        )  # the checks name rows by line; for a version that is the row's number
        if position % step == 0:
            sample.append(row)
            counted.append((position + 1, stored))
        classroom += sources.is_marked(row.labels)
        batch.append(row)
        ids.append(stored.id)
        if len(batch) == PRIVACY_BATCH:
            findings.look(batch, ids)
            batch = []
    findings.look(batch, ids)
    report = {
        "quality": checks.report(sample).quality,
        "privacy": findings.kept,
        "privacy_found": findings.count,
        "privacy_model": looked,
        "privacy_rules": RULES_VERSION,
        "sampled": len(sample) if step > 1 else 0,
        sources.COUNTED: classroom,
        machine_rows.REPORT_KEY: by_machine.count,
        "token_sizes": token_sizes.measure(counted, version.row_count),
    }
    version.report, version.measured_at = report, timezone.now()
    with (
        transaction.atomic()
    ):  # a finding judged between the count and its writing would be counted wrongly
        DatasetVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        version.open_privacy_findings = findings.open()
        version.save(update_fields=["report", "measured_at", "open_privacy_findings"])


def _named(version: DatasetVersion, with_model: bool) -> tuple[str, name_model.Findings]:
    """(whether the name model has looked, what it found): looked, waiting, absent, or failed."""
    if not name_model.is_here():
        return "absent", {}
    if not with_model:
        return "waiting", {}
    try:
        return "looked", name_model.look(version)
    except name_model.ModelAway:
        return "failed", {}


def _in_transaction() -> bool:
    """Inside one that holds back others; the one that Django's tests wrap around themselves is not meant."""
    blocks = connection.atomic_blocks
    return bool(blocks) and not getattr(blocks[-1], "_from_testcase", False)


class _Findings:
    """Findings as plain data, the first `KEPT_FINDINGS`; of the others only whether they are open."""

    def __init__(self, version: DatasetVersion, named: name_model.Findings) -> None:
        self.version, self.named = version, named
        self.kept: list[dict[str, Any]] = []
        self.count = 0
        self.open_beyond = 0
        self.said = self._said()

    def look(self, rows: list[formats.Row], ids: list[str]) -> None:
        """`rows` are the last of those that `ids` names; `index` counts from the first of all."""
        first = len(ids) - len(rows)
        more: name_model.Findings = {}
        for (place, field), found in self.named.items() if self.named else ():
            if first <= place < len(ids):
                more[place - first, field] = found
        for finding in checks.find_private(rows, more=more):
            index = first + finding.index
            self.count += 1 + finding.more
            if len(self.kept) < KEPT_FINDINGS:
                found = msgspec.to_builtins(finding)
                self.kept.append(
                    found
                    | {
                        "index": index,
                        "row_id": ids[index],
                        "field": finding.field[:LONGEST_FIELD],
                    }
                )
                self.open_beyond += finding.more
            else:
                key = finding_key(ids[index], finding.field, finding.text)
                self.open_beyond += finding.more + (key not in self.said)

    def open(self) -> int:
        """How many nobody has found harmless in this or an earlier version. What is not listed can't be justified singly."""
        said = self._said()
        keys = (
            finding_key(finding["row_id"], finding["field"], finding["text"])
            for finding in self.kept
        )
        return self.open_beyond + sum(key not in said for key in keys)

    def _said(self) -> set[FindingKey]:
        found = FindingJustification.objects.filter(dataset=self.version.dataset)
        return set(found.values_list("row_id", "field", "text"))
