"""Who is next: teams take turns. RQ jobs are wake-up calls; which run one starts is decided here, from the rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import django_rq
import redis.exceptions
from django.conf import settings
from django.utils import timezone
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus

from teams import queues
from teams.models import Provider, Team
from training.models import BaseModel, MergedModel, ModelServer, RunStatus, TrainingRun
from training.services import hosts, limits

SLOT_QUEUE = "training"
QUICK_QUEUE = queues.QUICK
EXECUTE = "training.jobs.execute_run"
POLL = "training.jobs.poll_run"
LOAD = "training.jobs.load_adapter"
PACE = "training.jobs.measure_pace"
TRY_PROVIDER = "training.jobs.try_provider"
PACE_JOB = "pace-"  # and the base model's id
MERGE = "training.jobs.make_merged_model"
MERGE_JOB = "merge-"
TRIAL = "training.jobs.try_base_model"
TRIAL_JOB = "trial-"
TRIAL_TIMEOUT_SECONDS = 3_600
RESULT_SECONDS = 300
FAILURE_SECONDS = 24 * 3600
POLL_TIMEOUT_SECONDS = 300
PACE_TIMEOUT_SECONDS = 900
SILENCE = timedelta(seconds=60)  # a worker beats every 30
ON_THE_WAY = frozenset(
    {JobStatus.QUEUED, JobStatus.STARTED, JobStatus.DEFERRED, JobStatus.SCHEDULED}
)


@dataclass(frozen=True)
class Place:
    """`ahead`: runs that start before this one. `running`: runs that hold a slot now. `load`: the team's own runs at work."""

    ahead: int
    running: int
    load: limits.Load

    @property
    def sentence(self) -> str:
        """1st in the queue: waiting for the one training slot. Or what else the run waits for."""
        if self.load.full:
            return self.load.reason
        ordinal = _ordinal(self.ahead + 1)
        if not self.running and not self.ahead:
            return f"{ordinal} in the queue: starts as soon as a worker is free."
        return f"{ordinal} in the queue: waiting for the one training slot. Teams take turns."


def waiting_in_order() -> list[TrainingRun]:
    """Queued runs that need a slot, in the order in which they will start.

    Each team's first run comes before any team's second; a running run counts as its team's turn. Equals by time of launch.
    Teams that have as many runs at work as they may come last: theirs start when one of those ends.
    """
    turns = Counter(
        TrainingRun.objects.on_this_machine()
        .filter(status__in=[RunStatus.RUNNING, RunStatus.CANCELLING])
        .values_list("team_id", flat=True)
    )
    ranked = []
    waiting = list(
        TrainingRun.objects.on_this_machine()
        .filter(status=RunStatus.QUEUED)
        .select_related("base_model", "dataset_version", "team__course__training_policy")
        .order_by("id")
    )
    loads = limits.loads({run.team_id for run in waiting})
    for run in waiting:
        ranked.append((loads[run.team_id].full, turns[run.team_id], run.pk, run))
        turns[run.team_id] += 1
    return [run for *_, run in sorted(ranked, key=lambda item: item[:3])]


def startable(runs: Iterable[TrainingRun]) -> list[TrainingRun]:
    """Those whose team is below its limit, in the same order."""
    runs = list(runs)
    loads = limits.loads({run.team_id for run in runs})
    return [run for run in runs if not loads[run.team_id].full]


def claim_next(run_id: int) -> tuple[TrainingRun, str] | None:
    """Begin the run that is next, woken by the call for `run_id`. Gives the run and its lease; None when nothing waits."""
    asked = TrainingRun.objects.filter(pk=run_id).select_related("base_model").first()
    if asked is None:
        return None
    candidates = waiting_in_order() if asked.works_here else [asked]
    fitting = (
        hosts.that_fit(startable(candidates)) if asked.works_here else startable(candidates)
    )
    for run in fitting:
        lease = limits.claim(run)
        if lease is not None:
            return TrainingRun.objects.with_related().get(pk=run.pk), lease
    return None


def place_of(run: TrainingRun) -> Place | None:
    """Where a queued run stands; None for one that waits for nothing: a job at a provider needs no slot here."""
    if run.status != RunStatus.QUEUED:
        return None
    load = limits.loads([run.team_id])[run.team_id]
    if not run.works_here:
        return Place(0, 0, load) if load.full else None
    order = [waiting.pk for waiting in waiting_in_order()]
    running = TrainingRun.objects.on_this_machine().filter(status=RunStatus.RUNNING).count()
    return Place(order.index(run.pk), running, load) if run.pk in order else None


def wake_id(run: TrainingRun) -> str:
    """The RQ job of the attempt that will run next: the same for every dispatch of it, so that none is queued twice."""
    return f"run-{run.pk}-a{run.attempt + 1}"


def dispatch(run: TrainingRun) -> str:
    """Send the wake-up call. Never raises for Redis: the row is queued, and the reconciler sends the call again."""
    name = SLOT_QUEUE if run.works_here else QUICK_QUEUE
    return _enqueue(
        name,
        EXECUTE,
        run.pk,
        wake_id(run),
        timeout=settings.RQ_QUEUES[SLOT_QUEUE]["DEFAULT_TIMEOUT"],
    )


