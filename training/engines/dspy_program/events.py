"""The engine's voice: one JSON object a line on the real stdout; all other output goes to stderr."""

import json
import os
import sys
import threading
import time
from typing import Any

from dspy_program.failure import EngineFailure


class Events:
    """Writes events. Takes stdout for itself: whatever libraries print from then on lands in the log (stderr).

    `calls` events come at most once a second, and once more by `flush_calls`.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.RLock()
        self._last_calls = float("-inf")

    def send(self, event: str, **values: Any) -> None:
        """Write one event."""
        line = json.dumps({"event": event, **values}, ensure_ascii=False, allow_nan=False) + "\n"
        with self._lock:
            os.write(self._out, line.encode("utf-8", "replace"))

    def note(self, message: str) -> None:
        """Say something in plain words."""
        self.send("note", message=message)

    def failed(self, failure: EngineFailure) -> None:
        """Say why the run ends."""
        self.send("failed", code=failure.code, message=failure.message, fix=failure.fix)

    def calls(self, *, now: bool = False, **values: Any) -> None:
        """Write a `calls` event unless one was written within the last second; `now` writes it in any case."""
        with self._lock:
            if now or time.monotonic() - self._last_calls >= 1.0:
                self._last_calls = time.monotonic()
                self.send("calls", **values)
