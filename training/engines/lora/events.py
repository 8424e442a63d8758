"""What the engine says to its launcher: one JSON object a line on the stdout it was started with."""

import json
import os
import signal
import sys
from types import FrameType
from typing import TextIO

INTERRUPTED = 143  # exit status: left with a checkpoint


class EngineError(Exception):
    """A failure a person can fix. `code` is stable, `message` says where and why, `fix` says what to try."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix


class Interrupted(Exception):
    """The launcher asked us to leave, or is gone: save what is needed to go on, then exit 143."""


class PeerLost(Exception):
    """Another process of this run ended. It, or the face of the run, says why; this one just ends too."""


class PeerFailed(Exception):
    """Another process of this run has said why it can't go on."""


class Events:
    """Owns the real stdout. Anything a library prints goes to stderr, so that it can't break a line of ours."""

    def __init__(self, only_failures: bool = False) -> None:
        """`only_failures`: say nothing else, because another process of the run does."""
        self.only_failures = only_failures
        sys.stdout.flush()
        self._channel: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)

    def emit(self, event: str, **fields: object) -> None:
        """Write one event. Raises Interrupted when nobody reads any more; an engine must not outlive its launcher."""
        if self.only_failures and event != "failed":
            return
        line = json.dumps({"event": event, **fields}, ensure_ascii=False, allow_nan=False)
        try:
            self._channel.write(line + "\n")
        except BrokenPipeError as gone:
            raise Interrupted("the launcher has closed our stdout") from gone

    def progress(self, percent: int, doing: str) -> None:
        """How far a program is that has no steps."""
        self.emit("progress", percent=percent, doing=doing)

    def failed(self, error: EngineError) -> None:
        """Say that the run can't go on, and why."""
        self.emit("failed", code=error.code, message=error.message, fix=error.fix)


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag, so that a step in flight is always finished before we leave."""

    def __init__(self) -> None:
        self.requested = False
        signal.signal(signal.SIGTERM, self._request)
        signal.signal(signal.SIGINT, self._request)

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True

    def check(self) -> None:
        """Raise Interrupted when we were asked to leave. Called wherever leaving costs nothing."""
        if self.requested:
            raise Interrupted("asked to stop")
