"""How often somebody may try: sign-in, joining, links, set-up. Counted by whom it is about and by where it comes from.

Several limits hold at once, so that who goes on waits longer: a minute, then an hour, then a day. Limits by address are
generous, because a whole campus may have one; limits by account are not. The counter is shared by all processes through
Redis; where that is away each process counts for itself, which is less and never nothing.
"""

import hashlib
import ipaddress
import logging
from collections.abc import Callable, Mapping
from functools import cache
from math import ceil
from operator import methodcaller
from time import time
from typing import Any

import redis
from django.conf import settings
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

log = logging.getLogger(__name__)

# By purpose: (tries about one account or address of a mailbox, tries from one network address).
LIMITS: Mapping[str, tuple[str, str]] = {
    "sign-in": ("5/minute;20/hour;60/day", "60/minute;600/hour"),
    "sign-in-again": (
        "10/minute;40/hour;120/day",
        "60/minute;600/hour",
    ),  # in a browser that knew the password once
    "second-factor": ("5/minute;20/hour;60/day", "60/minute;600/hour"),
    "password-change": ("5/minute;20/hour;60/day", "100/10 minutes;1000/day"),
    "outside-sign-in": ("1000/minute;10000/day", "120/minute;1200/hour"),
    "join": ("3/10 minutes;10/day", "100/10 minutes;1000/day"),
    "password-link": ("3/10 minutes;10/day", "60/10 minutes;600/day"),
    "password-set": ("10/10 minutes;40/day", "100/10 minutes;1000/day"),
    "set-up": ("100/minute;3000/day", "10/10 minutes;40/day"),
    # About an LMS: a whole class launches at once, from one campus.
    "lms-launch": ("2000/minute;40000/day", "600/minute;6000/hour"),
    "lms-register": ("20/10 minutes;100/day", "20/10 minutes;100/day"),
    "confirm": ("3/10 minutes;10/day", "100/10 minutes;1000/day"),
}
REDIS_SECONDS = 1.0


class TooMany(Exception):
    """`wait`: seconds until the next try is looked at."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many tries. Wait {in_words(wait)}, then try again.")
        self.wait = wait


def in_words(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds > size:
            return f"{ceil(seconds / size)} {name}s"
    return "one minute" if seconds > 30 else "half a minute"


def place_of(address: str) -> str:
    """One household or campus: an IPv4 address as it is; of IPv6 the first 64 bits, which one person has all to themselves."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def check(purpose: str, *, about: str = "", place: str = "") -> None:
    """Raises TooMany where one more try is not looked at. Counts nothing."""
    for item, key in _counted(purpose, about, place):
        if not _ask(methodcaller("test", item, *key)):
            _refuse(item, key)


def count(purpose: str, *, about: str = "", place: str = "") -> None:
    """One try. Raises TooMany for the one that is too many."""
    for item, key in _counted(purpose, about, place):
        if not _ask(methodcaller("hit", item, *key)):
            _refuse(item, key)


def forgive(purpose: str, *, about: str) -> None:
    """The person showed who they are: earlier tries about this account do not count any more."""
    for item, key in _counted(purpose, about, ""):
        _ask(methodcaller("clear", item, *key))


def forget_everything() -> None:
    """For tests: this process has counted nothing."""
    _memory().storage.reset()


def _counted(
    purpose: str, about: str, place: str
) -> list[tuple[RateLimitItem, tuple[str, str, str]]]:
    by_account, by_place = LIMITS[purpose]
    found = []
    for kind, value, limits in (
        ("about", about.strip().lower(), by_account),
        ("place", place, by_place),
    ):
        if value:
            hidden = hashlib.sha256(value.encode()).hexdigest()[
                :32
            ]  # no list of addresses lies in Redis
            found += [(item, (purpose, kind, hidden)) for item in parse_many(limits)]
    return found


def _refuse(item: RateLimitItem, key: tuple[str, str, str]) -> None:
    stats = _ask(methodcaller("get_window_stats", item, *key))
    raise TooMany(max(1, ceil(stats.reset_time - time())))


def _ask(question: Callable[[FixedWindowRateLimiter], Any]) -> Any:
    try:
        return question(_shared(settings.REDIS_URL))
    except redis.exceptions.RedisError as error:
        log.warning("tries are counted in this process alone, Redis can't be reached: %s", error)
        return question(_memory())


@cache
def _shared(url: str) -> FixedWindowRateLimiter:
    storage: Storage = RedisStorage(
        url,
        key_prefix="throttle",
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
    )
    return FixedWindowRateLimiter(storage)


@cache
def _memory() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())
