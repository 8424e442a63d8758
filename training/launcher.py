"""Starts an engine, yields what it says, always ends it. Knows nothing of the database.

An engine gets an allow-listed environment (no secret of ours unless named), a session of its own, the run's folder as its
working directory, and a tether that ends it when this process dies. Its log goes to `engine.log` in that folder.
"""

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TETHER = Path(__file__).with_name("tether.py")
PID_FILE = "engine.pid"
LOG_FILE = "engine.log"
SPEC_FILE = "spec.json"
LONGEST_LINE = 1_000_000  # bytes; an engine that says more in one line is broken
READ_BYTES = 65_536
GRACE_SECONDS = 20.0  # for a checkpoint
INTERRUPTED = 128 + signal.SIGTERM
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "LORA_WARM_SOCKET",
    "LORA_PROCESSES",
    "HF_HOME",
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
    "NO_PROXY",
)

Event = dict[str, Any]


def environment(engines: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What an engine may see of ours: the allow-list, where engines are found, and what the run needs (`extra`)."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(engines),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        **(extra or {}),
    }


class Engine:
    """One engine at work. Use as a context manager: whatever happens inside, the engine and its children end with it."""

    def __init__(
        self,
        module: str,
        folder: Path,
        *,
        engines: Path,
        extra: Mapping[str, str] | None = None,
        grace: float | None = None,
    ) -> None:
        """`module` is found under `engines`; `folder` holds `spec.json`; `grace`: seconds from SIGTERM to SIGKILL."""
        self.folder, self.grace = folder, GRACE_SECONDS if grace is None else grace
        self.command = [sys.executable, "-P", "-m", module, SPEC_FILE]
        self.environment = environment(engines, extra)
        self._asked_at: float | None = None

    def __enter__(self) -> Self:
        end_leftover(self.folder, self.grace)
        with (self.folder / LOG_FILE).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self.command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / PID_FILE).write_text(
            f"{self._process.pid} {_started(self._process.pid)}", encoding="ascii"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ask_to_leave()
        try:
            self._process.wait(max(0.0, self.grace - self._asked_for()))
        except subprocess.TimeoutExpired:
            self.kill()
        finally:
            self.kill()  # the leader may be gone and a child of its own still there
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            (self.folder / PID_FILE).unlink(missing_ok=True)

    @property
    def exit_code(self) -> int | None:
        """0 done, 1 after a `failed` event, 143 left on request with a checkpoint, negative: the signal that killed it."""
        return self._process.poll()

    def events(self, tick: float = 0.5) -> Iterator[Event | None]:
        """What the engine says, until it falls silent for good; None after each `tick` seconds without a word.

        A line that is no JSON object comes as an `unreadable` event. An engine that was asked to leave and is still there
        after its grace is killed.
        """
        assert self._process.stdout is not None
        pipe, rest = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                if self._asked_at is not None and self._asked_for() > self.grace:
                    self.kill()
                if not selector.select(tick):
                    yield None
                    continue
                piece = os.read(pipe, READ_BYTES)
                *lines, rest = (rest + piece).split(b"\n")
                yield from (_event(line) for line in lines if line.strip())
                if len(rest) > LONGEST_LINE:
                    yield {
                        "event": "unreadable",
                        "line": f"{len(rest)} bytes without a line's end",
                    }
                    rest = b""
                if not piece:
                    break
        if rest.strip():
            yield _event(rest)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.grace)

    def ask_to_leave(self) -> None:
        """SIGTERM: save a checkpoint and leave. Asking twice changes nothing."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            if self._process.poll() is None:
                self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to the engine and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _asked_for(self) -> float:
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at


def _event(line: bytes) -> Event:
    try:
        event = storable(json.loads(line))
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict) and isinstance(event.get("event"), str):
        return event
    return {"event": "unreadable", "line": storable(line[:200].decode("utf-8", "replace"))}


def storable(value: Any) -> Any:
    """JSON data that every database keeps: no U+0000, no lone surrogates, no NaN or infinity (which become None)."""
    if isinstance(value, str):
        return (
            value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
            .encode("utf-8", "replace")
            .decode()
        )
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def end_leftover(folder: Path, grace: float) -> bool:
    """End the engine that an earlier attempt left in this folder. True when there was one.

    The process is known by its id and its start time, so that a stranger with a reused id is left alone.
    """
    try:
        pid_text, started = (folder / PID_FILE).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return False
    pid = int(pid_text)
    if started != _started(pid):
        return False
    for number, patience in (
        (signal.SIGTERM, grace),
        (signal.SIGKILL, max(grace, GRACE_SECONDS)),
    ):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + patience
        while _started(pid) == started and time.monotonic() < deadline:
            time.sleep(0.05)
    return True


def _started(pid: int) -> str:
    """The start time of a living process in clock ticks since boot; "gone" for none (or a zombie), "unknown" where /proc is not."""
    if not Path("/proc/self/stat").exists():
        return "unknown"
    try:
        fields = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return "gone"
    return "gone" if fields[0] == "Z" else fields[19]
