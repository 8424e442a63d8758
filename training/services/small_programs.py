"""An engine's small programs, each of which does one thing for a row of ours: a base model tried, a merged model made.

The row has a status, a stage and a sign of life. Whoever runs the program writes them through `beat`; the clock looks for rows
that have been silent for `SILENT`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from training.launcher import Engine, Event

BEAT_SECONDS = 5.0
SILENT = timedelta(seconds=60)
MOST_ATTEMPTS = 3

Beat = Callable[[str | None], None]
"""Takes what is being done now, or None for a mere sign of life."""


@dataclass
class Said:
    """The program's last words: its `done` and `failed` events, and how it ended. `late`: it was stopped for its time."""

    done: Event | None = None
    failed: Event | None = None
    late: bool = False
    exit_code: int | None = None


def run(module: str, folder: Path, beat: Beat, *, longest: float = math.inf) -> Said:
    """Run a program on the `spec.json` in `folder`, for at most `longest` seconds."""
    said, began, beaten = Said(), time.monotonic(), 0.0
    with Engine(module, folder, engines=settings.ENGINES_ROOT) as engine:
        for event in engine.events():
            kind = event["event"] if event else ""
            if kind == "done":
                said.done = event
            elif kind == "failed":
                said.failed = event
            doing = str(event["doing"]) if event and kind == "progress" else None
            if doing is not None or time.monotonic() - beaten > BEAT_SECONDS:
                beaten = time.monotonic()
                beat(doing)
            if time.monotonic() - began > longest:
                engine.kill()
                said.late = True
        said.exit_code = engine.exit_code
    return said
