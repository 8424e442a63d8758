"""`manage.py start --only …`: one host of several. Database and Redis are elsewhere, and so is who migrates."""

import fcntl
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from courseplatform import machine
from courseplatform.operations import readiness
from courseplatform.supervisor import Supervisor

LEAVE_SECONDS = 35.0  # beside DRAIN_SECONDS: a checkpoint, and the rows that say so


class HostStart:
    """Runs the named parts until SIGTERM or Ctrl-C, then lets them end what they do. `say` prints a line."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say

    def run(self, options: dict[str, Any]) -> None:
        """Raises CommandError where the host is not ready for its part; nothing was started then."""
        parts = set(options["only"])
        if options["demo"] or options["story"] or options["demo_archives"]:
            raise CommandError(
                "--demo runs the whole platform on one machine: leave --only away."
            )
        self._check(parts)
        locks = [self._only_one(part) for part in sorted(parts)]
        ports = machine.Ports(options["port"], 0, machine.MODELS_PORT, machine.PROGRAMS_PORT)
        env = machine.environment_of_a_host(options["label"])
        services = machine.services_of(parts, ports, env, bind=options["bind"])
        drain = float(env["DRAIN_SECONDS"]) + LEAVE_SECONDS
        supervisor = Supervisor(
            services,
            machine.logs(),
            self.say,
            machine.service_state(),
            to_terminal=True,
            drain=drain,
        )
        supervisor.ready = (
            True  # a part that keeps ending is tried again: others of it may be elsewhere
        )
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, supervisor.request_stop)
        self.say(
            f"Version {settings.VERSION}; starting {', '.join(one.name for one in services)}."
        )
        try:
            supervisor.watch()
        finally:
            self._end(supervisor, locks)

    def _check(self, parts: set[str]) -> None:
        missing = machine.missing_of_a_host()
        if missing:
            raise CommandError(
                f"{', '.join(missing)} must be set, in the environment or in .env, and the same on every host. "
                "`.env.example` says what each is."
            )
        if "web" in parts:
            call_command("collectstatic", "--noinput", "--verbosity", "0")
        wanted = {"database", "redis", "migrations", "storage"} | (
            {"static"} if "web" in parts else set()
        )
        troubles = [
            one for one in readiness.ask(set(readiness.CHECKS) - wanted) if not one.ready
        ]
        if troubles:
            lines = [f"{one.name}: {one.trouble} {one.fix}" for one in troubles]
            raise CommandError("\n".join(["This host is not ready.", *lines]))

    def _only_one(self, part: str) -> TextIO:
        lock = (settings.VAR_DIR / f"start-{part}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"`start --only {part}` already runs from {settings.VAR_DIR}. Stop it first, or set VAR_DIR."
            ) from None
        return lock

    def _end(self, supervisor: Supervisor, locks: list[TextIO]) -> None:
        """A second signal hurries it: then what is not done is handed on or broken off at once."""
        self.say(
            "Ending: what is under way is finished or handed on. A second signal hurries this."
        )
        hurry = threading.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: hurry.set())
        ending = threading.Thread(target=supervisor.stop, daemon=True)
        ending.start()
        while ending.is_alive():
            if hurry.is_set():
                hurry.clear()
                supervisor.hurry()
            time.sleep(0.1)
        for lock in locks:
            lock.close()
        self.say("Ended.")
