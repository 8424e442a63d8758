"""The training rows that are nearest to an answer: where it may have come from."""

from collections.abc import Iterator
from dataclasses import dataclass

from datasets.services import reading
from datasets.services.blocks import StoredRow
from evaluation.models import Turn
from evaluation.nearness import nearest


@dataclass(frozen=True)
class Source:
    """A training row. `similarity` 0 to 1; `said`: (role, text), the teacher as `user`."""

    position: int
    similarity: float
    said: list[tuple[str, str]]


def nearest_rows(turn: Turn) -> list[Source]:
    """Of the version that the bot was trained on, by what the student says there; nearest first, perhaps none."""
    version = turn.conversation.run.dataset_version

    def student_texts() -> Iterator[str]:
        for row in reading.stored_rows(version):
            yield "\n".join(row.student_text())

    found = []
    for near in nearest(turn.answer, student_texts):
        row = reading.row_at(version, near.position)
        if row is not None:
            found.append(Source(near.position, near.similarity, _said(row)))
    return found


def _said(row: StoredRow) -> list[tuple[str, str]]:
    return [
        (said["role"], said["content"])
        for said in row.messages
        if said["role"] in ("user", "assistant")
    ]
