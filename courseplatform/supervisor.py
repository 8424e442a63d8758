"""Runs the platform's processes on one machine as one group: started together, restarted alone, ended together.

Every child leads a session of its own and asks the kernel to be told when the supervisor dies, so that Ctrl-C, SIGTERM and
even kill -9 of the supervisor leave no process behind. Redis ends last: workers still write to it while they stop.

A service that keeps ending is marked as failing, where the queue page and the health check find it, and is tried again at
growing intervals; all others keep running. Only before the platform was ever ready does a failing web process or Redis end
it: then somebody waits at the terminal for an address that will not come. Afterwards runs and chats are under way, what
stops a service (a full disk, too little memory) may pass, and nothing is worth ending them for.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from courseplatform import service_state
from courseplatform.log_files import rotate
from courseplatform.private_files import PRIVATE_UMASK, make_folder
from courseplatform.service_state import Failing

PR_SET_PDEATHSIG = 1
STOP_STEPS = (
    (signal.SIGTERM, 8.0),
    (signal.SIGTERM, 4.0),
    (signal.SIGKILL, 2.0),
)  # RQ ends a running job at the second


@dataclass(frozen=True)
class Patience:
    """When a service is failing, and when it is tried again. All in seconds.

    `ends` within `window` make it failing, and `stable` of life end that. `waits`: before the next try, the longer the more
    often it ended before it had lived for `quick`; the last one counts from there on.
    """

    ends: int = 5
    window: float = 300.0
    quick: float = 10.0
    stable: float = 30.0
    waits: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)


@dataclass
class Service:
    """One process to keep alive. `last` services end after all others; without a `vital` one nothing can begin."""

    name: str
    command: list[str]
    env: dict[str, str]
    last: bool = False
    vital: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    not_before: float = 0.0
    quick_ends: int = 0  # in a row
    ends: list[float] = field(default_factory=list)  # when it ended lately
    code: int | None = None  # how it last ended
    failing_since: float | None = None  # seconds since 1970, as is `next_try`
    next_try: float | None = None


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Supervisor:
    """`say` prints a line for the person at the terminal; what the processes print goes to `logs`/<name>.log; `state` is the
    file that tells the web process which services are failing.

    `stopping` is set by a signal's handler, so it is no threading.Event: its lock may be held by the very code that the
    handler interrupts, which then waits for ever. `ready`: the platform once answered as a whole.
    """

    services: list[Service]
    logs: Path
    say: Callable[[str], object]
    state: Path
    patience: Patience = Patience()
    clock: Callable[[], float] = time.monotonic
    to_terminal: bool = (
        False  # what the processes print goes where this one's goes, for systemd and containers
    )
    drain: float = 0.0  # seconds that processes have to end what they do, beside `STOP_STEPS`
    stopping: bool = False
    ready: bool = False
    _published: list[Failing] | None = None

    def start(self, service: Service) -> None:
        """Raises OSError where the program cannot be started at all."""
        if self.to_terminal:
            self._open(service, None)
        else:
            make_folder(self.logs)
            with open(self.log_of(service.name), "ab", opener=_privately) as log:
                self._open(service, log)
        service.started_at = self.clock()

    def _open(self, service: Service, log: IO[bytes] | None) -> None:
        service.process = subprocess.Popen(
            service.command,
            env=service.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            start_new_session=True,
            umask=PRIVATE_UMASK,
            preexec_fn=_die_with_parent,
        )

    def request_stop(self, *_signal: object) -> None:
        """Let `watch` return; the handler of the signals that end the platform."""
        self.stopping = True

    def watch(self) -> bool:
        """Keep everything running until it is to stop. False when it cannot begin, because a vital service is failing."""
        while not self.stopping:
            self.look()
            hopeless = [
                service for service in self.services if service.vital and service.failing_since
            ]
            if hopeless and not self.ready:
                for service in hopeless:
                    self.say(f"{service.name} does not stay up.{self._last_words(service)}")
                return False
            time.sleep(0.3)
        return True

    def look(self) -> None:
        """One round: start what is to be started, note what ended or recovered, tell the web process."""
        for service in self.services:
            self._keep_alive(service)
            rotate(self.log_of(service.name))
        self._publish()

    def failing(self) -> list[Failing]:
        """What keeps crashing now, for the file and for the person at the terminal."""
        found = []
        for service in self.services:
            if service.failing_since is not None:
                next_try = service.next_try if service.process is None else None
                found.append(
                    Failing(service.name, service.failing_since, next_try, service.code)
                )
        return found

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _keep_alive(self, service: Service) -> None:
        now = self.clock()
        if service.process is None:
            if now >= service.not_before:
                self._try_to_start(service)
            return
        code = service.process.poll()
        if code is None:
            if (
                service.failing_since is not None
                and now - service.started_at >= self.patience.stable
            ):
                service.failing_since = None
                self.say(f"{service.name} has recovered.")
            return
        _kill_group(service.process, signal.SIGKILL)
        service.process = None
        self._note_the_end(service, code, lived=now - service.started_at)

    def _try_to_start(self, service: Service) -> None:
        try:
            self.start(service)
        except OSError as error:
            self.say(f"{service.name} cannot be started: {error}")
            service.process = None
            self._note_the_end(service, None, lived=0.0)

    def _note_the_end(self, service: Service, code: int | None, *, lived: float) -> None:
        now, patience = self.clock(), self.patience
        service.code = code
        service.ends = [moment for moment in service.ends if now - moment < patience.window] + [
            now
        ]
        service.quick_ends = service.quick_ends + 1 if lived < patience.quick else 1
        wait = patience.waits[min(service.quick_ends, len(patience.waits)) - 1]
        service.not_before, service.next_try = now + wait, round(time.time() + wait)
        where = f"Its log: {self.log_of(service.name)}"
        if service.failing_since is None and len(service.ends) >= patience.ends:
            service.failing_since = time.time()
            self.say(
                f"{service.name} keeps ending (last code {code}). Everything else keeps running. {where}"
            )
        elif service.failing_since is None:
            self.say(f"{service.name} ended with code {code}; starting it again. {where}")

    def _publish(self) -> None:
        """Only what changed. The next try comes with an end, so it changes no more often than that."""
        failing = self.failing()
        if failing == self._published:
            return
        try:
            service_state.publish(self.state, failing)
        except OSError as error:  # a full disk: what the file says is then older than the truth, until the next round
            if self._published is not None:
                self.say(f"{self.state} cannot be written: {error}")
            self._published = None
            return
        self._published = failing

    def _last_words(self, service: Service) -> str:
        try:
            lines = self.log_of(service.name).read_text(errors="replace").splitlines()[-15:]
        except OSError:
            lines = []
        return "\n  " + "\n  ".join(lines)

    def hurry(self) -> None:
        """While `stop` waits: a second SIGTERM now, at which a worker hands its job on."""
        for service in self.services:
            if service.process is not None and service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End every process and wait until all are gone."""
        for last in (False, True):
            alive = [
                service.process
                for service in self.services
                if service.last is last and service.process is not None
            ]
            for number, (sign, patience) in enumerate(STOP_STEPS):
                if number == 0:
                    patience += self.drain
                alive = _signal_and_wait(alive, sign, patience)
                if not alive:
                    break
        for service in self.services:
            if service.process is not None:
                _kill_group(service.process, signal.SIGKILL)
        self.state.unlink(missing_ok=True)


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
