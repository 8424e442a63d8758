"""What Redis keeps on the disk."""

import time
from pathlib import Path
from typing import Any

import redis


def redis_files(url: str) -> bytes:
    """All of it, once it has been written anew."""
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 60
    while True:
        said: dict[str, Any] = client.info("persistence")
        if not said["aof_rewrite_in_progress"] and not said["aof_rewrite_scheduled"]:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    folder = Path(str(client.config_get("dir")["dir"]))
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
