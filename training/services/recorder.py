"""Turns an engine's events into rows: curve points and samples as events, totals on the run, all under the lease."""

import logging
import time
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, transaction

from training.launcher import Event
from training.models import RunEvent, TrainingRun
from training.services import idle_speed, live

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0  # a page that redraws takes the processor from the training that it shows, where both share one
QUIET_SECONDS = 5.0  # without news, write the seconds of compute this often
KEPT_TEXT = 4_000  # characters of one text that an engine says
MOST_CANDIDATES = 200  # of one attempt of a DSPy run: more than any page shows
LOUD = frozenset({"started", "failed", "done"})  # shown without waiting


class LeaseLost(BaseException):
    """Another worker has this run, or a person cancelled it under us: stop, write nothing. Not an Exception, so that no
    handler of other errors swallows it."""


class Recorder:
    """Collects events and writes them in few transactions. One for each attempt."""

    def __init__(self, run: TrainingRun, lease: str, *, bill_seconds: bool) -> None:
        self.run, self.lease, self.bill_seconds = run, lease, bill_seconds
        self.failure: Event | None = None
        self.finished = False
        self._waiting: list[RunEvent] = []
        self._fields: dict[str, Any] = {}
        self._kinds: set[str] = set()
        self._candidates = 0
        self._seconds_before, self._began = run.compute_seconds, time.monotonic()
        self._flushed = time.monotonic()

    def take(self, event: Event) -> None:
        """Remember one event of the engine."""
        kind = event["event"]
        kept_back = (
            ("event",) if kind == "started" else ("event", "work")
        )  # `started` tells what a checkpoint had kept
        data = {key: _cut(value) for key, value in event.items() if key not in kept_back}
        if kind == "failed":
            self.failure = event
        elif kind == "done":
            self.finished = True
        elif kind == "candidate" and self._is_one_too_many():
            return
        elif kind != "calls":
            step = data.pop("step", None)
            self._waiting.append(
                RunEvent(
                    run=self.run,
                    kind=kind[:20],
                    step=step if isinstance(step, int) else None,
                    data=data,
                )
            )
        self._fields |= _fields_of(kind, event)
        self._kinds.add(kind)

    def _is_one_too_many(self) -> bool:
        self._candidates += 1
        return self._candidates > MOST_CANDIDATES

    def flush(self, *, force: bool = False) -> None:
        """Write what waits, if it is time. Raises LeaseLost when the run is no longer ours."""
        quiet = time.monotonic() - self._flushed
        news = bool(self._kinds)
        due = (news and (quiet >= FLUSH_SECONDS or self._kinds & LOUD)) or quiet >= QUIET_SECONDS
        if not (due or force):
            return
        self._flushed = time.monotonic()
        try:
            self._write()
        except (OperationalError, InterfaceError) as error:
            # What waits is kept. Should the database stay away, the heartbeat finds the lease lost and the work stops.
            log.warning("run %s: progress not written yet: %s", self.run.pk, error)
            close_old_connections()
            if force:
                raise

    def _write(self) -> None:
        seconds = self._seconds_before + time.monotonic() - self._began
        fields = (
            {**self._fields, "compute_seconds": round(seconds, 3)}
            if self.bill_seconds
            else self._fields
        )
        with transaction.atomic():
            if fields and not self.run.write(self.lease, **fields):
                raise LeaseLost(f"run {self.run.pk}")
            RunEvent.objects.bulk_create(self._waiting)
        for name, value in fields.items():
            setattr(self.run, name, value)
        kinds, self._waiting, self._fields, self._kinds = self._kinds, [], {}, set()
        if kinds:
            live.progressed(self.run, kinds)


def _cut(value: Any) -> Any:
    """Texts no longer than anybody reads."""
    return value[:KEPT_TEXT] if isinstance(value, str) else value


def _fields_of(kind: str, event: Event) -> dict[str, Any]:
    """What an event says about the run as a whole.

    `work` counts from the run's first step to here, without what was lost with a killed attempt, so the last one told is
    what the run is charged for.
    """
    work = idle_speed.work_of_engine(event.get("work"))
    return _fields_of_kind(kind, event) | ({"work": work} if work else {})


def _fields_of_kind(kind: str, event: Event) -> dict[str, Any]:
    if kind == "started":
        from_step = (
            {"training_tokens": _count(event["work"], "tokens")}
            if isinstance(event.get("work"), dict)
            else {}
        )
        return {"total_steps": _count(event, "total_steps"), **from_step}
    if kind == "step":
        fields = {
            "step": _count(event, "step"),
            "train_loss": event.get("loss"),
            "training_tokens": _count(event, "tokens"),
        }
        return fields | (
            {"total_steps": _count(event, "total_steps")} if event.get("total_steps") else {}
        )
    if kind == "validation":
        return {"validation_loss": event.get("loss")}
    if kind == "score":
        return {
            "score_before" if event.get("stage") == "before" else "score_after": event.get(
                "score"
            )
        }
    if kind == "calls":
        names = ("input_tokens", "cached_input_tokens", "output_tokens")
        used, allowed = _count(event, "used"), _count(event, "allowed")
        return {
            "calls_used": used,
            "calls_allowed": allowed,
            "step": used,
            **{name: _count(event, name) for name in names},
        }
    return {}


def _count(event: Event, name: str) -> int:
    value = event.get(name)
    return max(0, int(value)) if isinstance(value, int | float) else 0
