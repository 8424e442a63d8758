"""Which rows are kept back to measure with: decided once per version, by row id, and kept through later versions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import checks, formats
from datasets.models import DatasetVersion, FrozenSplit
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows

LARGEST_FRACTION = 0.5
USUAL_FRACTION = 0.2
USUAL_SEED = 17
"""What a run keeps back unless told otherwise: every page that speaks of a split begins with these."""
MOST_COMPARED = 3_000
"""Rows up to which the page looks for doubles across the two sides."""


def split(
    version: DatasetVersion, fraction: float = USUAL_FRACTION, seed: int = USUAL_SEED
) -> tuple[list[str], list[str]]:
    """(train ids, validation ids) in the order of the rows. Raises ValueError for a fraction outside 0 to 0.5.

    The first call decides and freezes. Rows that the parent version split the same way stay on their side, so that a
    row once measured with is never trained on in a later version; only new rows are dealt out.
    """
    if not 0 <= fraction <= LARGEST_FRACTION:
        raise ValueError(
            f"The share to measure with must be between 0 and {LARGEST_FRACTION}; {fraction} is not."
        )
    frozen = FrozenSplit.objects.filter(version=version, fraction=fraction, seed=seed).first()
    if frozen is None:
        chosen = _choose(version, fraction, seed) if fraction else []
        frozen = FrozenSplit.objects.get_or_create(
            version=version, fraction=fraction, seed=seed, defaults={"validation_ids": chosen}
        )[0]
    validation = set(frozen.validation_ids)
    ids = [row.id for row in stored_rows(version)]
    return [i for i in ids if i not in validation], [i for i in ids if i in validation]


def planned(version: DatasetVersion, fraction: float, seed: int) -> set[str]:
    """The ids that `split` keeps back or would keep back; decides and freezes nothing."""
    frozen = FrozenSplit.objects.filter(version=version, fraction=fraction, seed=seed).first()
    return set(
        frozen.validation_ids if frozen else _choose(version, fraction, seed) if fraction else []
    )


def _choose(version: DatasetVersion, fraction: float, seed: int) -> list[str]:
    rows = list(stored_rows(version))
    before = _sides_of_parent(version, fraction, seed)
    new = [row for row in rows if row.id not in before]
    dealt = _deal(new, fraction, seed)
    chosen = {row.id for row in rows if before.get(row.id)} | dealt
    return [row.id for row in rows if row.id in chosen]


def _deal(rows: Sequence[StoredRow], fraction: float, seed: int) -> set[str]:
    if not rows:
        return set()
    return {
        rows[index].id
        for index in checks.split([plain(row) for row in rows], fraction, seed).validation
    }


def _sides_of_parent(version: DatasetVersion, fraction: float, seed: int) -> dict[str, bool]:
    """Row id -> whether the nearest version before that was split like this measures with it."""
    ancestor = version.parent
    while ancestor is not None:
        frozen = FrozenSplit.objects.filter(
            version=ancestor, fraction=fraction, seed=seed
        ).first()
        if frozen is not None:
            validation = set(frozen.validation_ids)
            return {row.id: row.id in validation for row in stored_rows(ancestor)}
        ancestor = ancestor.parent
    return {}


@dataclass(frozen=True)
class SplitTold:
    """A frozen split as its page shows it. `leaks` is None where the version is too big to compare all rows here."""

    train: int
    validation: list[tuple[int, StoredRow]]
    subjects: list[tuple[str, int, int]]
    leaks: list[dict[str, Any]] | None


def described(frozen: FrozenSplit) -> SplitTold:
    """Sizes, subjects on both sides, the rows kept back with their places, and doubles across the two sides."""
    ids = set(frozen.validation_ids)
    train: list[formats.Row] = []
    kept_back: list[tuple[int, StoredRow]] = []
    for position, row in enumerate(stored_rows(frozen.version)):
        if row.id in ids:
            kept_back.append((position, row))
        else:
            train.append(_numbered(position, row))
    measured = [_numbered(position, row) for position, row in kept_back]
    comparable = len(train) + len(measured) <= MOST_COMPARED
    leaks = checks.leakage(train, measured) if comparable else None
    return SplitTold(len(train), kept_back, _subjects(train, measured), leaks)


def _numbered(position: int, row: StoredRow) -> formats.Row:
    bare = plain(row)
    bare.line = position + 1
    return bare


def _subjects(
    train: Sequence[formats.Row], validation: Sequence[formats.Row]
) -> list[tuple[str, int, int]]:
    counts = [
        Counter(row.labels.get("subject", "no label") for row in side)
        for side in (train, validation)
    ]
    return [(name, counts[0][name], counts[1][name]) for name in sorted(counts[0] | counts[1])]
