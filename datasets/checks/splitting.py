"""The train/validation split: stratified by subject, seeded, and with everything alike on one side."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from datasets.checks.coverage import suggest_labels
from datasets.checks.duplicates import Groups, near_duplicates, question_key
from datasets.formats import Row, fingerprint


class Split(msgspec.Struct, frozen=True):
    """Indexes into the rows, ascending; together all of them, none in both."""

    train: list[int]
    validation: list[int]
    reason: str = ""
    """Why there is no validation side, where there is none."""


def split(rows: Sequence[Row], fraction: float, seed: int) -> Split:
    """About `fraction` (0 to 0.5) of each subject's rows to validation, the same for the same rows and seed in any
    order.

    Near-duplicates and rows with the same first question stay on one side, so that a row's double can't answer for
    it. Raises
    `ValueError` for a fraction outside 0 to 0.5.
    """
    if not 0 <= fraction <= 0.5:
        raise ValueError(f"The share for validation must lie between 0 and 0.5, not {fraction}.")
    if fraction == 0 or len(rows) < 2:
        return Split(
            list(range(len(rows))),
            [],
            "No rows were asked for." if fraction == 0 else "There are too few rows.",
        )
    groups = _groups(rows)
    if len(groups) < 2:
        return Split(
            list(range(len(rows))),
            [],
            "All rows are alike, so none can test what was learnt from the others.",
        )
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups:
        strata[_subject(rows[group[0]])].append(group)
    validation = _chosen(rows, strata, fraction, seed)
    if not validation:
        smallest: list[int] = min(
            groups, key=lambda group: (len(group), _order(rows, group, seed))
        )
        validation = set(smallest)
    return Split([i for i in range(len(rows)) if i not in validation], sorted(validation))


def _groups(rows: Sequence[Row]) -> list[list[int]]:
    together = Groups(len(rows))
    for group in near_duplicates(rows, threshold=0.7):
        for index in group[1:]:
            together.join(group[0], index)
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        question = question_key(row)
        if question:
            together.join(index, first.setdefault(question, index))
    return together.members()


def _subject(row: Row) -> str:
    return row.labels.get("subject") or suggest_labels(row).get("subject", "")


def _order(rows: Sequence[Row], group: list[int], seed: int) -> str:
    """A group's place in the seeded order: by what its rows say, so that other rows coming or going do not move it."""
    smallest = min(fingerprint(rows[index]) for index in group)
    return hashlib.sha256(f"{seed}:{smallest}".encode()).hexdigest()


def _chosen(
    rows: Sequence[Row], strata: dict[str, list[list[int]]], fraction: float, seed: int
) -> set[int]:
    chosen: set[int] = set()
    owed = 0.0
    for name in sorted(strata):
        groups = sorted(strata[name], key=lambda group: _order(rows, group, seed))
        owed += fraction * sum(len(group) for group in groups)
        for group in groups:
            if len(group) <= owed + 0.5 and len(chosen) + len(group) < len(rows):
                chosen.update(group)
                owed -= len(group)
            if owed < 0.5:
                break
    return chosen
