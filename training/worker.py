"""The RQ worker for long, paid jobs: its job dies with it, it outlives a Redis outage, and a killed job is seen at once."""

import ctypes
import logging
import os
import signal
import sys
from importlib import import_module
from typing import Any

import redis
from django.conf import settings
from rq import Worker

from training.tether import PR_SET_PDEATHSIG

log = logging.getLogger(__name__)


class SafeWorker(Worker):  # type: ignore[misc]  # RQ ships no types that mypy follows
    """`manage.py rqworker training --worker-class training.worker.SafeWorker --serializer rq.serializers.JSONSerializer`"""

    def work(self, *args: Any, **options: Any) -> bool:
        """Import what jobs need once, here: each job then is a fork that has it already.

        What a job writes is this user's alone, however the worker was started.
        """
        os.umask(0o077)
        import_module("training.jobs")
        import_module(
            settings.ROOT_URLCONF
        )  # pages' fragments are rendered in jobs, links and all
        return bool(super().work(*args, **options))

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """In the child. Without the tether, kill -9 of a worker leaves its job running, and a second copy starts later."""
        parent = os.getppid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent or parent == 1:
                os._exit(1)
        super().main_work_horse(job, queue)

    def maintain_heartbeats(self, job: Any, execution: Any) -> None:
        """Redis being away is no reason to leave a job alone: the run's row is the truth, RQ's bookkeeping can wait."""
        try:
            super().maintain_heartbeats(job, execution)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            log.warning("heartbeat skipped, Redis is away: %s", error)

    def handle_work_horse_killed(self, job: Any, retpid: int, ret_val: int, rusage: Any) -> None:
        """RQ calls no callback for a killed job: give its run back at once, not when the lease has run out."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)
        from training.services.reconcile import worker_child_died

        worker_child_died(pid=retpid or self.horse_pid)
