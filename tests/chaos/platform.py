"""The whole platform, started as a person starts it, over a folder of its own, with short leases.

`seen_inside`: the environment of its processes, for whoever wants to look at the same database and queue.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import redis

from courseplatform.redis_server import free_port
from tests.chaos import processes
from tests.chaos.processes import wait_for
from tests.chaos.provider import KEY, ROOT

LEASE_SECONDS, RECONCILE_SECONDS, POLL_SECONDS = 6, 2, 1
START_SECONDS = 600.0  # a machine that has other work takes minutes to load torch three times
SERVICES = {  # name: what its command line holds
    "redis": "-server ",  # it renames itself: valkey-server 127.0.0.1:port
    "worker-training": "manage.py rqworker training",
    "worker-quick": "manage.py rqworker quick",
    "worker-interviews": "manage.py rqworker interviews",
    "worker-files": "manage.py rqworker files",
    "scheduler": "manage.py schedule",
    "web": "courseplatform.serve",
    "model-server": "lora.serve",
    "program-server": "dspy_program.serve",
    "lora-warm": "lora.warm",
}


class Platform:
    """`manage.py start` and everything it started. `var` is its VAR_DIR."""

    def __init__(self, var: Path, output: Path, provider_url: str, mail_url: str, azure_url: str) -> None:
        self.var, self.output, self.port = var, output, free_port()
        self.clock = var / "clock"
        temporary = output.with_name("tmp")  # of this platform alone, so that what is left there is its own
        temporary.mkdir()
        passed_on = ("PATH", "HOME", "LANG", "DATABASE_URL", "REDIS_SERVER")
        self.environment = {name: os.environ[name] for name in passed_on if name in os.environ} | {
            "VAR_DIR": str(var),
            "TMPDIR": str(temporary),
            "EMAIL_URL": mail_url,
            "EMAIL_TIMEOUT": "3",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "OFFER_TEST_MODEL": "1",
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_CLOCK": str(self.clock),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{provider_url}/v1",
            "AZURE_MANAGEMENT_URL": azure_url,
            "AZURE_LOGIN_URL": azure_url,
            "PROVIDER_PRIVATE_HOSTS": "127.0.0.1",
            "RUN_LEASE_SECONDS": str(LEASE_SECONDS),
            "RECONCILE_SECONDS": str(RECONCILE_SECONDS),
            "DISK_LEFT_FREE_BYTES": "0",  # its disk is smaller than what is left free elsewhere
            "PACE_TRIAL_SECONDS": "0",  # an engine that belongs to no run
            "CLOUD_POLL_SECONDS": str(POLL_SECONDS),
        }

    def start(self) -> None:
        self.clock.write_text("0")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "start", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._is_ready, "the platform does not start", START_SECONDS)
        scheduler = wait_for(lambda: self.service("scheduler"), "the scheduler does not run")
        self.seen_inside = processes.environment_of(scheduler)

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise processes.Stuck(f"the platform ended at once:\n{self.said()}")
        return "Ready after" in self.said()

    def stop(self) -> int:
        """Its exit code after Ctrl-C, as a person would stop it."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children are told by the kernel
            return self.process.wait()

    def lose_everything(self) -> None:
        """kill -9 of every process at once: held first, so that none of them sees another die."""
        below = [pid for pid in processes.pids() if self.process.pid in processes.ancestors_of(pid)]
        everything = {self.process.pid, *below, *self.engines()}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in everything:
                processes.send(pid, number)
        self.process.wait()
        wait_for(lambda: not any(processes.is_alive(pid) for pid in everything), "some process did not die")

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def service(self, name: str) -> int | None:
        """The process id, None while it is not there."""
        found = (pid for pid in processes.children_of(self.process.pid) if SERVICES[name] in processes.command_of(pid))
        return next(found, None)

    def kill(self, name: str) -> int:
        """kill -9 of that service. Gives the process id that it had."""
        pid = wait_for(lambda: self.service(name), f"{name} does not run")
        processes.send(pid, signal.SIGKILL)
        return pid

    def is_whole(self) -> bool:
        """Every service runs, and the web process and Redis answer."""
        if self.process.poll() is not None:
            raise processes.Stuck(f"the supervisor gave up:\n{self.said()[-2000:]}")
        return self.missing() == []

    def wait_until_whole(self) -> None:
        """Raises Stuck naming what is missing."""
        try:
            wait_for(self.is_whole, "the platform is not whole")
        except processes.Stuck as stuck:
            raise processes.Stuck(f"{stuck}: {', '.join(self.missing())}") from stuck

    def keep_logs(self, folder: Path) -> None:
        """Copy what every process and engine said, before the disk that it stands on is gone."""
        for path in [*self.var.glob("logs/*.log"), *self.var.glob("runs/*/engine.log")]:
            name = path.name if path.parent.name == "logs" else f"engine-{path.parent.name}.log"
            shutil.copy(path, folder / name)

    def missing(self) -> list[str]:
        """Services that do not run or do not answer."""
        gone = [name for name in SERVICES if self.service(name) is None]
        silent = [
            name for name, answers in (("web", self._web_answers), ("redis", self._redis_answers)) if not answers()
        ]
        return sorted({*gone, *silent})

    def engines(self) -> list[int]:
        """Processes that work in a run's folder."""
        runs = str(self.var / "runs")
        return [
            pid for pid in processes.pids() if processes.folder_of(pid).startswith(runs) and processes.is_alive(pid)
        ]

    def let_engines_go(self) -> None:
        """Those that were held still go on."""
        for pid in self.engines():
            processes.send(pid, signal.SIGCONT)

    def strays(self) -> list[int]:
        """Processes of this platform that its supervisor does not lead to any more."""
        mark = str(self.var)
        ours = [pid for pid in processes.pids() if processes.environment_of(pid).get("VAR_DIR") == mark]
        known = {self.process.pid, os.getpid()}
        led = [pid for pid in {*ours, *self.engines()} - known if self.process.pid not in processes.ancestors_of(pid)]
        return [pid for pid in led if processes.is_alive(pid)]

    def _web_answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _redis_answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.seen_inside["REDIS_URL"]).ping())
        except redis.exceptions.RedisError:
            return False

    def _warm_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
            return asked.connect_ex(self.seen_inside["LORA_WARM_SOCKET"]) == 0
