"""What the supervisor knows of its services, for the web process: one private file, written by one and read by the other."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from courseplatform import private_files


@dataclass(frozen=True)
class Failing:
    """A service that keeps ending soon after its start.

    `since` and `next_try` in seconds since 1970; `next_try` is None while it is being tried. `code`: how it last ended,
    as Python tells it (negative: the signal that killed it; None: it could not be started).
    """

    name: str
    since: float
    next_try: float | None
    code: int | None

    @property
    def since_when(self) -> datetime:
        return datetime.fromtimestamp(self.since, UTC)

    @property
    def tried_next(self) -> datetime | None:
        return None if self.next_try is None else datetime.fromtimestamp(self.next_try, UTC)


def publish(path: Path, failing: list[Failing]) -> None:
    """Raises OSError where the disk is full; the file then says what it said before."""
    private_files.write(path, json.dumps([asdict(one) for one in failing]))


def read(path: str) -> list[Failing]:
    """Empty where all is well, and where no supervisor of ours runs this process (`path` is empty then)."""
    if not path:
        return []
    try:
        return [Failing(**one) for one in json.loads(Path(path).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []
