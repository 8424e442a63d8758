"""Rows that a model wrote: how they are marked, and how many of a version's rows they are.

The mark is a row's label `source`, so that it goes with the row into every export and comes back with every upload. It stays on
when the row is edited. Beside it the team keeps a digest of each exchange that it accepted from a model: taking the label away
outside and uploading the rows again hides nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models.fields.json import KT

from datasets import formats
from datasets.models import DatasetVersion, MachineText
from datasets.services.blocks import StoredRow
from teams.models import Team

LABEL = "source"
WRITTEN = "machine-written"
EDITED = "machine-written, then edited"
SAID_BY_TEAMS = frozenset(
    {"ai", "chatgpt", "claude", "generated", "gemini", "gpt", "llm", "machine", "synthetic"}
)
"""Other words for the same in the label of an uploaded row."""
REPORT_KEY = "machine_rows"
FEW_PERCENT = 10
SOME_PERCENT = 30
HALF_PERCENT = 60
ALL_PERCENT = 95


def is_marked(labels: dict[str, str]) -> bool:
    """Whether the label says that a model wrote the row."""
    said = labels.get(LABEL, "").strip().lower()
    first = said.split(",")[0].split("-")[0].split(" ")[0]
    return said.startswith(WRITTEN) or first in SAID_BY_TEAMS


def carried(before: formats.Row, after: formats.Row) -> formats.Row:
    """`after` as an edit of `before`: the mark stays, and says so where the student's words were changed."""
    if before.labels.get(LABEL, "").startswith(WRITTEN):
        edited = before.student_text() != after.student_text()
        kept = EDITED if edited else before.labels[LABEL]
        after.labels = {**after.labels, LABEL: kept}
    return after


def digest_of(row: formats.Row) -> str:
    """Of what is said in the row; capitals, spaces and punctuation at the ends of words do not count."""
    said = [
        message["content"]
        for message in row.messages
        if message["role"] in ("user", "assistant")
    ]
    letters = "".join(one if one.isalnum() else " " for one in "\n".join(said).lower())
    return hashlib.sha256(" ".join(letters.split()).encode()).hexdigest()


def remember(team: Team, row: formats.Row) -> None:
    """The team has accepted this row from a model."""
    MachineText.objects.get_or_create(team=team, digest=digest_of(row))


def forget(team: Team, digests: Iterable[str]) -> None:
    """Their rows are erased."""
    MachineText.objects.filter(team=team, digest__in=set(digests)).delete()


class Counter:
    """Counts a version's machine-written rows as they pass by."""

    def __init__(self, team: Team) -> None:
        self.known = set(MachineText.objects.filter(team=team).values_list("digest", flat=True))
        self.count = 0

    def look(self, row: StoredRow | formats.Row) -> None:
        known = bool(self.known) and digest_of(row) in self.known
        self.count += known or is_marked(row.labels)


@dataclass(frozen=True)
class Share:
    """How many of `rows` a model wrote."""

    rows: int
    machine: int

    @property
    def percent(self) -> int:
        """Never 0 where there is one, never 100 where one is missing."""
        if not self.machine:
            return 0
        whole = round(100 * self.machine / self.rows)
        return max(1, whole if self.machine == self.rows else min(99, whole))

    @property
    def words(self) -> str:
        """For a reader who must not recognise the team by a figure."""
        if not self.machine:
            return "none"
        steps = [
            (FEW_PERCENT, "a few"),
            (SOME_PERCENT, "some, fewer than a third"),
            (HALF_PERCENT, "about half"),
            (ALL_PERCENT, "most"),
        ]
        return next(
            (words for limit, words in steps if self.percent < limit), "all or nearly all"
        )


def share_of(version_id: int) -> Share | None:
    """As it was counted when the version was measured; None before that. Reads two numbers, not the whole report."""
    shares = shares_of([version_id])
    return shares.get(version_id)


def shares_of(version_ids: Iterable[int]) -> dict[int, Share]:
    """The same of several versions, in one query."""
    found = DatasetVersion.objects.filter(pk__in=list(version_ids), measured_at__isnull=False)
    counted = found.annotate(machine=KT(f"report__{REPORT_KEY}"))
    rows = counted.values_list("pk", "row_count", "machine")
    return {pk: Share(count, int(machine or 0)) for pk, count, machine in rows}
