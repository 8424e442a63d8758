import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform import machine, private_files, redis_server
from courseplatform.host_start import HostStart
from courseplatform.supervisor import Supervisor


class Command(BaseCommand):
    help = "Run the whole platform on this machine: Redis, web, workers, scheduler and model servers. Ctrl-C stops all of it."

    # What this command puts right by itself needs no warning: the checks run once the folder is closed.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=8000, help="port of the pages (default 8000)"
        )
        parser.add_argument(
            "--demo", action="store_true", help="seed the demo course and print its sign-ins"
        )
        parser.add_argument(
            "--story",
            action="store_true",
            help="with --demo: fill the course as in its fifth week",
        )
        parser.add_argument(
            "--demo-archives",
            action="store_true",
            help="train the demo's bots, keep them, and stop",
        )
        parser.add_argument(
            "--only",
            action="append",
            choices=sorted(machine.PARTS),
            help="one host of several: run just this part of the platform; may be given more than once",
        )
        parser.add_argument(
            "--label",
            action="append",
            default=[],
            help="with --only: what this host is good for, for example gpu1; may be given more than once",
        )
        parser.add_argument(
            "--bind",
            default=machine.LOOPBACK,
            help="with --only: the address that web and model servers listen on (default loopback)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._close_the_folder()
        self.check()
        if options["only"]:
            HostStart(self.stdout.write).run(options)
            return
        if options["label"] or options["bind"] != machine.LOOPBACK:
            raise CommandError("--label and --bind are for one host of several: add --only.")
        ports = machine.Ports.choose(options["port"])
        lock = self._only_one()
        if redis_server.answers(ports.web):
            raise CommandError(
                f"Port {ports.web} is in use by another program. Choose another: make demo PORT={ports.web + 1}"
            )
        env = machine.environment(ports)
        services = machine.services(ports, env)
        supervisor = Supervisor(
            services, machine.logs(), self.stdout.write, machine.service_state()
        )
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, supervisor.request_stop)
        try:
            stayed_up = self._run(supervisor, ports, env, options)
        finally:
            self.stdout.write("Stopping…")
            supervisor.request_stop()
            supervisor.stop()
            lock.close()
        self.stdout.write("All stopped. Your data is in " + str(settings.VAR_DIR))
        if not stayed_up:
            raise CommandError(
                "The platform cannot begin; the last words of what does not stay up are above."
            )

    def _run(
        self,
        supervisor: Supervisor,
        ports: machine.Ports,
        env: dict[str, str],
        options: dict[str, Any],
    ) -> bool:
        """Redis and the model server first: seeding already sends work to the queues, and torch takes longest to load."""
        early = [service for service in supervisor.services if service.name in machine.EARLY]
        for service in early:
            supervisor.start(service)
        demo = options["demo"] or options["demo_archives"]
        self._prepare(env, demo=demo, story=options["story"])
        for service in supervisor.services:
            if service not in early:
                supervisor.start(service)
        after = (
            ["demo_archives"]
            if options["demo_archives"]
            else ["demo_story"]
            if options["story"]
            else []
        )
        told = (supervisor, ports, env, demo, after)
        threading.Thread(target=self._announce, args=told, daemon=True).start()
        return supervisor.watch()

    def _close_the_folder(self) -> None:
        """A platform of an older version left its data readable by every user of the machine."""
        private_files.write_privately()
        try:
            was_open = private_files.close_folder(Path(settings.VAR_DIR))
        except private_files.NotPrivate as error:
            raise CommandError(str(error)) from error
        if was_open:
            self.stdout.write(
                f"{settings.VAR_DIR} was readable by other users of this machine. It is closed to them now."
            )

    def _only_one(self) -> TextIO:
        """Two supervisors over one database and one Redis folder would run everything twice."""
        lock = (settings.VAR_DIR / "start.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"The platform already runs from {settings.VAR_DIR}. Stop it first (Ctrl-C where it runs), or set VAR_DIR."
            ) from None
        return lock

    def _prepare(self, env: dict[str, str], *, demo: bool, story: bool) -> None:
        """Migrate, collect static files, seed: in the environment that the processes will have."""
        self.stdout.write("Preparing the database…")
        commands = [
            ["migrate", "--verbosity", "0"],
            ["collectstatic", "--noinput", "--verbosity", "0"],
            ["install_base_model"],
        ]
        if demo:
            commands.append(["seed_demo", *(["--fifth-week"] if story else [])])
        for command in commands:
            done = subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=settings.BASE_DIR,
                env=env,
                check=False,
            )
            if done.returncode:
                raise CommandError(
                    f"`manage.py {' '.join(command)}` failed; what it says is above."
                )

    def _setup_code(self, env: dict[str, str]) -> str:
        """Empty once there is an account. Asked of a process that has the platform's own secrets and database."""
        command = [sys.executable, "manage.py", "setup_code"]
        asked = subprocess.run(
            command, cwd=settings.BASE_DIR, env=env, check=True, capture_output=True, text=True
        )
        return asked.stdout.strip()

    def _announce(
        self,
        supervisor: Supervisor,
        ports: machine.Ports,
        env: dict[str, str],
        demo: bool,
        after: list[str],
    ) -> None:
        waiting = machine.health_urls(ports, env)
        began = time.monotonic()
        while waiting and not supervisor.stopping:
            waiting = {name: url for name, url in waiting.items() if not _is_up(url)}
            given_up = (
                {one.name for one in supervisor.failing()} if set(waiting) - {"web"} else set()
            )
            waiting = {
                name: url
                for name, url in waiting.items()
                if name == "web" or name not in given_up
            }
            time.sleep(0.2)
        if supervisor.stopping:
            return
        supervisor.ready = True
        lines = [
            "",
            f"Ready after {time.monotonic() - began:.0f} s:  http://localhost:{ports.web}/",
            "",
        ]
        for one in supervisor.failing():
            lines.append(
                f"  {one.name} keeps ending and is tried again. Its log: {supervisor.log_of(one.name)}"
            )
        if demo:
            from courseplatform.management.commands.seed_demo import PASSWORD, SIGN_INS

            lines += [f"  {role:<12} {email:<28} {PASSWORD}" for role, email in SIGN_INS]
        elif code := self._setup_code(env):
            lines += [
                "  Nobody has an account yet. Open the address and set the platform up with this code:",
                f"  {code}",
            ]
        if not env.get("OPENAI_API_KEY"):
            lines += [
                "",
                "No OPENAI_API_KEY: the OpenAI method and DSPy use the models on this machine.",
            ]
        lines += [f"Logs: {machine.logs()}   (pid {os.getpid()}; Ctrl-C stops everything)", ""]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
        if after:
            self._then(supervisor, env, after)

    def _then(self, supervisor: Supervisor, env: dict[str, str], command: list[str]) -> None:
        """What begins once all is up. It ends with the platform; making archives ends the platform."""
        child = subprocess.Popen(
            [sys.executable, "manage.py", *command], cwd=settings.BASE_DIR, env=env
        )
        while child.poll() is None and not supervisor.stopping:
            time.sleep(0.5)
        child.terminate()
        if command == ["demo_archives"]:
            supervisor.request_stop()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
