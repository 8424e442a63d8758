"""Which request or run a line of the log belongs to. Whatever logs needs to know nothing of it."""

import logging
import os
from contextvars import ContextVar

from django.conf import settings

REQUEST: ContextVar[str] = ContextVar("request", default="")
RUN: ContextVar[int | None] = ContextVar("run", default=None)


def work_on_run(run_id: int) -> None:
    """From now on lines of this thread, and of those that inherit its context, name the run."""
    RUN.set(run_id)


class Where(logging.Filter):
    """Adds `host`, `pid`, `request` and `run` to each record; empty where there is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.host = settings.HOST_NAME
        record.pid = os.getpid()
        record.request = REQUEST.get()
        record.run = RUN.get()
        return True
