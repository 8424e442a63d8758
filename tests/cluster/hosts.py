"""Hosts on one machine: each has its own network, host name and processes. Needs root.

Traffic stays among addresses of this rig (10.77.7.0/24), which exist only while it runs.
"""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

BRIDGE, OUTSIDE = "crs-br0", "10.77.7.1"
TOOLS = ("ip", "unshare", "nginx", "openssl", "runuser")


def why_not() -> str:
    """Why the rig cannot be built here; empty where it can."""
    if os.geteuid() != 0:
        return "it needs root, for network namespaces"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install iproute2 util-linux nginx-light openssl)"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "PostgreSQL is not installed (apt-get install postgresql)"
    tried = subprocess.run(["unshare", "--net", "--uts", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this machine allows no network namespaces"


def sh(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@dataclass
class Host:
    """One namespace with an address of its own; what runs in it ends with `die`."""

    name: str
    number: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"10.77.7.{self.number}"

    @property
    def space(self) -> str:
        return f"crs-{self.name}"

    def begin(self) -> None:
        outer, inner = f"crs-v{self.number}", f"crs-e{self.number}"
        sh("ip", "netns", "add", self.space)
        sh("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        sh("ip", "link", "set", inner, "netns", self.space)
        sh("ip", "link", "set", outer, "master", BRIDGE, "up")
        sh("ip", "-n", self.space, "addr", "add", f"{self.address}/24", "dev", inner)
        sh("ip", "-n", self.space, "link", "set", inner, "up")
        sh("ip", "-n", self.space, "link", "set", "lo", "up")

    def start(self, command: list[str], env: dict[str, str], log: IO[bytes], cwd: Path) -> subprocess.Popen[bytes]:
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name}; exec "$@"', "sh", *command]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.space, *named],
            env=env,
            cwd=cwd,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def die(self) -> None:
        """As when the power goes: everything in its namespace, at once."""
        told = subprocess.run(["ip", "netns", "pids", self.space], capture_output=True, text=True, check=False)
        for pid in told.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def end(self) -> None:
        self.die()
        subprocess.run(["ip", "netns", "del", self.space], capture_output=True, check=False)


def bridge_up() -> None:
    bridge_down()
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "addr", "add", f"{OUTSIDE}/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")


def bridge_down() -> None:
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
