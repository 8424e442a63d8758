"""What the machine is doing now: workers, servers, the queue of one course, and room on the disk."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import redis
from django.conf import settings
from django.utils import timezone
from rq import Worker

from courseplatform import service_state
from teams.models import Course
from training.models import ACTIVE, RunStatus, TrainingRun
from training.services import model_server, queue

PATIENCE_SECONDS = 1.0
FEW_BYTES = 5 * 1024**3
RECENT = timedelta(days=7)
MOST_SHOWN = 20


@dataclass(frozen=True)
class Server:
    """One server that answers for models. `trouble` is a sentence, empty when it is well."""

    name: str
    does: str
    trouble: str


@dataclass(frozen=True)
class Crashing:
    """A service that keeps crashing, for an instructor: `means` says what does not work meanwhile. `log`: below VAR_DIR."""

    name: str
    means: str
    since: datetime
    next_try: datetime | None
    log: str


@dataclass(frozen=True)
class WorkerState:
    """`run` is the run that it works on, where that is one of the course; `measures`: it tries out how fast this machine
    trains; `other`: its work is somebody else's."""

    name: str
    queues: list[str]
    busy: bool
    since: datetime | None
    run: TrainingRun | None
    measures: bool
    other: bool


@dataclass(frozen=True)
class Waits:
    """Seconds from launch to start, of the runs that started in the last seven days."""

    runs: int
    usual: float | None
    longest: float | None


@dataclass(frozen=True)
class Disk:
    free: int
    total: int

    @property
    def tight(self) -> bool:
        return self.free < FEW_BYTES


# Service of `machine.services`: (what an instructor calls it, what does not work without it).
SERVICES = {
    "redis": ("The queue", "Launched runs wait, and pages do not move by themselves."),
    "model-server": ("The model server", "LoRA bots and base models do not answer."),
    "program-server": ("The program server", "DSPy bots do not answer."),
    "lora-warm": (
        "The preload server",
        "LoRA runs start some seconds later. Nothing else is missing.",
    ),
    "worker-training": (
        "The training worker",
        "No LoRA or DSPy run starts. Queued runs keep their place.",
    ),
    "worker-quick": ("The quick worker", "Mail and OpenAI runs wait."),
    "worker-interviews": ("The interviews worker", "Standard interviews wait."),
    "worker-files": (
        "The files worker",
        "Large uploads, archives, and reports of large versions wait.",
    ),
    "bring-files": (
        "The file carrier",
        "Bots that were trained on another host do not answer here.",
    ),
    "scheduler": (
        "The scheduler",
        "Runs that lost their worker are not recovered by themselves.",
    ),
    "web": ("The web server", "Pages are slow to come or do not come at all."),
}


def crashing() -> list[Crashing]:
    """Empty where all is well, and where somebody else than `manage.py start` runs the services."""
    found = []
    for one in service_state.read(settings.SERVICE_STATE):
        name, means = SERVICES.get(one.name, (one.name, "What it does is missing."))
        found.append(
            Crashing(name, means, one.since_when, one.tried_next, f"logs/{one.name}.log")
        )
    return found


def servers() -> list[Server]:
    """Ask all of them at once; a second is enough on one machine and long for a network."""
    asked = [
        ("Model server", "answers for LoRA bots", settings.MODEL_SERVER_URL),
        ("Program server", "answers for DSPy bots", settings.PROGRAM_SERVER_URL),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: Server(one[0], one[1], _trouble(one[2])), asked))


def _trouble(url: str) -> str:
    said = model_server.trouble(url, key=settings.SERVICE_TOKEN, patience=PATIENCE_SECONDS)
    if said != model_server.NOT_RUNNING:
        return said
    if settings.SERVICE_STATE:
        return f"{said} It is started again by itself."
    return f"{said} Start the platform again, or ask whoever runs it."


def workers(course: Course) -> tuple[list[WorkerState], str]:
    """(workers, trouble). Trouble is a sentence when Redis, through which workers are woken, cannot be asked."""
    connection = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
    )
    try:
        found = Worker.all(connection=connection)
        jobs = {worker.name: _current_job(worker) for worker in found}
    except redis.exceptions.RedisError:
        return [], (
            "The queue's Redis server does not answer, so workers cannot be seen or woken. "
            "Launched runs keep their place and start when it is back."
        )
    finally:
        connection.close()
    ids = {name: _run_id(job) for name, job in jobs.items()}
    runs = TrainingRun.objects.filter(
        pk__in=[pk for pk in ids.values() if pk], team__course=course
    )
    known = {run.pk: run for run in runs.select_related("team")}
    return [
        _worker_state(worker, jobs[worker.name], known.get(ids[worker.name] or 0))
        for worker in found
    ], ""


def _current_job(worker: Worker) -> str | None:
    """From Redis, where the worker wrote it: `get_current_job_id` knows only of this process's own work."""
    return next((str(execution.job_id) for execution in worker.get_current_executions()), None)


def _worker_state(worker: Worker, job: str | None, run: TrainingRun | None) -> WorkerState:
    born = worker.birth_date
    since = timezone.make_aware(born) if born and timezone.is_naive(born) else born
    measures = (job or "").startswith(queue.PACE_JOB)
    other = job is not None and run is None and not measures
    return WorkerState(
        worker.name[:12], worker.queue_names(), job is not None, since, run, measures, other
    )


def _run_id(job: str | None) -> int | None:
    """From `run-<id>-a<attempt>` and `poll-<id>`."""
    parts = (job or "").split("-")
    return (
        int(parts[1])
        if len(parts) > 1 and parts[0] in ("run", "poll") and parts[1].isdigit()
        else None
    )


def active_runs(course: Course) -> list[TrainingRun]:
    """Oldest first; `queue_place` counts over all courses, because the machine is shared."""
    places = {run.pk: place for place, run in enumerate(queue.waiting_in_order(), start=1)}
    runs = list(
        TrainingRun.objects.filter(team__course=course, status__in=ACTIVE)
        .select_related("team", "base_model")
        .order_by("id")
    )
    for run in runs:
        run.queue_place = places.get(run.pk)
    return runs


def failed_runs(course: Course) -> list[TrainingRun]:
    rows = TrainingRun.objects.filter(
        team__course=course, status=RunStatus.FAILED
    ).select_related("team")
    return list(rows.order_by("-finished_at")[:MOST_SHOWN])


def waits(course: Course) -> Waits:
    started = TrainingRun.objects.filter(
        team__course=course, started_at__gte=timezone.now() - RECENT
    )
    pairs = started.order_by("-started_at").values_list("created_at", "started_at")[:200]
    seconds = [max(0.0, (begun - made).total_seconds()) for made, begun in pairs if begun]
    return Waits(len(seconds), median(seconds) if seconds else None, max(seconds, default=None))


def disk() -> Disk:
    usage = shutil.disk_usage(
        settings.VAR_DIR if settings.VAR_DIR.exists() else settings.BASE_DIR
    )
    return Disk(usage.free, usage.total)