def wake_team(team: Team) -> None:
    """One of the team's runs has ended: those that waited for that may start."""
    for run in startable(
        TrainingRun.objects.for_team(team).filter(status=RunStatus.QUEUED).order_by("id")
    ):
        dispatch(run)


def nudge() -> str:
    """A wake-up call for whoever is next, when runs wait, none runs, and no call is on its way.

    Every queued run has a call of its own, but one call may be lost with the worker that carried it: RQ believes it started.
    """
    waiting = startable(waiting_in_order())
    busy = TrainingRun.objects.on_this_machine().filter(
        status__in=[RunStatus.RUNNING, RunStatus.CANCELLING]
    )
    if not waiting or busy.exists():
        return "not needed"
    try:
        if django_rq.get_queue(SLOT_QUEUE).count:
            return "on its way"
    except redis.exceptions.RedisError as error:
        return f"Redis is away: {type(error).__name__}"
    timeout = settings.RQ_QUEUES[SLOT_QUEUE]["DEFAULT_TIMEOUT"]
    return _enqueue(SLOT_QUEUE, EXECUTE, waiting[0].pk, f"nudge-{uuid4().hex}", timeout=timeout)


def is_slot_idle() -> bool:
    """Nothing waits for the training slot, and nothing holds it."""
    taken = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCELLING]
    return not TrainingRun.objects.on_this_machine().filter(status__in=taken).exists()


def dispatch_pace(base: BaseModel) -> str:
    """Have this machine's pace on a base model measured; not twice at once."""
    return _enqueue(
        SLOT_QUEUE, PACE, base.pk, f"{PACE_JOB}{base.pk}", timeout=PACE_TIMEOUT_SECONDS
    )


def dispatch_trial(base: BaseModel) -> str:
    """Have an added base model tried, where runs are trained: both need the memory. Not twice at once."""
    return _enqueue(
        SLOT_QUEUE, TRIAL, base.pk, f"{TRIAL_JOB}{base.pk}", timeout=TRIAL_TIMEOUT_SECONDS
    )


def dispatch_provider_trial(provider: Provider) -> str:
    """Have a provider tried by the quick worker; not twice at once."""
    return _enqueue(
        QUICK_QUEUE,
        TRY_PROVIDER,
        provider.pk,
        f"provider-{provider.pk}",
        timeout=POLL_TIMEOUT_SECONDS,
    )


def dispatch_merge(merged: MergedModel) -> str:
    """Have a merged download made, where runs are trained: both need the memory. Not twice at once."""
    return _enqueue(
        SLOT_QUEUE, MERGE, merged.pk, f"{MERGE_JOB}{merged.pk}", timeout=TRIAL_TIMEOUT_SECONDS
    )


def dispatch_load(run: TrainingRun) -> str:
    """Have the servers of its base take a bot that has just been made, where the operator has such servers."""
    if (
        not run.is_adapter
        or not ModelServer.objects.usable().for_base(run.base_model.weights_sha256).exists()
    ):
        return "not needed"
    return _enqueue(QUICK_QUEUE, LOAD, run.pk, f"load-{run.pk}", timeout=POLL_TIMEOUT_SECONDS)


def dispatch_poll(run: TrainingRun) -> str:
    """Have somebody look at the provider's job soon; not twice at once."""
    return _enqueue(QUICK_QUEUE, POLL, run.pk, f"poll-{run.pk}", timeout=POLL_TIMEOUT_SECONDS)


def _enqueue(name: str, function: str, subject: int, job_id: str, *, timeout: int) -> str:
    try:
        queue = django_rq.get_queue(name, commit_mode="auto")
        _clear_finished(queue, job_id)
        queue.enqueue_call(
            function,
            args=(subject,),
            job_id=job_id,
            unique=True,
            timeout=timeout,
            result_ttl=RESULT_SECONDS if function == EXECUTE else 0,
            failure_ttl=FAILURE_SECONDS,
        )
    except DuplicateJobError:
        return "already queued"
    except redis.exceptions.RedisError as error:
        return f"Redis is away: {type(error).__name__}"
    return "queued"


def _clear_finished(queue: django_rq.queues.DjangoRQ, job_id: str) -> None:
    """A job that is over, or that RQ remembers but no queue holds, must not keep its name from the next call."""
    try:
        job = Job.fetch(job_id, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return
    status = job.get_status(refresh=False)
    lost = (
        status == JobStatus.QUEUED
        and job.get_position() is None
        and not _between_queues(queue, job_id)
    )
    if lost or status not in ON_THE_WAY or (status == JobStatus.STARTED and _is_silent(job)):
        job.delete()


def _is_silent(job: Job) -> bool:
    """Its worker has stopped beating: killed, with the job in its hands. RQ itself would notice after up to 13 minutes.

    Should the worker live after all, the row's lease keeps the second call from doing anything.
    """
    return job.last_heartbeat is not None and timezone.now() - job.last_heartbeat > SILENCE


def _between_queues(queue: django_rq.queues.DjangoRQ, job_id: str) -> bool:
    return job_id.encode() in queue.connection.lrange(queue.intermediate_queue_key, 0, -1)


def _ordinal(number: int) -> str:
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
