"""Preference rows: how many there are from where, what of them can't be trained on, and how long both halves are."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from datasets import formats
from datasets.models import DatasetVersion
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows

SOURCE = "source"
"""The label that says where a pair is from; pairs without one of these were uploaded."""
VOTE = "blind vote"
BETTER = "better answer"
TAG = "tag"
UPLOADED = "uploaded"
WORDS = {VOTE: "from blind votes", BETTER: "from better answers", TAG: "from tags"}
UNUSABLE = frozenset({"prompts_differ", "same_answers", "missing_answer"})


@dataclass(frozen=True)
class PairsTold:
    """`sources`: (where from, how many), most first. `trouble`: the first pair that can't be trained on, in a sentence."""

    sources: tuple[tuple[str, int], ...]
    trouble: str

    @property
    def total(self) -> int:
        return sum(count for _, count in self.sources)

    @property
    def words(self) -> str:
        """22 from blind votes, 8 uploaded."""
        return ", ".join(f"{count:,} {source}" for source, count in self.sources)


def told(version: DatasetVersion) -> PairsTold:
    """Reads every row once; later asks are free."""
    return _told(version.content_hash, version)


@lru_cache(maxsize=256)
def _told(content_hash: str, version: DatasetVersion) -> PairsTold:
    counted: Counter[str] = Counter()
    trouble = ""
    for position, row in enumerate(stored_rows(version), start=1):
        counted[WORDS.get(row.labels.get(SOURCE, ""), UPLOADED)] += 1
        trouble = trouble or _trouble(row, position, version)
    return PairsTold(tuple(counted.most_common()), trouble)


def _trouble(row: StoredRow, position: int, version: DatasetVersion) -> str:
    if row.preferred_output is None or row.non_preferred_output is None:
        return f"Row {position} of {version} is no pair: it has one answer. Leave it out of the next version."
    for problem in formats.check_row(plain(row), formats.Limits()):
        if problem.code in UNUSABLE:
            return f"Row {position} of {version}: {problem.message} {problem.fix}"
    return ""


def halves(version: DatasetVersion, system: str = "") -> Iterator[StoredRow]:
    """Each pair as two conversations: with the preferred answer, then with the rejected one.

    `system` is put before conversations that have no system line.
    """
    for row in stored_rows(version):
        preferred, rejected = row.preferred_output or [], row.non_preferred_output or []
        prompt = row.messages[: len(row.messages) - len(preferred)]
        if system and (not prompt or prompt[0]["role"] != "system"):
            prompt = [{"role": "system", "content": system}, *prompt]
        for answer in (preferred, rejected):
            yield msgspec.structs.replace(row, messages=[*prompt, *answer])
