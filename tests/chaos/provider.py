"""The provider of a chaos run: the scripted provider with its faults open, standing where OpenAI stands in life."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from courseplatform.redis_server import free_port
from tests.chaos.processes import send, wait_for

ROOT = Path(__file__).resolve().parents[2]
KEY = "chaos-key"
JOB_SECONDS = 100  # of the provider's clock, which `finish_jobs` moves on
CALM = {"reset": True, "token_delay_ms": 0.0, "slow_chat": 0.2}  # slow enough to be met in the middle of a program


class Provider:
    """A server on a port of its own that can be asked, hung, killed and started again with what it remembered."""

    def __init__(self, state: Path, log: Path) -> None:
        self.state, self.log, self.port = state, log, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ahead = 0.0
        self.web = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "tests.scripted_provider.serve", "--port", str(self.port)]
        command += ["--state", str(self.state)]
        options = ["--job-seconds", str(JOB_SECONDS), "--token-delay-ms", "0", "--allow-faults"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
        wait_for(self._answers, "the provider does not answer")

    def set_faults(self, **wanted: Any) -> None:
        """These and no others; its clock stays where it is."""
        self.web.post("/faults", json={**CALM, "clock_ahead": self.ahead, **wanted}).raise_for_status()

    def finish_jobs(self) -> None:
        """Move its clock past the end of every job."""
        self.ahead += 2 * JOB_SECONDS
        self.web.post("/faults", json={"clock_ahead": self.ahead}).raise_for_status()

    def jobs_of(self, run_key: str) -> int:
        """How many jobs it ever made for this run, cancelled ones too."""
        listed = self.web.get("/v1/fine_tuning/jobs", params={"limit": 100, "metadata[run]": run_key})
        return len(listed.raise_for_status().json()["data"])

    def hang(self) -> None:
        """It takes connections and says nothing."""
        send(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        send(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.wake()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self.web.close()

    def _answers(self) -> bool:
        try:
            return self.web.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False
