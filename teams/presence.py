"""Which processes of the platform run where, and of which version: each says so itself, in Redis, twice a minute.

It is for people and for `manage.py preflight`. Nothing is decided by it: rows and leases are the truth.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, field

import redis
from django.conf import settings

PREFIX = "process:"
KNOWN_SECONDS = 150
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Process:
    """`since`: seconds since 1970. `does`: queues of a worker. `state`: `works`, `drains` or `outdated`."""

    kind: str
    host: str
    pid: int
    version: str
    since: float
    does: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    state: str = "works"

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.kind}:{self.host}:{self.pid}"


def mine(
    kind: str, *, since: float, does: list[str] | None = None, state: str = "works"
) -> Process:
    """This process, as it is to be told."""
    return Process(
        kind=kind,
        host=settings.HOST_NAME,
        pid=os.getpid(),
        version=settings.VERSION,
        since=since,
        does=does or [],
        labels=list(settings.HOST_LABELS),
        state=state,
    )


def tell(process: Process, connection: redis.Redis | None = None) -> bool:
    """False where Redis is away: then nobody sees this process, and it works on."""
    try:
        client = connection or _client()
        client.set(process.key, json.dumps(asdict(process)), ex=KNOWN_SECONDS)
    except redis.exceptions.RedisError:
        return False
    return True


def leave(process: Process) -> None:
    """It ends now. Without Redis it is forgotten by itself."""
    try:
        _client().delete(process.key)
    except redis.exceptions.RedisError:
        return


def processes() -> list[Process]:
    """By kind, host and pid. Raises RedisError where Redis cannot be asked."""
    client = _client()
    keys = list(client.scan_iter(f"{PREFIX}*", count=500))
    found = [_read(text) for text in client.mget(keys)] if keys else []
    known = [one for one in found if one is not None]
    return sorted(known, key=lambda one: (one.kind, one.host, one.pid))


def _read(text: bytes | str | None) -> Process | None:
    """None where it just ended, or where another version tells it in another form."""
    try:
        return Process(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
    )


def now() -> float:
    return time.time()
