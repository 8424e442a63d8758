"""The RQ worker for long, paid jobs: its job dies with it, it outlives a Redis outage, and a killed job is seen at once."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connections
from rq import Worker

from teams import presence, queues
from training.tether import PR_SET_PDEATHSIG

log = logging.getLogger(__name__)
BEAT_SECONDS = 25.0
CLEAR_SECONDS = 600.0

TELL_SECONDS = 30.0
LEAVE_SECONDS = 30.0  # an engine's checkpoint, and the run's row; then its process is killed
HURRIED_SECONDS = 3.0
OUTDATED_SECONDS = 15.0
SAME_SIGNAL_SECONDS = 1.0  # RQ takes a second one within it for the same


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
        self.since, self.told_at, self.told_state = presence.now(), 0.0, ""
        try:
            return bool(super().work(*args, **options))
        finally:
            presence.leave(self._as_told("drains"))

    def heartbeat(self, *args: Any, **options: Any) -> None:
        """RQ's own, in Redis; who works here, for people; the host's row, from the worker that trains: what launch and
        claims go by; and what must not stay on this host's disk, from the worker that writes archives."""
        super().heartbeat(*args, **options)
        self._tell("drains" if self._shutdown_requested_date else "works")
        if time.monotonic() - self._host_told < BEAT_SECONDS:
            return
        self._host_told = time.monotonic()
        trains, writes = "training" in self.queue_names(), queues.FILES in self.queue_names()
        if trains:
            _tell_host()
        if time.monotonic() - self._scratch_cleared < CLEAR_SECONDS:
            return
        self._scratch_cleared = time.monotonic()
        if trains:
            _clear_scratch()
        if writes:
            _clear_copies()

    _host_told = _scratch_cleared = -1e9

    def _tell(self, state: str) -> None:
        """Which version works here on what; twice a minute, and when it changes."""
        if state == self.told_state and time.monotonic() - self.told_at < TELL_SECONDS:
            return
        self.told_at, self.told_state = time.monotonic(), state
        presence.tell(self._as_told(state))

    def _as_told(self, state: str) -> presence.Process:
        return presence.mine("worker", since=self.since, does=self.queue_names(), state=state)

    def execute_job(self, job: Any, queue: Any) -> None:
        """An older worker than its database gives the job back: a worker of the new version is to have it."""
        from training.services import versions

        if versions.outdated():
            self._give_back(job, queue)
            return
        super().execute_job(job, queue)

    def _give_back(self, job: Any, queue: Any) -> None:
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        queue.push_job_id(job.id, at_front=True)
        log.error(
            "this worker is version %s, and a newer one migrated the database: start it again. It takes no jobs.",
            settings.VERSION,
        )
        self._tell("outdated")
        waited = time.monotonic() + OUTDATED_SECONDS
        while time.monotonic() < waited and not self._stop_requested:
            time.sleep(0.2)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Asked to end: no new job, and the one at work has DRAIN_SECONDS. Then it is handed on."""
        self.asked_at = time.monotonic()
        if settings.DRAIN_SECONDS:
            timer = threading.Timer(settings.DRAIN_SECONDS, self._hand_on)
            timer.daemon = True
            timer.start()
        super().request_stop(signum, frame)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Asked twice: the job is handed on now, and whatever does not leave is killed by RQ."""
        horse = self.horse_pid
        if time.monotonic() - self.asked_at > SAME_SIGNAL_SECONDS:
            self._hand_on(HURRIED_SECONDS)
        try:
            super().request_force_stop(signum, frame)
        except SystemExit:
            if horse:
                _free_the_run_of(horse)
            raise

    def _hand_on(self, last: float = LEAVE_SECONDS) -> None:
        """SIGTERM to the job's process, which keeps a checkpoint; SIGKILL where it does not end in `last` seconds."""
        horse = self.horse_pid
        if not horse:
            return
        for sign, patience in ((signal.SIGTERM, last), (signal.SIGKILL, 0.0)):
            try:
                os.kill(horse, sign)
            except ProcessLookupError:
                return
            until = time.monotonic() + patience
            while time.monotonic() < until and self.horse_pid == horse and _lives(horse):
                time.sleep(0.1)
            if self.horse_pid != horse or not _lives(horse):
                return

    def setup_work_horse_signals(self) -> None:
        super().setup_work_horse_signals()
        signal.signal(signal.SIGTERM, _leave)

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
        _free_the_run_of(retpid or self.horse_pid)


def _free_the_run_of(pid: int) -> None:
    from training.services.reconcile import worker_child_died

    worker_child_died(pid=pid)


def _leave(*_signal: object) -> None:
    """In the job's process, once: what it hands on must not be broken off in turn."""
    from training.services.leaving import AskedToLeave

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise AskedToLeave("its worker is to end")


def _lives(pid: int) -> bool:
    """False for one that ended and was not waited for yet, too."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return told.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _tell_host() -> None:
    from training.services import hosts

    _try(hosts.beat, "the host's row is not told")


def _clear_scratch() -> None:
    from training.services import run_storage

    _try(run_storage.clear_scratch, "what ended runs left on this host is not cleared")


def _try(act: Callable[[], object], otherwise: str) -> None:
    """A database that is away is no reason to stop: it is done the next time."""
    try:
        act()
    except (DatabaseError, OSError) as error:
        log.warning("%s: %s", otherwise, error)
    finally:
        connections.close_all()  # nothing may be open when the worker forks


def _clear_copies() -> None:
    """What was deleted on another host while a copy of it is here. The scheduler does it on its own host only."""
    from teams.services import archive_exports, person_exports
    from training.services import host_scratch

    for act in (person_exports.clear_strays, archive_exports.clear_strays, host_scratch.clear):
        _try(act, "copies that nobody wants any more stay on this host for now")
