"""How many calls to teams' endpoints wait for a model at the same time in this web process.

Each keeps one of the few threads that answer requests (`courseplatform.handler.THREADS`) until its answer begins. Without a
limit the programs of one team could keep them all, and no page would open for anybody.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from training.services.endpoint_api import ApiError

AT_ONCE = 8
OF_ONE_TEAM = 4
WAIT_SECONDS = 2


class Places:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[int] = Counter()

    @contextmanager
    def one_for(self, team_id: int) -> Iterator[None]:
        """Raises ApiError 429 where all are taken; nothing was asked, counted or held then."""
        with self._lock:
            if self._taken.total() >= AT_ONCE or self._taken[team_id] >= OF_ONE_TEAM:
                said = f"Too many calls wait for a model at this moment: {OF_ONE_TEAM} of one team, {AT_ONCE} of all can."
                raise ApiError(
                    429, said, kind="requests", code="rate_limit_exceeded", wait=WAIT_SECONDS
                )
            self._taken[team_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[team_id] -= 1
                self._taken += Counter()  # forgets teams that have none


places = Places()
