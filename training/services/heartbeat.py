"""Keeps a run's lease alive from a thread of its own while an engine works."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from training.models import TrainingRun

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 3
SAFETY = 0.8  # of a lease: stop before another worker may begin


class Heartbeat:
    """`lost` once the lease is no longer ours, or may no longer be because the database cannot be asked."""

    def __init__(self, run: TrainingRun, lease: str) -> None:
        self.run, self.lease = run, lease
        self._over, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._beat, name=f"lease of run {run.pk}", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def _beat(self) -> None:
        renewed, every = time.monotonic(), settings.RUN_LEASE_SECONDS / BEATS_PER_LEASE
        while not self._over.wait(every):
            try:
                close_old_connections()
                if not self.run.renew(self.lease):
                    break
                renewed = time.monotonic()
            except DatabaseError as error:
                log.warning("lease of run %s not renewed: %s", self.run.pk, error)
                if time.monotonic() - renewed > settings.RUN_LEASE_SECONDS * SAFETY:
                    break
        if not self._over.is_set():
            self._lost.set()
        connection.close()
