"""Has the platform bring a run's files to this host: asked over a socket, because engines know no storage and no secret of it.

A line with the run's key goes out, a line comes back: `here`, `none` (no such run) or `away` (storage cannot give it now).
"""

import socket
from pathlib import Path

PATIENCE_SECONDS = 120.0
LONGEST_ANSWER = 64


class StorageAway(Exception):
    """The run exists, and its files cannot be had now."""


def fetch(address: Path | None, key: str) -> bool:
    """True once the files are in the run's folder; False where there is no such run, or nobody to ask. Raises StorageAway."""
    if address is None or "\n" in key or len(key) > LONGEST_ANSWER:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(PATIENCE_SECONDS)
            asked.connect(str(address))
            asked.sendall(f"{key}\n".encode())
            answer = asked.makefile("rb").readline(LONGEST_ANSWER).strip()
    except OSError as silent:
        raise StorageAway(f"nobody brings files to this host: {silent}") from silent
    if answer == b"away":
        raise StorageAway("storage cannot give this run's files now")
    return answer == b"here"
