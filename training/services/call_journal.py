"""What a DSPy run's meter wrote down of each call, while it was made: the truth about what a provider was paid. Amounts in it
are millionths of a micro-dollar.

The run's row hears of it once a second, so it lags behind where a host died; the journal does not.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from teams.services.prices import PER_MILLION
from training.models import TrainingRun
from training.services import run_storage


@dataclass(frozen=True)
class LostCalls:
    """Calls that may have been billed though no answer came. `most`: micro-dollars that they can have cost together."""

    calls: int
    most: int


@dataclass(frozen=True)
class PaidCalls:
    """Tokens of the answered calls; `input_tokens` with the cached ones. `lost`: None where no call is in doubt.

    `others`: of these, the calls of other models than the run's own, by name: [input, cached input, output].
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    lost: LostCalls | None = None
    others: dict[str, list[int]] = field(default_factory=dict)


def paid_calls(run: TrainingRun) -> PaidCalls:
    """Of all attempts of a DSPy run: what its row heard of, or what the journal says beyond that."""
    tokens, reserved, lost = [0, 0, 0], dict[int, int](), dict[int, int]()
    others: dict[str, list[int]] = {}
    for entry in _entries(run):
        if "most" in entry:
            reserved[entry["call"]] = entry["most"]
        elif entry["call"] in reserved:
            most = reserved.pop(entry["call"])
            if entry.get("unreported"):
                lost[entry["call"]] = most
            for place, count in enumerate(entry.get("tokens", ())):
                tokens[place] += count
                if model := entry.get("model"):
                    others.setdefault(str(model), [0, 0, 0])[place] += count
    lost |= reserved
    most = -(-sum(lost.values()) // PER_MILLION)
    return PaidCalls(
        max(tokens[0], run.input_tokens),
        max(tokens[1], run.cached_input_tokens),
        max(tokens[2], run.output_tokens),
        LostCalls(len(lost), most) if lost else None,
        others,
    )


def _entries(run: TrainingRun) -> Iterator[dict[str, Any]]:
    journal = run_storage.journal(run)
    if not journal.is_file():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # cut short by a kill: its call stays reserved
