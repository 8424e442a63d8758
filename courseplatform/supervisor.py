"""Runs the platform's processes on one machine as one group: started together, restarted alone, ended together.

Every child leads a session of its own and asks the kernel to be told when the supervisor dies, so that Ctrl-C, SIGTERM and
even kill -9 of the supervisor leave no process behind. Redis ends last: workers still write to it while they stop.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
TRIES_IN_A_ROW = 5
STABLE_SECONDS = 10.0
STOP_STEPS = (
    (signal.SIGTERM, 8.0),
    (signal.SIGTERM, 4.0),
    (signal.SIGKILL, 2.0),
)  # RQ ends a running job at the second


@dataclass
class Service:
    """One process to keep alive. `last` services end after all others."""

    name: str
    command: list[str]
    env: dict[str, str]
    last: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Supervisor:
    """`say` prints a line for the person at the terminal; what the processes print goes to `logs`/<name>.log.

    `stopping` is set by a signal's handler, so it is no threading.Event: its lock may be held by the very code that the
    handler interrupts, which then waits for ever.
    """

    services: list[Service]
    logs: Path
    say: Callable[[str], None]
    stopping: bool = False

    def start(self, service: Service) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{service.name}.log").open("ab") as log:
            service.process = subprocess.Popen(
                service.command,
                env=service.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        service.started_at = time.monotonic()

    def request_stop(self, *_signal: object) -> None:
        """Let `watch` return; the handler of the signals that end the platform."""
        self.stopping = True

    def watch(self) -> bool:
        """Keep everything running until it is to stop. False when one process would not stay up."""
        while not self.stopping:
            for service in self.services:
                if not self._keep_alive(service):
                    return False
            time.sleep(0.3)
        return True

    def _keep_alive(self, service: Service) -> bool:
        now = time.monotonic()
        if service.process is None:
            if now >= service.not_before:
                self.start(service)
            return True
        code = service.process.poll()
        if code is None:
            return True
        _kill_group(service.process, signal.SIGKILL)
        service.process = None
        service.failures = service.failures + 1 if now - service.started_at < STABLE_SECONDS else 1
        if service.failures > TRIES_IN_A_ROW:
            self.say(
                f"{service.name} ended {service.failures} times in a row (last code {code}).{self._last_words(service)}"
            )
            return False
        service.not_before = now + min(0.5 * 2 ** (service.failures - 1), 8.0)
        self.say(f"{service.name} ended with code {code}; starting it again. Its log: {self.logs / service.name}.log")
        return True

    def _last_words(self, service: Service) -> str:
        lines = (self.logs / f"{service.name}.log").read_text(errors="replace").splitlines()[-15:]
        return "\n  " + "\n  ".join(lines)

    def stop(self) -> None:
        """End every process and wait until all are gone."""
        for last in (False, True):
            alive = [
                service.process for service in self.services if service.last is last and service.process is not None
            ]
            for sign, patience in STOP_STEPS:
                alive = _signal_and_wait(alive, sign, patience)
                if not alive:
                    break
        for service in self.services:
            if service.process is not None:
                _kill_group(service.process, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    try:
        os.killpg(process.pid, sign)
    except (ProcessLookupError, PermissionError):
        return


def _signal_and_wait(
    processes: list[subprocess.Popen[bytes]], sign: signal.Signals, patience: float
) -> list[subprocess.Popen[bytes]]:
    """Those that are still alive after `patience` seconds."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(sign) if sign != signal.SIGKILL else _kill_group(process, sign)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(0.05)
    return [process for process in processes if process.poll() is None]
